package recorder

import (
	"time"

	"sluice/internal/tlsconfig"
)

// Config is the recorder's part of the configuration.
type Config struct {
	// Spool says where and how the segments are written.
	Spool SpoolConfig `config:"spool"`
	// Clock says what is done while the machine's clock is not right yet.
	Clock ClockConfig `config:"clock"`
	// MQTT lists the brokers to record from, one entry for each session. Every
	// entry writes its own series of segments. Default: none.
	MQTT []MQTTConfig `config:"mqtt"`
	// Serial lists the serial ports to record from. Every entry writes its own
	// series of segments. Default: none.
	Serial []SerialConfig `config:"serial"`
	// HTTP answers questions about the running recorder.
	HTTP HTTPConfig `config:"http"`
}

// SpoolConfig says where and how segments are written.
type SpoolConfig struct {
	// Path is the folder of the segments. It is created when it is missing, with
	// mode 0750 less the umask: 0700 by the units. Default: /var/lib/sluice/spool.
	Path string `config:"path"`
	// SegmentBytes is the size at which a segment is sealed and the next one
	// begins, in bytes, 4KiB to 2GiB; the segments that are being written take at
	// most a quarter of max_bytes, all series together. A single longer record
	// makes a longer segment. Default: 16MiB.
	SegmentBytes int64 `config:"segment_bytes,bytes"`
	// MaxBytes bounds the segments in the spool together, in bytes, at least
	// 64KiB, and 16KiB for each series. A record that is longer than a quarter of
	// it may exceed it. 0: only the disk bounds them. Default: 0.
	MaxBytes int64 `config:"max_bytes,bytes"`
	// MinFree is how much of the file system stays free, in bytes: the registry
	// needs some to note what is shipped, and the system its own. On a small
	// file system a twentieth of it counts, if that is less. Default: 64MiB.
	MinFree int64 `config:"min_free,bytes"`
	// WhenFull is what is done at max_bytes, at min_free, or when the disk is
	// full. block: nothing is recorded or acknowledged until there is room
	// again, and the broker keeps the messages. drop_oldest_acked: segments are
	// deleted that are shipped and acknowledged to their last byte, before the
	// cleaner would do it; if there are none, as block. drop_oldest: after
	// those, the oldest segments, of the series that takes most room, are deleted
	// although not all of their records were shipped; each such loss is logged,
	// counted, and recorded as an event.
	// Default: block.
	WhenFull string `config:"when_full"`
	// RotateEvery seals a segment when its period of the wall clock ends: 1h
	// means at every full hour, as "rotatelogs 3600" does. 0 turns it off,
	// otherwise at least 1s. Default: 1h.
	RotateEvery time.Duration `config:"rotate_every"`
	// RotateLocal counts the periods in local time instead of UTC; it matters
	// for periods above 15 minutes ("rotatelogs -l"). Default: false.
	RotateLocal bool `config:"rotate_local"`
	// CommitInterval is how long the first record of a group may wait until the
	// group is written, fsynced and acknowledged, 1ms to 10s. Longer means fewer
	// writes to an SD card and a later acknowledgement. Default: 20ms.
	CommitInterval time.Duration `config:"commit_interval"`
	// CommitBytes is the size at which a group is committed at once, in bytes,
	// up to 64MiB. Default: 1MiB.
	CommitBytes int64 `config:"commit_bytes,bytes"`
	// FilePermissions is the mode of segments and state files. Default: 0640.
	FilePermissions uint32 `config:"file_permissions"`
}

// Bounds of segments in a spool with max_bytes: so many parts of it for those that
// are being written, which nobody can delete; and the smallest size.
const (
	activeShare  = 4
	leastSegment = 4 << 10
)

// Share lets so many series write their segments at the same time within
// max_bytes, by a smaller segment_bytes. New does so for the series of one recorder.
func (c *SpoolConfig) Share(series int) {
	if c.MaxBytes > 0 && series > 0 {
		c.SegmentBytes = min(c.SegmentBytes, max(c.MaxBytes/activeShare/int64(series), leastSegment))
	}
}

// segmentBytes is the size at which segments are sealed.
func (c *SpoolConfig) segmentBytes() int64 {
	if c.MaxBytes > 0 {
		return min(c.SegmentBytes, max(c.MaxBytes/activeShare, leastSegment))
	}
	return c.SegmentBytes
}

// MQTTConfig is one MQTT session to record from. Start from
// DefaultMQTTConfig: some options have a default that is not the zero value.
type MQTTConfig struct {
	// Name is the series' name: its segments are called NAME-0000000001.log.
	// Letters, digits, "_", "." and "-" only. Default: mqtt.
	Name string `config:"name"`
	// Version of MQTT: 3.1.1 or 5. With 5 the properties of messages are recorded,
	// too, and the broker says why it refuses something. Default: 3.1.1.
	Version string `config:"version"`
	// Hosts are the broker's addresses, tried in turn: mqtt:// or tcp:// (port
	// 1883), mqtts://, ssl:// or tls:// (8883), ws:// (80), wss:// (443), with an
	// optional path for the last two (default /mqtt). Required.
	// Filebeat: hosts of the mqtt input.
	Hosts []string `config:"hosts"`
	// Topics are the topic filters to subscribe to: a text, or a section with
	// topic and qos. "#" is every topic but those that begin with "$".
	// Default: "#". Filebeat: topics.
	Topics []TopicConfig `config:"topics"`
	// QoS is the quality of service for topics without their own: 0, 1 or 2.
	// With 0 nothing is redelivered that was lost on the way. Default: 1
	// (Filebeat: 0).
	QoS *int `config:"qos"`
	// Exclude are topic filters whose messages are acknowledged but not
	// recorded. Default: none.
	Exclude []string `config:"exclude"`
	// ClientID names the session at the broker. It must be unique there and stay
	// the same for ever: what the broker keeps while the recorder is away hangs
	// on it. Default: sluice-HOST-NAME. Filebeat: client_id.
	ClientID string `config:"client_id"`
	// Username for the broker. Default: none. Filebeat: username.
	Username string `config:"username"`
	// Password for the broker. Default: none. Filebeat: password.
	Password string `config:"password"`
	// SSL holds the TLS options for mqtts:// and wss://. Filebeat: ssl.*.
	SSL tlsconfig.Config `config:"ssl"`
	// CleanSession asks the broker to forget what was not delivered while the
	// recorder was away. Default: false (Filebeat: true).
	CleanSession bool `config:"clean_session"`
	// SessionExpiry is how long the broker is asked to keep the session, and what
	// comes for it, while the recorder is away: 1s to 1193046h28m15s, which means
	// for ever. If the broker keeps it for less, a warning says so. Only with
	// version 5, and not with clean_session. Default: 720h.
	SessionExpiry time.Duration `config:"session_expiry"`
	// ReceiveMaximum is how many messages of QoS 1 and 2 may come before one of them
	// is acknowledged, 1 to 65535: then the broker waits for the disk. The broker
	// may have a lower limit. Below 8, each group of messages waits for
	// commit_interval. Only with version 5. Default: 1000.
	ReceiveMaximum int `config:"receive_maximum"`
	// KeepAlive is the longest silence towards the broker, 1s to 18h; an
	// unanswered ping ends the connection. Default: 30s.
	KeepAlive time.Duration `config:"keepalive"`
	// ConnectTimeout bounds dialling, TLS and the broker's answer together.
	// Default: 15s.
	ConnectTimeout time.Duration `config:"connect_timeout"`
	// Backoff is the wait between two attempts to connect.
	Backoff BackoffConfig `config:"backoff"`
	// SilenceTimeout makes a warning and a new connection when no message came
	// for this long although connected: a broker that forgot the subscription
	// looks like that. 0 turns it off. Default: 0.
	SilenceTimeout time.Duration `config:"silence_timeout"`
	// MaxPayload is the longest payload that is kept whole, in bytes, up to
	// 256MiB; a longer one is cut, flagged in the line and counted.
	// Default: 1MiB.
	MaxPayload int64 `config:"max_payload,bytes"`
	// QueueBytes bounds the records that wait for the disk, in bytes of memory.
	// When it is reached the recorder stops reading from the broker, which then
	// keeps the messages. Default: 4MiB.
	QueueBytes int64 `config:"queue_bytes,bytes"`
	// QueueRecords bounds the number of records that wait for the disk.
	// Default: 20000.
	QueueRecords int `config:"queue_records"`
	// Format is "json" (one object a line), or a format string of mosquitto_sub,
	// such as "%I %t %p" or "@FT@T@z,%t,%p". Default: json.
	Format string `config:"format"`

	// Quiet leaves out the warnings about qos and clean_session: they were given
	// already. No option.
	Quiet bool
}

// The values of MQTTConfig.Version.
const (
	version3 = "3.1.1"
	version5 = "5"
)

// BackoffConfig is the wait between two attempts to connect: it doubles from
// Init to Max and is drawn at random from its upper half.
type BackoffConfig struct {
	// Init is the first wait. Default: 1s.
	Init time.Duration `config:"init"`
	// Max is the longest wait, at most 30s. Default: 30s; of a serial port 5s,
	// since what comes meanwhile is lost.
	Max time.Duration `config:"max"`
}

// TopicConfig is a topic filter with its quality of service.
type TopicConfig struct {
	// Topic is the filter: "+" stands for one level, "#" at the end for any
	// number of levels.
	Topic string `config:"topic"`
	// QoS is 0, 1 or 2. Default: the session's qos.
	QoS *int `config:"qos"`
}

// UnmarshalConfigString lets the configuration give a topic as a plain text.
func (t *TopicConfig) UnmarshalConfigString(s string) error {
	*t = TopicConfig{Topic: s}
	return nil
}

// DefaultConfig returns the defaults: a spool, and no source.
func DefaultConfig() Config {
	return Config{HTTP: DefaultHTTPConfig(), Clock: ClockConfig{}.filled(), Spool: SpoolConfig{
		Path:            "/var/lib/sluice/spool",
		SegmentBytes:    16 << 20,
		MinFree:         64 << 20,
		WhenFull:        whenFullBlock,
		RotateEvery:     time.Hour,
		CommitInterval:  20 * time.Millisecond,
		CommitBytes:     1 << 20,
		FilePermissions: 0o640,
	}}
}

// DefaultMQTTConfig returns the defaults of an MQTT session; only Hosts is
// missing.
func DefaultMQTTConfig() MQTTConfig {
	return MQTTConfig{
		Name:           "mqtt",
		Version:        version3,
		Topics:         []TopicConfig{{Topic: "#"}},
		QoS:            new(1),
		SSL:            tlsconfig.DefaultConfig(),
		SessionExpiry:  30 * 24 * time.Hour,
		ReceiveMaximum: 1000,
		KeepAlive:      30 * time.Second,
		ConnectTimeout: 15 * time.Second,
		Backoff:        BackoffConfig{Init: time.Second, Max: 30 * time.Second},
		MaxPayload:     1 << 20,
		QueueBytes:     4 << 20,
		QueueRecords:   20000,
		Format:         "json",
	}
}

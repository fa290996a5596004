package demo

import (
	"path/filepath"
	"time"

	"sluice/config"
	"sluice/internal/tlsconfig"
	"sluice/logstash"
	"sluice/recorder"
	"sluice/tailer"
)

// Segment sizes: small enough that a run seals and deletes many.
const (
	lineBytes    = 190 // of a reading as a line of the recorder, about
	wishSegments = 20
	leastSegment = 4 << 10
	mostSegment  = 1 << 20
	rotateEvery  = 5 * time.Second // for slow rates
)

// segmentBytes is the size at which the demo's segments are sealed.
func segmentBytes(messages int64) int64 {
	if messages <= 0 {
		return mostSegment / 4
	}
	return min(max(messages*lineBytes/wishSegments, leastSegment), mostSegment)
}

// settings are the options that a configuration file would hold: everything is
// the default but addresses, accounts, sizes, and waits that are shorter, so
// that a few seconds show what otherwise takes days.
func settings(dir string, o Options, b *broker, r *receiver, ca string) *config.Config {
	trust := tlsconfig.DefaultConfig()
	trust.CertificateAuthorities = []string{ca}

	session := recorder.DefaultMQTTConfig()
	session.Hosts = []string{"mqtts://" + b.addr}
	session.Topics = []recorder.TopicConfig{{Topic: recordFilter}}
	session.ClientID = recorderID
	session.Username, session.Password = recorderUser, b.password
	session.SSL = trust
	session.ConnectTimeout = sensorTimeout
	session.Backoff = recorder.BackoffConfig{Init: 100 * time.Millisecond, Max: time.Second}
	rec := recorder.DefaultConfig()
	rec.Spool.Path = filepath.Join(dir, "spool")
	rec.Spool.SegmentBytes = segmentBytes(o.Messages)
	rec.Spool.RotateEvery = rotateEvery
	rec.MQTT = []recorder.MQTTConfig{session}

	out := logstash.DefaultConfig()
	out.Hosts = []string{r.addr}
	out.SSL = &trust
	out.Backoff = logstash.BackoffConfig{Init: 100 * time.Millisecond, Max: time.Second}

	in := tailer.DefaultInput()
	in.Paths = []string{filepath.Join(rec.Spool.Path, "*.log")}
	in.ScanFrequency = time.Second

	cfg := config.DefaultConfig()
	cfg.Path.Home = dir
	cfg.Path.Config = dir
	cfg.Path.Data = filepath.Join(dir, "data")
	cfg.Path.Logs = filepath.Join(dir, "logs")
	cfg.Name = "sluice-demo"
	cfg.Recorder = &rec
	cfg.Filebeat.Inputs = []tailer.InputConfig{in}
	cfg.Output.Logstash = &out
	cfg.Filebeat.ShutdownTimeout = time.Second // all is acknowledged by then, unless the run fails
	cfg.Queue.Mem.Flush.Timeout = 100 * time.Millisecond
	cfg.Cleaner.OlderThan = 0
	return &cfg
}

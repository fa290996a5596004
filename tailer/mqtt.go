package tailer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"sluice/internal/tlsconfig"
)

// An input of type mqtt does not read from the broker itself: a recorder in
// the same process writes what the broker sends to segments, and acknowledges
// it when it is on disk. The input follows these segments, makes an event of
// each record (record.go), and removes a segment when it is sealed and
// acknowledged to its last byte (delete.go). So what the broker has handed over
// survives a crash of this program, and an outage of the output.

// MQTTOptions are the options of the input mqtt alone.
type MQTTOptions struct {
	// Hosts are the addresses of the broker: tcp:// or mqtt:// (port 1883), ssl://
	// or mqtts:// (8883), ws:// (80), wss:// (443). Several are tried in turn.
	// Input mqtt. Required.
	Hosts []string `config:"hosts"`
	// Topics are the topics to subscribe to; + stands for one level, # at the
	// end for any number of them. Input mqtt. Default: "#".
	Topics []string `config:"topics"`
	// QoS is the quality of service to subscribe with: 0, 1 or 2. With 0 what is
	// lost on the way is not delivered again; with 1 and clean_session: false
	// nothing is lost. Input mqtt. Default: 0, as in Filebeat.
	QoS int `config:"qos"`
	// ClientID names the session at the broker and must be unique there. Input
	// mqtt. Default: filebeat.
	ClientID string `config:"client_id"`
	// Username for the broker. Input mqtt. Default: none.
	Username string `config:"username"`
	// Password for the broker. Input mqtt. Default: none.
	Password string `config:"password"`
	// CleanSession asks the broker to forget what it could not deliver while
	// nobody was connected. Input mqtt. Default: true, as in Filebeat.
	CleanSession bool `config:"clean_session"`
	// SSL holds the TLS options for ssl://, mqtts:// and wss://. Input mqtt.
	SSL tlsconfig.Config `config:"ssl"`
}

func defaultMQTT() MQTTOptions {
	return MQTTOptions{Topics: []string{"#"}, ClientID: "filebeat", CleanSession: true, SSL: tlsconfig.DefaultConfig()}
}

// SeriesPrefix is what the names of the segments of mqtt inputs begin with; no
// other input follows such files of the spool.
const SeriesPrefix = "mqtt-input-"

// MaxPayload is the longest payload of an mqtt input that is kept whole, in
// bytes: as long as the longest line of other inputs.
const MaxPayload = 10 << 20

// maxRecord is more than the longest line of a segment: every byte of the
// payload and of the topic may need an escape of six.
const maxRecord = 6*(MaxPayload+1<<16) + 1024

// IsMQTT says whether this is an input of type mqtt.
func (c *InputConfig) IsMQTT() bool { return c.kind() == TypeMQTT }

// Series is the name of the segments of an mqtt input. It follows from the id;
// without one from client_id and hosts. What such a name can't hold is replaced,
// and told apart by a hash.
func (c *InputConfig) Series() string {
	text, hashed := c.ID, c.ID
	if text == "" {
		text = c.ClientID
		hashed = strings.Join(append([]string{c.ClientID}, slices.Sorted(slices.Values(c.Hosts))...), "\x00")
	}
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.-", r) {
			return r
		}
		return '_'
	}, text)
	if name = name[:min(len(name), 60)]; name != hashed {
		sum := sha256.Sum256([]byte(hashed))
		name += "-" + hex.EncodeToString(sum[:4])
	}
	return SeriesPrefix + name
}

// Clash says why two mqtt inputs can't run beside each other; nil if they can.
func (c *InputConfig) Clash(other *InputConfig) error {
	if !c.Enabled || !other.Enabled || !c.IsMQTT() || !other.IsMQTT() {
		return nil
	}
	if c.Series() == other.Series() && (c.ID != "" || other.ID != "") {
		return fault("id", "two mqtt inputs have the same id %q; give each its own", c.ID)
	}
	for _, host := range c.Hosts {
		if slices.Contains(other.Hosts, host) && c.ClientID == other.ClientID {
			return fault("client_id", "another mqtt input connects to %s as %q too, and the broker would end the one's connection for the other's; give each its own client_id", host, c.ClientID)
		}
	}
	return nil
}

// MQTTWarnings says what of an mqtt input is allowed, but loses messages.
func (c *InputConfig) MQTTWarnings() (list []*OptionError) {
	switch {
	case !c.Enabled || !c.IsMQTT():
	case c.QoS == 0:
		list = append(list, &OptionError{"qos", "0 loses messages: what is lost on the way, or comes while nobody is connected, is not delivered again; qos: 1 with clean_session: false loses none"})
	case c.CleanSession:
		list = append(list, &OptionError{"clean_session", "the broker forgets what comes while nobody is connected; qos 1 and 2 are meant for a session that stays: write clean_session: false, and a client_id of its own"})
	}
	return list
}

// segmentGlob matches the segments of a series in the spool.
func segmentGlob(spool, series string) string {
	return globQuoter.Replace(filepath.Join(spool, series)) + "-" + strings.Repeat("[0-9]", 10) + ".log"
}

var globQuoter = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`)

// validateMQTT checks the options of the type; how addresses and topics are
// written is the recorder's to say.
func (c *InputConfig) validateMQTT() (errs []error) {
	add := func(option, format string, args ...any) { errs = append(errs, fault(option, format, args...)) }
	if len(c.Hosts) == 0 {
		add("hosts", "is required: the broker's address, for example ssl://broker.example:8883")
	}
	if len(c.Topics) == 0 {
		add("topics", "names no topic; \"#\" is all of them")
	}
	if c.QoS < 0 || c.QoS > 2 {
		add("qos", "%d is no quality of service; use 0, 1 or 2", c.QoS)
	}
	if c.ClientID == "" {
		add("client_id", "must not be empty; leave it out for \"filebeat\"")
	}
	if err := c.SSL.Validate(); err != nil {
		errs = append(errs, prefixed(err, "ssl"))
	}
	return errs
}

// misplacedMQTT finds options of inputs that read files in one of type mqtt.
func (c *InputConfig) misplacedMQTT() (errs []error) {
	d := DefaultInput()
	names := append(changed(c.LogOptions, d.LogOptions), changed(c.FilestreamOptions, d.FilestreamOptions)...)
	common := changed(*c, d)
	for _, name := range []string{"paths", "exclude_files", "include_lines", "exclude_lines", "encoding", "line_terminator", "partial_line_timeout",
		"ignore_older", "clean_inactive", "clean_removed", "harvester_limit", "file_identity", "backoff"} {
		if slices.Contains(common, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		use := "inputs that read files have it"
		switch name {
		case "include_lines", "exclude_lines":
			use = "use the processor drop_event"
		case "json", "parsers":
			use = "use the processor decode_json_fields"
		case "encoding", "line_terminator", "multiline":
			use = "a message is an event as it is"
		}
		errs = append(errs, fault(name, "is no option of type mqtt; %s", use))
	}
	return errs
}

// changed lists the options of a struct, by name, that are not as in another
// one; squashed structs are not entered.
func changed[T any](a, b T) (names []string) {
	v, w := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range v.NumField() {
		name, flags, _ := strings.Cut(v.Type().Field(i).Tag.Get("config"), ",")
		if name != "" && flags != "squash" && !reflect.DeepEqual(v.Field(i).Interface(), w.Field(i).Interface()) {
			names = append(names, name)
		}
	}
	return names
}

// checkClashes finds two mqtt inputs that can't run beside each other.
func checkClashes(inputs []InputConfig) error {
	for i := range inputs {
		for j := range i {
			if err := inputs[i].Clash(&inputs[j]); err != nil {
				return prefixed(err, fmt.Sprintf("filebeat.inputs.%d", i))
			}
		}
	}
	return nil
}

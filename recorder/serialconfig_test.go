package recorder

import (
	"strings"
	"testing"
	"time"
)

func TestWrongSerialOptionsAreNamed(t *testing.T) {
	for want, change := range map[string]func(*SerialConfig){
		`name: "a/b": letters, digits`:                                     func(c *SerialConfig) { c.Name = "a/b" },
		`port: is missing; "sluice recorder ports" lists what there is`:    func(c *SerialConfig) { c.Port = "" },
		`port: "ttyUSB0" is neither the path of a device`:                  func(c *SerialConfig) { c.Port = "ttyUSB0" },
		`port: "usb:0403": write usb:VENDOR:PRODUCT`:                       func(c *SerialConfig) { c.Port = "usb:0403" },
		`port: "usb:403:6001": a vendor or product is four hexadecimal`:    func(c *SerialConfig) { c.Port = "usb:403:6001" },
		`port: "usb::6001": vendor and product are needed`:                 func(c *SerialConfig) { c.Port = "usb::6001" },
		"baud_rate: 10 is outside 50 to 4000000":                           func(c *SerialConfig) { c.BaudRate = 10 },
		"data_bits: 9 is outside 5 to 8":                                   func(c *SerialConfig) { c.DataBits = 9 },
		`parity: "maybe" is not known; use none, odd, even, mark or space`: func(c *SerialConfig) { c.Parity = "maybe" },
		`stop_bits: "3" is not known; use 1, 1.5 or 2`:                     func(c *SerialConfig) { c.StopBits = "3" },
		"stop_bits: 1.5 exists with data_bits: 5 only; use 1 or 2":         func(c *SerialConfig) { c.StopBits = "1.5" },
		`framing: "word" is not known; use line, delimiter`:                func(c *SerialConfig) { c.Framing = "word" },
		`line_terminator: "nl" is not known; use auto, lf, crlf or cr`:     func(c *SerialConfig) { c.LineTerminator = "nl" },
		`delimiter: is needed with framing: delimiter`:                     func(c *SerialConfig) { c.Framing = "delimiter" },
		`delimiter: has an effect with framing: delimiter only`:            func(c *SerialConfig) { c.Delimiter = "x" },
		`delimiter: "\\y", character 1: unknown escape`:                    func(c *SerialConfig) { c.Delimiter = `\y` },
		`delimiter: "\\": a backslash at the end`:                          func(c *SerialConfig) { c.Delimiter = `\` },
		`frame_length: 0 is outside 1 to 65536 bytes`:                      func(c *SerialConfig) { c.Framing = "length" },
		"frame_length: has an effect with framing: length only":            func(c *SerialConfig) { c.FrameLength = 3 },
		"idle_gap: 1ms is outside 5ms to 1m0s":                             func(c *SerialConfig) { c.IdleGap = time.Millisecond },
		"max_line: -1 is outside 1 to 16777216 bytes":                      func(c *SerialConfig) { c.MaxLine = -1 },
		`checksum: "crc" is not known; use none or xor`:                    func(c *SerialConfig) { c.Checksum = "crc" },
		"strip_checksum: has an effect with checksum: xor only":            func(c *SerialConfig) { c.StripChecksum = true },
		`open_lines: entry 2: "\\q", character 1: unknown escape`:          func(c *SerialConfig) { c.OpenLines = []string{"a", `\q`} },
		"open_delay: -1s is outside 0s to 1m0s":                            func(c *SerialConfig) { c.OpenDelay = -time.Second },
		"poll.0.every: 0s is outside 10ms to 24h0m0s":                      func(c *SerialConfig) { c.Poll = []PollConfig{{Line: "?"}} },
		`poll.0.line: "\\xZ0", character 1: unknown escape`:                func(c *SerialConfig) { c.Poll = []PollConfig{{Line: `\xZ0`, Every: time.Second}} },
		`line_ending: "\\q", character 1: unknown escape`:                  func(c *SerialConfig) { c.LineEnding = `\q` },
		"silence_timeout: 1ms is outside":                                  func(c *SerialConfig) { c.SilenceTimeout = time.Millisecond },
		"backoff.max: 1m0s is outside":                                     func(c *SerialConfig) { c.Backoff.Max = time.Minute },
		"queue_bytes: 1 is outside":                                        func(c *SerialConfig) { c.QueueBytes = 1 },
		"queue_records: -1 is outside":                                     func(c *SerialConfig) { c.QueueRecords = -1 },
		`format: "%y", character 1: unknown conversion`:                    func(c *SerialConfig) { c.Format = "%y" },
	} {
		c := serialConfig("/spool", "/dev/ttyUSB0")
		change(&c.Serial[0])
		err := c.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), "serial.0."+want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v\nwant serial.0.%s", err, want)
		}
	}
	c := serialConfig("/spool", "/dev/ttyUSB0")
	must(t, c.Validate())
	c.Serial = []SerialConfig{{Port: "usb:::A50285BI"}, {Name: "b", Port: "/dev/x", DataBits: 5, StopBits: "1.5"}}
	must(t, c.Validate()) // zero values are defaults
	c.Serial = append(c.Serial, SerialConfig{Port: "/dev/x"})
	c.MQTT = config("/spool", "mqtt://x").MQTT
	c.MQTT[0].Name = "b"
	err := c.Validate()
	for _, want := range []string{`serial.1.name: "b" is taken by mqtt.0; give every entry its own name`, `serial.2.name: "serial" is taken by serial.0`, `serial.2.port: "/dev/x" is taken by serial.1; give every entry its own port`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

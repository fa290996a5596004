package recorder

import (
	"errors"
	"fmt"
	"time"
)

// SerialConfig is one serial port to record from. Start from
// DefaultSerialConfig: some options have a default that is not the zero value.
type SerialConfig struct {
	// Name is the series' name: its segments are called NAME-0000000001.log.
	// Letters, digits, "_", "." and "-" only. Default: serial.
	Name string `config:"name"`
	// Port is a device, such as /dev/ttyUSB0, better a link that stays the same
	// when devices are plugged in another order, /dev/serial/by-id/…, or the
	// ids of a USB device: usb:VENDOR:PRODUCT, usb:VENDOR:PRODUCT:SERIAL or
	// usb:::SERIAL. "sluice recorder ports" lists what there is and what to
	// write. It is looked up anew whenever the port is opened. Required.
	Port string `config:"port"`
	// BaudRate is the speed in bits per second, as the device has it, 50 to
	// 4000000. Default: 9600.
	BaudRate int `config:"baud_rate"`
	// DataBits of a character: 5 to 8. Default: 8.
	DataBits int `config:"data_bits"`
	// Parity is none, odd, even, mark or space. Default: none.
	Parity string `config:"parity"`
	// StopBits is 1, 2, or 1.5 with 5 data bits. Default: 1.
	StopBits string `config:"stop_bits"`
	// DTR sets the line "data terminal ready" when the port is opened; true or
	// false. Many boards start anew when it changes. Default: as the system
	// does it, which is true.
	DTR *bool `config:"dtr"`
	// RTS is as dtr, for "request to send". Default: as the system does it.
	RTS *bool `config:"rts"`
	// Exclusive keeps other programs from opening the port, and does not open
	// one that another program holds. Default: true.
	Exclusive bool `config:"exclusive"`

	// Framing says what a record is. line: text that ends as line_terminator
	// says. delimiter: bytes that end in delimiter. length: frame_length bytes.
	// idle: bytes between two pauses of idle_gap. Empty ones are no record.
	// Default: line.
	Framing string `config:"framing"`
	// LineTerminator is lf, crlf, cr, or auto, which takes each of the three.
	// It is no part of the record. Default: auto.
	LineTerminator string `config:"line_terminator"`
	// Delimiter ends a record with framing: delimiter, and is no part of it.
	// Escapes: \\ \0 \a \e \n \r \t \v, and \xHH for any byte. Default: none.
	Delimiter string `config:"delimiter"`
	// FrameLength is the length of a record with framing: length, in bytes, at
	// most max_line. Default: none.
	FrameLength int64 `config:"frame_length,bytes"`
	// IdleGap is the pause that ends a record with framing: idle, 5ms to 1m.
	// With framing: length a record that was begun and then paused for so long
	// is recorded as partial, and the next byte begins a new one. USB adapters
	// hand over what they have every 16ms. Default: 100ms.
	IdleGap time.Duration `config:"idle_gap"`
	// MaxLine is the longest record that is kept whole, in bytes, up to 16MiB; a
	// longer one is cut, flagged in the line and counted. With framing: idle the
	// rest becomes the next record. Default: 64KiB.
	MaxLine int64 `config:"max_line,bytes"`
	// Checksum is none, or xor: a record ends in *XX, two hexadecimal digits of
	// the exclusive or of all bytes before the *, without a $ or ! in front (as
	// NMEA 0183 has it). A record that does not, or not rightly, is no data: it
	// becomes an event "checksum", and is counted. Default: none.
	Checksum string `config:"checksum"`
	// StripChecksum leaves the *XX out of the record. Default: false.
	StripChecksum bool `config:"strip_checksum"`

	// OpenLines are sent to the device whenever the port was opened, each with
	// line_ending; escapes as in delimiter. Default: none.
	OpenLines []string `config:"open_lines"`
	// OpenDelay is the wait between the opening and the first line that is sent,
	// up to 1m: a board that starts anew needs some 2s. Default: 0.
	OpenDelay time.Duration `config:"open_delay"`
	// Poll lists lines that are sent again and again. Default: none.
	Poll []PollConfig `config:"poll"`
	// LineEnding is sent after each line of open_lines and poll; escapes as in
	// delimiter. Default: "\n".
	LineEnding string `config:"line_ending"`

	// SilenceTimeout makes a warning, a gap event, and a new opening of the port
	// when no byte came for this long, at least 100ms. 0 turns it off.
	// Default: 0.
	SilenceTimeout time.Duration `config:"silence_timeout"`
	// Backoff is the wait between two attempts to open the port.
	Backoff BackoffConfig `config:"backoff"`
	// QueueBytes bounds the records that wait for the disk, in bytes of memory.
	// When it is reached the recorder stops reading; the kernel then keeps 4KiB
	// and drops what is more, unless the device waits. Default: 4MiB.
	QueueBytes int64 `config:"queue_bytes,bytes"`
	// QueueRecords bounds the number of records that wait for the disk.
	// Default: 20000.
	QueueRecords int `config:"queue_records"`
	// Format is "json" (one object a line), or a format string of mosquitto_sub,
	// such as "%I %t %p"; %t is the port and %p the record. Which records are
	// partial or cut is shown in JSON only. Default: json.
	Format string `config:"format"`
}

// PollConfig is a line that is sent to the device again and again.
type PollConfig struct {
	// Line is what is sent, with line_ending; escapes as in delimiter.
	Line string `config:"line"`
	// Every is the time between two of them, 10ms to 24h; the first is sent
	// when the port was opened. Required.
	Every time.Duration `config:"every"`
}

// The values of options with names.
const (
	framingLine      = "line"
	framingDelimiter = "delimiter"
	framingLength    = "length"
	framingIdle      = "idle"

	terminatorAuto = "auto"
	terminatorLF   = "lf"
	terminatorCRLF = "crlf"
	terminatorCR   = "cr"

	checksumNone = "none"
	checksumXOR  = "xor"
)

// DefaultSerialConfig returns the defaults of a serial port; only Port is
// missing.
func DefaultSerialConfig() SerialConfig {
	return SerialConfig{
		Name:           "serial",
		BaudRate:       9600,
		DataBits:       8,
		Parity:         "none",
		StopBits:       "1",
		Exclusive:      true,
		Framing:        framingLine,
		LineTerminator: terminatorAuto,
		IdleGap:        100 * time.Millisecond,
		MaxLine:        64 << 10,
		Checksum:       checksumNone,
		LineEnding:     `\n`,
		Backoff:        BackoffConfig{Init: time.Second, Max: 5 * time.Second},
		QueueBytes:     4 << 20,
		QueueRecords:   20000,
		Format:         "json",
	}
}

// filled is as SpoolConfig.filled.
func (c *SerialConfig) filled() SerialConfig {
	s, d := *c, DefaultSerialConfig()
	s.Name = or(s.Name, d.Name)
	s.BaudRate = or(s.BaudRate, d.BaudRate)
	s.DataBits = or(s.DataBits, d.DataBits)
	s.Parity = or(s.Parity, d.Parity)
	s.StopBits = or(s.StopBits, d.StopBits)
	s.Framing = or(s.Framing, d.Framing)
	s.LineTerminator = or(s.LineTerminator, d.LineTerminator)
	s.IdleGap = or(s.IdleGap, d.IdleGap)
	s.MaxLine = or(s.MaxLine, d.MaxLine)
	s.Checksum = or(s.Checksum, d.Checksum)
	s.Backoff = s.Backoff.filled(d.Backoff)
	s.QueueBytes = or(s.QueueBytes, d.QueueBytes)
	s.QueueRecords = or(s.QueueRecords, d.QueueRecords)
	s.Format = or(s.Format, d.Format)
	return s
}

// Validate checks a serial port's options.
func (c *SerialConfig) Validate() error {
	var f faults
	s := c.filled()
	f.name(s.Name)
	if s.Port == "" {
		f.add("port", "is missing; \"sluice recorder ports\" lists what there is")
	} else if _, err := parsePort(s.Port); err != nil {
		f.add("port", "%s", err)
	}
	s.validateMode(&f)
	s.validateFraming(&f)
	s.validateSending(&f)
	if s.SilenceTimeout != 0 {
		f.span("silence_timeout", s.SilenceTimeout, 100*time.Millisecond, 366*24*time.Hour)
	}
	f.backoff(s.Backoff)
	f.queue(s.QueueBytes, s.QueueRecords)
	f.format(s.Format)
	return errors.Join(f.list...)
}

// validateMode checks how bits become bytes.
func (c *SerialConfig) validateMode(f *faults) {
	if c.BaudRate < 50 || c.BaudRate > 4_000_000 {
		f.add("baud_rate", "%d is outside 50 to 4000000", c.BaudRate)
	}
	if c.DataBits < 5 || c.DataBits > 8 {
		f.add("data_bits", "%d is outside 5 to 8", c.DataBits)
	}
	f.oneOf("parity", c.Parity, "none", "odd", "even", "mark", "space")
	if f.oneOf("stop_bits", c.StopBits, "1", "1.5", "2") && c.StopBits == "1.5" && c.DataBits != 5 {
		f.add("stop_bits", "1.5 exists with data_bits: 5 only; use 1 or 2")
	}
}

// validateFraming checks how bytes become records.
func (c *SerialConfig) validateFraming(f *faults) {
	f.oneOf("framing", c.Framing, framingLine, framingDelimiter, framingLength, framingIdle)
	f.oneOf("line_terminator", c.LineTerminator, terminatorAuto, terminatorLF, terminatorCRLF, terminatorCR)
	f.oneOf("checksum", c.Checksum, checksumNone, checksumXOR)
	f.size("max_line", c.MaxLine, 1, 16<<20)
	delimiter, err := unescapeBytes(c.Delimiter)
	switch {
	case err != nil:
		f.add("delimiter", "%s", err)
	case c.Framing == framingDelimiter && len(delimiter) == 0:
		f.add("delimiter", "is needed with framing: delimiter, such as \"\\x03\"")
	case c.Framing != framingDelimiter && c.Delimiter != "":
		f.add("delimiter", "has an effect with framing: delimiter only; leave it out, or set framing")
	case len(delimiter) > 64:
		f.add("delimiter", "%d bytes are too many; 64 at most", len(delimiter))
	}
	if c.Framing == framingLength {
		f.size("frame_length", c.FrameLength, 1, c.MaxLine)
	} else if c.FrameLength != 0 {
		f.add("frame_length", "has an effect with framing: length only; leave it out, or set framing")
	}
	f.span("idle_gap", c.IdleGap, 5*time.Millisecond, time.Minute)
	if c.StripChecksum && c.Checksum == checksumNone {
		f.add("strip_checksum", "has an effect with checksum: xor only; leave it out, or set checksum")
	}
}

// validateSending checks what is sent to the device.
func (c *SerialConfig) validateSending(f *faults) {
	if _, err := unescapeBytes(c.LineEnding); err != nil {
		f.add("line_ending", "%s", err)
	}
	for i, line := range c.OpenLines {
		if _, err := unescapeBytes(line); err != nil {
			f.add("open_lines", "entry %d: %s", i+1, err)
		}
	}
	f.span("open_delay", c.OpenDelay, 0, time.Minute)
	for i, p := range c.Poll {
		prefix := fmt.Sprintf("poll.%d.", i)
		if _, err := unescapeBytes(p.Line); err != nil {
			f.add(prefix+"line", "%s", err)
		}
		f.span(prefix+"every", p.Every, 10*time.Millisecond, 24*time.Hour)
	}
}

// oneOf faults a word that is not among these.
//
//go:noinline
func (f *faults) oneOf(field, word string, known ...string) bool {
	text := ""
	for i, k := range known {
		if k == word {
			return true
		}
		switch {
		case i == 0:
		case i == len(known)-1:
			text += " or "
		default:
			text += ", "
		}
		text += k
	}
	f.add(field, "%q is not known; use %s", word, text)
	return false
}

// unescapeBytes reads a text with escapes.
func unescapeBytes(text string) ([]byte, error) {
	var out []byte
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			out = append(out, text[i])
			continue
		}
		i++
		if i == len(text) {
			return nil, fmt.Errorf("%q: a backslash at the end; write \\\\ for a backslash", text)
		}
		b, known := escapes[text[i]]
		switch {
		case known:
			out = append(out, b)
		case text[i] == 'x' && i+2 < len(text) && hexDigit(text[i+1]) < 16 && hexDigit(text[i+2]) < 16:
			out = append(out, hexDigit(text[i+1])<<4|hexDigit(text[i+2]))
			i += 2
		default:
			return nil, fmt.Errorf("%q, character %d: unknown escape; there are \\\\ \\0 \\a \\e \\n \\r \\t \\v and \\xHH", text, i)
		}
	}
	return out, nil
}

// hexDigit is a hexadecimal digit's value, 255 for another byte.
func hexDigit(c byte) byte {
	if c >= 'A' && c <= 'F' {
		c += 'a' - 'A'
	}
	return nibble(c)
}

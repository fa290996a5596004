package recorder

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// framesOf cuts text that comes in pieces of n bytes.
func framesOf(f *framer, text string, n int) (list []string) {
	emit := func(f frame) {
		s := string(f.bytes)
		if f.partial {
			s += " (partial)"
		}
		if f.size > len(f.bytes) {
			s += fmt.Sprintf(" (of %d)", f.size)
		}
		list = append(list, s)
	}
	for b := []byte(text); len(b) > 0; {
		k := min(n, len(b))
		f.write(b[:k], emit)
		b = b[k:]
	}
	f.flush(true, emit)
	return list
}

func TestFraming(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*SerialConfig)
		text   string
		want   []string
	}{
		{"auto takes all line ends", nil, "a\nb\r\nc\rd\n\re\r\n", []string{"a", "b", "c", "d", "e"}},
		{"auto drops empty lines", nil, "\n\r\n\r\ra\n\n", []string{"a"}},
		{"what has no end is partial", nil, "a\nb", []string{"a", "b (partial)"}},
		{"lf", func(c *SerialConfig) { c.LineTerminator = "lf" }, "a\r\nb\n\nc\n", []string{"a\r", "b", "c"}},
		{"cr", func(c *SerialConfig) { c.LineTerminator = "cr" }, "a\r\nb\r", []string{"a", "\nb"}},
		{"crlf", func(c *SerialConfig) { c.LineTerminator = "crlf" }, "a\rb\nc\r\r\nd\r\n", []string{"a\rb\nc\r", "d"}},
		{"delimiter", func(c *SerialConfig) { c.Framing, c.Delimiter = "delimiter", `\x03` }, "a\nb\x03\x03c\x03", []string{"a\nb", "c"}},
		{"a delimiter that overlaps itself", func(c *SerialConfig) { c.Framing, c.Delimiter = "delimiter", "aab" }, "aaab1aabaaxaab", []string{"a", "1", "aax"}},
		{"length", func(c *SerialConfig) { c.Framing, c.FrameLength = "length", 3 }, "abcdef\ng", []string{"abc", "def", "\ng (partial)"}},
		{"too long", func(c *SerialConfig) { c.MaxLine = 4 }, "abcd\nabcde\nabcdefgh\nx\n", []string{"abcd", "abcd (of 5)", "abcd (of 8)", "x"}},
		{"too long for a delimiter", func(c *SerialConfig) { c.MaxLine, c.LineTerminator = 4, "crlf" }, "abcd\r\nabc\rde\r\nx\r\n", []string{"abcd", "abc\r (of 6)", "x"}},
		{"idle goes on after max_line", func(c *SerialConfig) { c.Framing, c.MaxLine = "idle", 4 }, "abcdefghij", []string{"abcd (partial)", "efgh (partial)", "ij (partial)"}},
	} {
		for n := 1; n <= len(c.text); n++ {
			cfg := DefaultSerialConfig()
			cfg.Port = "/dev/x"
			if c.change != nil {
				c.change(&cfg)
			}
			must(t, cfg.Validate())
			if got := framesOf(newFramer(&cfg), c.text, n); !slices.Equal(got, c.want) {
				t.Errorf("%s, %d bytes at once: %q, want %q", c.name, n, got, c.want)
			}
		}
	}
}

func TestFirstFrameIsPartialUntilItsEnd(t *testing.T) {
	cfg := DefaultSerialConfig()
	f := newFramer(&cfg)
	f.begin(true)
	if got, want := framesOf(f, "a\nb\n", 1), []string{"a (partial)", "b"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	f.begin(true) // between CR and LF: what follows is whole
	if got, want := framesOf(f, "\nb\n", 1), []string{"b"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// FuzzFramer holds the framer against the same cut done by the library, and
// against itself with other pieces.
func FuzzFramer(f *testing.F) {
	f.Add([]byte("a\nb\r\nc\rd\n\r\n"), "\n", uint8(3), uint8(5))
	f.Add([]byte("aaab1aabaaxaab"), "aab", uint8(1), uint8(2))
	f.Add([]byte("\x02abc\x03\x02\x03"), "\x03", uint8(4), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, delimiter string, piece, kind uint8) {
		cfg := DefaultSerialConfig()
		cfg.MaxLine = 7
		switch kind % 4 {
		case 1:
			cfg.Framing, cfg.FrameLength = "length", 5
		case 2:
			cfg.Framing = "idle"
		case 3:
			if delimiter == "" || len(delimiter) > 64 {
				return
			}
			cfg.Framing, cfg.Delimiter = "delimiter", strings.ReplaceAll(delimiter, `\`, `\\`)
		}
		got := framesOf(newFramer(&cfg), string(b), int(piece)+1)
		if whole := framesOf(newFramer(&cfg), string(b), len(b)+1); !slices.Equal(got, whole) {
			t.Fatalf("%q in pieces of %d: %q, in one: %q", b, int(piece)+1, got, whole)
		}
		if kind%4 != 3 {
			return
		}
		var want []string
		for part := range strings.SplitSeq(string(b), delimiter) {
			if part != "" {
				want = append(want, part)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%q by %q: %q, want %q", b, delimiter, got, want)
		}
		for i := range got {
			if !strings.HasPrefix(got[i], want[i][:min(len(want[i]), 7)]) {
				t.Fatalf("%q by %q: %q, want %q", b, delimiter, got, want)
			}
		}
	})
}

func TestChecksum(t *testing.T) {
	for _, c := range []struct {
		line, body  string
		ok, without bool
	}{
		{"#id=avr-sensor fw=0.1 proto=1 rst=1*6D", "#id=avr-sensor fw=0.1 proto=1 rst=1", true, false},
		{`{"t":"sensor","seq":1,"hum":55.3,"tem":21.4}*16`, `{"t":"sensor","seq":1,"hum":55.3,"tem":21.4}`, true, false},
		{"h up=2006 ram=1683 vcc=5001 ok=2 eto=0 esum=0 loop_us=11496*4C", "h up=2006 ram=1683 vcc=5001 ok=2 eto=0 esum=0 loop_us=11496", true, false},
		{"$GPGLL,5300.97914,N,00259.98174,E,125926,A*28", "$GPGLL,5300.97914,N,00259.98174,E,125926,A", true, false},
		{"!AIVDM,1,1,,A,14eG;o@034o8sd<L9i:a;WF>062D,0*7D", "!AIVDM,1,1,,A,14eG;o@034o8sd<L9i:a;WF>062D,0", true, false},
		{"ab*03", "ab", true, false},
		{"ab*03\r", "ab", true, false},
		{"ab*04", "ab", false, false},
		{"a*b*4b", "a*b", false, false},
		{"a*b*29", "a*b", true, false},
		{"*00", "", true, false},
		{"$*00", "$", true, false},
		{"ab*0g", "ab*0g", false, true},
		{"ab*3", "ab*3", false, true},
		{"ab", "ab", false, true},
		{"", "", false, true},
		{"*", "*", false, true},
	} {
		body, ok, without := checkXOR([]byte(c.line))
		if string(body) != c.body || ok != c.ok || without != c.without {
			t.Errorf("%q: %q, ok %v, without %v", c.line, body, ok, without)
		}
	}
}

func FuzzChecksum(f *testing.F) {
	f.Add([]byte("ab*03"))
	f.Add([]byte("$x*"))
	f.Fuzz(func(t *testing.T, b []byte) {
		body, ok, without := checkXOR(b)
		if !bytes.HasPrefix(b, body) || ok && without {
			t.Fatalf("%q: %q, ok %v, without %v", b, body, ok, without)
		}
		line := fmt.Appendf(bytes.Clone(b), "*%02x", xor(b))
		if body, ok, _ := checkXOR(line); !ok || !bytes.Equal(body, b) {
			t.Fatalf("%q is not taken: %q", line, body)
		}
		line[len(line)-1] ^= 1 // another digit, or none
		if _, ok, _ := checkXOR(line); ok {
			t.Fatalf("%q is taken", line)
		}
	})
}

func TestNoiseIsToldFromText(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"text":         {strings.Repeat("humidity=55.3 temperature=21.4\r\n", 20), false},
		"umlauts":      {strings.Repeat("Außentemperatur 21 °C µ €\n", 20), false},
		"Latin-1":      {strings.Repeat("temperature 21.4 \xb0C\n", 20), false},
		"colours":      {strings.Repeat("\x1b[31mred\x1b[0m\n", 20), false},
		"NUL":          {strings.Repeat("\x00", 100), true},
		"framing":      {strings.Repeat("\xff\x00x\xfe", 30), true},
		"mixed":        {strings.Repeat("ab\x80\xf8q", 30), true},
		"short":        {strings.Repeat("\xff", 30), false},
		"with returns": {strings.Repeat("\x80\xf8\n\x1e\r", 30), true},
	} {
		for _, n := range []int{1, 7, 1000} {
			var detector noise
			told := 0
			for b := []byte(c.text); len(b) > 0; {
				k := min(n, len(b))
				if detector.hear(b[:k]) {
					told++
				}
				b = b[k:]
			}
			if told > 1 || (told == 1) != c.want {
				t.Errorf("%s, %d bytes at once: told %d times, want %v", name, n, told, c.want)
			}
		}
	}
	var n noise
	n.hear(bytes.Repeat([]byte{0xff}, 100))
	n.line([]byte("temperature=3"))
	if !n.hear(bytes.Repeat([]byte{0xff}, 100)) {
		t.Error("a second run of noise is not told")
	}
}

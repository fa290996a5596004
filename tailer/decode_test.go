package tailer

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"sluice/internal/processor"
)

// Where a byte order mark is, log counts it and filestream does not; the
// registry's offset is the file's own.
func TestByteOrderMarks(t *testing.T) {
	utf16 := func(order unicode.Endianness, bom unicode.BOMPolicy) string {
		text, err := unicode.UTF16(order, bom).NewEncoder().String("one\r\nzwölf\n")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	little, big := utf16(unicode.LittleEndian, unicode.UseBOM), utf16(unicode.BigEndian, unicode.UseBOM)
	for _, c := range []struct {
		encoding, text  string
		log, filestream []int64 // offsets
	}{
		{"utf-16-bom", little, []int64{2, 12}, []int64{0, 10}},
		{"utf-16-bom", big, []int64{2, 12}, []int64{0, 10}},
		{"utf-16be-bom", little, []int64{2, 12}, []int64{0, 10}},
		{"utf-16le-bom", big, []int64{2, 12}, []int64{0, 10}},
		{"utf-16be-bom", utf16(unicode.BigEndian, unicode.IgnoreBOM), []int64{0, 10}, []int64{0, 10}},
		{"utf-16le-bom", utf16(unicode.LittleEndian, unicode.IgnoreBOM), []int64{0, 10}, []int64{0, 10}},
		{"utf-16le", little, []int64{0, 12}, []int64{0, 12}},
	} {
		for typ, offsets := range map[string][]int64{TypeLog: c.log, TypeFilestream: c.filestream} {
			for _, slow := range []bool{false, true} {
				t.Run(c.encoding+" "+typ, func(t *testing.T) {
					g := newGateway(t)
					if typ == TypeFilestream {
						g = newFilestream(t)
					}
					g.cfg.Inputs[0].Encoding = c.encoding
					if slow {
						never := processor.Entry{If: &processor.Condition{Contains: map[string]any{"message": "?"}}, Then: make(processor.List, 1)}
						never.Then[0].Choose("drop_event")
						g.cfg.Inputs[0].Processors = processor.List{never}
					}
					g.write("a.log", c.text[:1])
					g.start()
					g.write("a.log", c.text[1:15])
					g.want("one")
					g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == c.log[1] })
					g.halt()
					g.start()
					g.write("a.log", c.text[15:])
					g.want("one", "zwölf")
					var got []int64
					for _, e := range g.server.events(t) {
						got = append(got, e.Log.Offset)
					}
					if !slices.Equal(got, offsets) {
						t.Errorf("offsets %d, want %d", got, offsets)
					}
				})
			}
		}
	}
}

func TestFileWithoutTheNeededMarkIsNotRead(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].Encoding = "utf-16-bom"
	g.write("a.log", "o\x00n\x00e\x00\n\x00")
	g.write("b.log", "\xff\xfet\x00w\x00o\x00\n\x00")
	g.start()
	g.want("two")
	g.eventually("it is reported", func() bool { return g.tailer.stats.readErrors.Load() > 0 })
	if o := g.offset("a.log"); o > 0 {
		t.Errorf("read up to %d", o)
	}
}

func TestTextOfALine(t *testing.T) {
	for _, c := range []struct{ terminator, line, want string }{
		{"auto", "a\r", "a"},
		{"auto", "a\r\r", "a\r"},
		{"line_feed", "a\r", "a\r"},
		{"carriage_return", "\na", "\na"},
		{"auto", "\ufeffa", "a"},
		{"auto", "\ufeff\ufeffa\ufeff", "a\ufeff"},
		{"auto", "\ufeff\r", ""},
	} {
		d := plainDecoding
		if err := d.terminate(c.terminator); err != nil {
			t.Fatal(err)
		}
		if got := string(d.text([]byte(c.line))); got != c.want {
			t.Errorf("%s: %q becomes %q, want %q", c.terminator, c.line, got, c.want)
		}
	}
}

func TestCleanInactiveOfFilestreamNeedsNoIgnoreOlder(t *testing.T) {
	g := newFilestream(t)
	in := &g.cfg.Inputs[0]
	in.CleanInactive = 200 * time.Millisecond
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.eventually("clean_inactive has passed", func() bool {
		g.tailer.mu.Lock()
		defer g.tailer.mu.Unlock()
		for f := range g.tailer.followed() {
			return time.Since(f.quiet) > 4*in.CleanInactive
		}
		return false
	})
	g.write("a.log", "two\n")
	g.want("one", "two")
}

func TestLimitCountsDecodedBytes(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].Encoding, g.cfg.Inputs[0].MaxBytes = "gb18030", 40
	text, err := simplifiedchinese.GB18030.NewEncoder().String(strings.Repeat("\u00c0", 20) + "\n" + strings.Repeat("\u00c0", 21) + "\nend\n")
	if err != nil {
		t.Fatal(err)
	}
	g.write("a.log", text)
	g.start()
	g.want(strings.Repeat("\u00c0", 20), strings.Repeat("\u00c0", 20), "end")
	if e := g.server.events(t); len(e[0].Log.Flags) != 0 || len(e[1].Log.Flags) != 1 {
		t.Errorf("flags %q and %q", e[0].Log.Flags, e[1].Log.Flags)
	}
}

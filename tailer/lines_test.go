package tailer

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/unicode"
)

func TestEmptyLinesCarriageReturnsAndByteOrderMarks(t *testing.T) {
	g := newGateway(t)
	g.write("a.log", "\ufeffone\r\n\n\r\ntwo\n\n")
	g.start()
	g.want("one", "two")
	g.eventually("empty lines are acknowledged too", func() bool { return g.offset("a.log") == 16 })
}

func TestFilteredLinesMoveTheOffset(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].IncludeLines = []string{"^a", "^b"}
	g.cfg.Inputs[0].ExcludeLines = []string{"x$"}
	g.write("a.log", "a1\nbx\nc\nb2\nc\n")
	g.write("none.log", "c\nc\nc\n")
	g.start()
	g.want("a1", "b2")
	g.eventually("filtered lines are acknowledged", func() bool { return g.offset("a.log") == 13 && g.offset("none.log") == 6 })
}

func TestLongLineIsCutAndFlagged(t *testing.T) {
	for name, length := range map[string]int{"inside a buffer": 2000, "over many buffers": 300_000} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			g.cfg.Inputs[0].MaxBytes = 1000
			g.write("a.log", "before\n"+strings.Repeat("x", length)+"\nafter\n")
			g.start()
			g.want("before", strings.Repeat("x", 1000), "after")
			e := g.server.events(t)
			if !slices.Equal(e[1].Log.Flags, []string{"truncated"}) || e[0].Log.Flags != nil || e[2].Log.Flags != nil {
				t.Errorf("flags are %v, %v, %v", e[0].Log.Flags, e[1].Log.Flags, e[2].Log.Flags)
			}
			if e[2].Log.Offset != int64(length)+8 {
				t.Errorf("the line behind starts at %d", e[2].Log.Offset)
			}
		})
	}
}

func TestLongLineWithoutEndIsSentOnceAndSkipped(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].MaxBytes = 1000
	g.write("a.log", strings.Repeat("x", 200_000))
	g.start()
	g.server.wait(t, 1)
	g.write("a.log", strings.Repeat("y", 200_000))
	g.halt()
	g.start()
	g.write("a.log", "\nafter\n")
	g.eventually("the line behind has come", func() bool { return slices.Contains(g.server.messages(t), "after") })
	for _, e := range g.server.events(t) {
		if e.Message != "after" && (e.Log.Offset != 0 || e.Message != strings.Repeat("x", 1000)) {
			t.Errorf("an event was made of the skipped rest: offset %d", e.Log.Offset)
		}
	}
}

func TestEncodings(t *testing.T) {
	utf16 := func(order unicode.Endianness, bom unicode.BOMPolicy) []byte {
		b, err := unicode.UTF16(order, bom).NewEncoder().Bytes([]byte("größe\r\n\u0a0a\u0d0a\nzwei\n"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, data := range map[string][]byte{
		"utf-16-bom":   utf16(unicode.LittleEndian, unicode.UseBOM),
		"utf-16le-bom": utf16(unicode.LittleEndian, unicode.UseBOM),
		"utf-16be":     utf16(unicode.BigEndian, unicode.IgnoreBOM),
		"iso8859-1":    []byte("gr\xf6\xdfe\n\u0a0a"[:7] + "x\nzwei\n"),
		"plain":        []byte("größe\nx\nzwei\n"),
		"ebcdic-037":   {0x87, 0x99, 0xcc, 0x59, 0x85, 0x25, 0xa7, 0x25, 0xa9, 0xa6, 0x85, 0x89, 0x25},
		"windows1252":  []byte("gr\xf6\xdfe\nx\nzwei\n"),
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			g.cfg.Inputs[0].Encoding = name
			if err := os.WriteFile(g.path("a.log"), data, 0o600); err != nil {
				t.Fatal(err)
			}
			g.start()
			g.server.wait(t, 3)
			if m := g.server.messages(t); m[0] != "größe" || m[2] != "zwei" {
				t.Errorf("got %q", m)
			}
		})
	}
}

func TestInvalidUTF8BecomesReplacementCharacters(t *testing.T) {
	g := newGateway(t)
	g.write("a.log", "a\xffb\x00\x1bc\n")
	g.start()
	g.want("a\ufffdb\x00\x1bc")
}

func TestLinesAreWholeWhateverTheBuffer(t *testing.T) {
	g := newGateway(t)
	var want []string
	var b bytes.Buffer
	for i := range 400 {
		line := strings.Repeat(string(rune('a'+i%26)), 1+i*37%5000)
		want = append(want, line)
		b.WriteString(line + "\n")
	}
	g.cfg.BatchBytes = 10_000
	g.write("a.log", b.String())
	g.start()
	g.want(want...)
}

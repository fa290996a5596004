package event

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzEscapeEqualsStandardLibrary(f *testing.F) {
	for _, s := range []string{"", "21.5", `say "hi"`, "tab\tnul\x00", "\xff\xfe", "naïve 温度", "<a&b>", strings.Repeat("x", 17) + "\\", "\u2028", "1234567\"", "12345678\x80"} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, s []byte, html bool) {
		got := append(AppendEscaped([]byte{'"'}, s, html), '"')
		if !utf8.Valid(got) {
			t.Fatalf("%q became invalid UTF-8: %q", s, got)
		}
		var back string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("%q became no JSON string: %v", s, err)
		}
		if want := strings.ToValidUTF8(string(s), "\ufffd"); strings.Count(back, "\ufffd") < strings.Count(want, "\ufffd") {
			t.Fatalf("%q came back as %q", s, back)
		}
		if utf8.Valid(s) && back != string(s) {
			t.Fatalf("%q came back as %q", s, back)
		}
		if html && bytes.ContainsAny(got, "<>&") {
			t.Fatalf("%q keeps HTML characters: %q", s, got)
		}
	})
}

func BenchmarkEscape(b *testing.B) {
	line := []byte("2026-11-21T19:10:51+0000 /feeds/0/temp 21.50")
	buf := make([]byte, 0, 128)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendEscaped(buf[:0], line, false)
	}
}

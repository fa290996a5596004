package logstash

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"
)

// Whatever a server answers, and in whatever pieces: no panic, never more
// documents acknowledged than sent, never a count that shrinks, and the same
// result as with all bytes at once.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte{10, 5}, slices.Concat(ackBytes('2', 0), ackBytes('1', 7), ackBytes('2', 10), ackBytes('2', 5)), byte(3))
	f.Add([]byte{1}, ackBytes('2', 1<<31), byte(1))
	f.Add([]byte{}, []byte("HTTP/1.1"), byte(2))
	f.Add([]byte{3}, []byte{0x15, 3, 3}, byte(1))
	f.Fuzz(func(t *testing.T, windows, answer []byte, piece byte) {
		whole, wholeErr := play(t, windows, answer, len(answer)+1)
		pieces, piecesErr := play(t, windows, answer, int(piece)+1)
		if whole != pieces || (wholeErr == nil) != (piecesErr == nil) {
			t.Errorf("%d, %v in one piece; %d, %v in pieces of %d", whole, wholeErr, pieces, piecesErr, int(piece)+1)
		}
	})
}

func play(t *testing.T, windows, answer []byte, size int) (acked int, err error) {
	now := time.Unix(1e9, 0)
	limit := max(1, len(windows))
	f := newFlight(limit, now)
	total := 0
	for _, n := range windows {
		f.begin(int(n)+1, now)
		f.written(now)
		total += int(n) + 1
	}
	var parser ackParser
	for piece := range slices.Chunk(answer, size) {
		for len(piece) > 0 {
			seq, rest, ok, err := parser.next(piece)
			if err != nil {
				return acked, err
			}
			if piece = rest; !ok {
				break
			}
			newly, _, err := f.ack(seq, now)
			if newly < 0 {
				t.Fatalf("%d newly acknowledged", newly)
			}
			acked += newly
			if err != nil {
				var protocol *protocolError
				if !errors.As(err, &protocol) {
					t.Fatalf("%T", err)
				}
				return acked, err
			}
			if acked+f.documents() != total {
				t.Fatalf("%d acked, %d in flight, %d sent", acked, f.documents(), total)
			}
		}
	}
	return acked, nil
}

// Any documents arrive as they were, in one well-formed window.
func FuzzWindow(f *testing.F) {
	f.Add([]byte(`{"message":"a"}{"message":"b"}`), byte(15), byte(0))
	f.Add(bytes.Repeat([]byte("abc"), 10_000), byte(255), byte(3))
	f.Fuzz(func(t *testing.T, buf []byte, size, level byte) {
		var ends []int
		var want []string
		for doc := range slices.Chunk(buf, int(size)*int(size)+1) {
			want = append(want, string(doc))
			start := 0
			if len(ends) > 0 {
				start = ends[len(ends)-1]
			}
			ends = append(ends, start+len(doc))
		}
		if len(ends) == 0 {
			return
		}
		var wire bytes.Buffer
		e := newEncoder(int(level % 10))
		for range 2 { // the second time with used buffers
			if err := e.write(&wire, buf, ends); err != nil {
				t.Fatal(err)
			}
			wire.Next(6)
			got, err := readDocuments(&wire, len(ends))
			if err != nil || !slices.Equal(got, want) || wire.Len() > 0 {
				t.Fatalf("documents changed: %v, %d bytes left", err, wire.Len())
			}
		}
	})
}

func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"localhost", "[fd00::2]:5044", "a:1", "fe80::1%eth0", "https://x", "::% 000", "::1%[", "fe80::1%e/0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parseHost(s)
		if err != nil {
			return
		}
		again, err := parseHost(h.String())
		if err != nil || again != h {
			t.Errorf("%q gives %v, which gives %v, %v", s, h, again, err)
		}
	})
}

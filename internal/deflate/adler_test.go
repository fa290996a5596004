package deflate

import (
	"bytes"
	stdadler "hash/adler32"
	"testing"
)

// TestAdlerOfTheLargestBytes fills the lanes to their limit.
func TestAdlerOfTheLargestBytes(t *testing.T) {
	p := bytes.Repeat([]byte{0xff}, winSize)
	for _, n := range []int{0, 1, 3, 4, 7, 8, chunk64 - 1, chunk64, chunk64 + 1, 4 * adlerWords, 4*adlerWords + 1, 5552, 65536, winSize} {
		checkAdler(t, p[:n], n/3)
	}
}

// checkAdler checks both variants, updated in two steps.
func checkAdler(t *testing.T, p []byte, cut int) {
	t.Helper()
	var s64, s32, s adler
	for _, c := range []struct {
		s      *adler
		update func([]byte)
	}{{&s64, s64.update64}, {&s32, s32.update32}, {&s, s.update}} {
		c.s.reset()
		c.update(p[:cut])
		c.update(p[cut:])
		if want := stdadler.Checksum(p); c.s.sum() != want {
			t.Errorf("%d bytes, cut at %d: %08x, want %08x", len(p), cut, c.s.sum(), want)
		}
	}
}

func FuzzAdler(f *testing.F) {
	f.Add([]byte("Wikipedia"), uint16(3))
	f.Add(noise(1, 1000), uint16(500))
	f.Fuzz(func(t *testing.T, p []byte, cut uint16) {
		checkAdler(t, p, min(int(cut), len(p)))
	})
}

func BenchmarkAdler(b *testing.B) {
	p := noise(1, 96<<10)
	var s adler
	for name, update := range map[string]func([]byte){
		"64": s.update64, "32": s.update32, "std": func(p []byte) { stdadler.Checksum(p) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				s.reset()
				update(p)
			}
		})
	}
}

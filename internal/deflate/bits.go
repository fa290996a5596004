package deflate

import (
	"encoding/binary"
	"slices"
)

// slack is how many bytes a load or store of 8 bytes may touch beyond those
// that count.
const slack = 8

// bitBuffer holds bits on their way to the output, the lowest first.
type bitBuffer struct {
	acc uint64
	n   uint // bits in acc
}

// add appends n bits; there may be 64 in all.
func (b bitBuffer) add(v uint64, n uint) bitBuffer {
	return bitBuffer{b.acc | v<<(b.n&63), b.n + n}
}

// addCode appends the bits of a code.
func (b bitBuffer) addCode(c code) bitBuffer { return b.add(c.bits(), c.len()) }

// flush stores the bits at out[p:], which must have 8 bytes, and returns the
// index behind the whole bytes. Fewer than 8 bits remain.
func (b bitBuffer) flush(out []byte, p int) (bitBuffer, int) {
	binary.LittleEndian.PutUint64(out[p:], b.acc)
	return bitBuffer{b.acc >> (b.n &^ 7 & 63), b.n & 7}, p + int(b.n>>3)
}

// bitWriter appends bits to out. Between two calls fewer than 8 are pending.
type bitWriter struct {
	out     []byte
	pending bitBuffer
}

// reset starts with these bytes.
func (w *bitWriter) reset(first ...byte) {
	w.out = append(w.out[:0], first...)
	w.pending = bitBuffer{}
}

// reserve makes room for this many more bits.
func (w *bitWriter) reserve(bits int64) {
	w.out = slices.Grow(w.out, int(bits>>3)+1+2*slack)
}

// put appends up to 56 bits; the room must have been reserved.
func (w *bitWriter) put(v uint64, n uint) {
	b, p := w.pending.add(v, n).flush(w.out[:cap(w.out)], len(w.out))
	w.out, w.pending = w.out[:p], b
}

// align fills the byte up with zero bits.
func (w *bitWriter) align() {
	if w.pending.n > 0 {
		w.put(0, 8-w.pending.n)
	}
}

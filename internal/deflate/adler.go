package deflate

import (
	"encoding/binary"
	"math/bits"
)

// adlerMod is the largest prime below 65536 (RFC 1950, section 8.2).
const adlerMod = 65521

// adler is a running Adler-32: a is 1 + the sum of all bytes, b the sum of
// all values of a, both modulo adlerMod.
type adler struct{ a, b uint32 }

func (s *adler) reset() { s.a, s.b = 1, 0 }

func (s *adler) sum() uint32 { return s.b<<16 | s.a }

func (s *adler) update(p []byte) {
	if bits.UintSize == 64 {
		s.update64(p)
	} else {
		s.update32(p)
	}
}

// Both variants add bytes in columns: the bytes of one word are spread over
// 16 bit lanes (the even ones, the odd ones) and whole words of lanes are
// added. With n words, where word k holds the bytes k0, k1, ...:
//
//	sum of bytes      = sum over lanes of col     (col  = sum of words)
//	weighted sum for b = width * sum over lanes of pre (pre = sum of col before each word)
//	                     + sum over lanes of col * (width - index of the byte)
//
// A pre lane holds at most 255*n*(n-1)/2, which bounds n by 23, and the sums of
// the lanes fit in 32 bits.
const adlerWords = 23

// chunk64 is the number of bytes that update64 takes at once: 20 words.
const chunk64 = 160

// update64 takes 8 bytes a step.
func (s *adler) update64(p []byte) {
	a, b := uint64(s.a), uint64(s.b)
	for len(p) >= chunk64 {
		even, odd, preEven, preOdd := columns64((*[chunk64]byte)(p))
		p = p[chunk64:]
		sumOdd := lanes64(odd)
		b += a*chunk64 + (lanes64(preEven)+lanes64(preOdd))<<3
		// Byte weights: even lanes 8, 6, 4, 2; odd lanes 7, 5, 3, 1.
		b += weighted64(even) + weighted64(odd) - sumOdd
		a += lanes64(even) + sumOdd
		b %= adlerMod
	}
	s.a, s.b = uint32(a%adlerMod), uint32(b)
	s.bytes(p)
}

// columns64 adds the words of p. The loop is unrolled by four.
func columns64(p *[chunk64]byte) (even, odd, preEven, preOdd uint64) {
	const mask = 0x00ff00ff00ff00ff
	for i := 0; i < chunk64; i += 32 {
		q := p[i : i+32 : i+32]
		x := binary.LittleEndian.Uint64(q)
		preEven, preOdd = preEven+even, preOdd+odd
		even, odd = even+x&mask, odd+x>>8&mask
		x = binary.LittleEndian.Uint64(q[8:])
		preEven, preOdd = preEven+even, preOdd+odd
		even, odd = even+x&mask, odd+x>>8&mask
		x = binary.LittleEndian.Uint64(q[16:])
		preEven, preOdd = preEven+even, preOdd+odd
		even, odd = even+x&mask, odd+x>>8&mask
		x = binary.LittleEndian.Uint64(q[24:])
		preEven, preOdd = preEven+even, preOdd+odd
		even, odd = even+x&mask, odd+x>>8&mask
	}
	return even, odd, preEven, preOdd
}

// lanes64 adds the four 16 bit lanes of x.
func lanes64(x uint64) uint64 {
	const m = 0x0000ffff0000ffff
	x = x&m + x>>16&m
	return (x + x>>32) & 0xffffffff
}

// weighted64 adds the four 16 bit lanes of x times 8, 6, 4, 2.
func weighted64(x uint64) uint64 {
	return x&0xffff*8 + x>>16&0xffff*6 + x>>32&0xffff*4 + x>>48*2
}

// update32 takes 4 bytes a step: for 32 bit processors.
func (s *adler) update32(p []byte) {
	const mask = 0x00ff00ff
	a, b := s.a, s.b
	for len(p) >= 4 {
		n := min(len(p)>>2, adlerWords)
		q := p[:n<<2]
		p = p[n<<2:]
		var even, odd, preEven, preOdd uint32
		for len(q) >= 4 {
			x := binary.LittleEndian.Uint32(q)
			q = q[4:]
			preEven += even
			preOdd += odd
			even += x & mask
			odd += x >> 8 & mask
		}
		b += a * uint32(n) << 2
		b += (preEven&0xffff + preEven>>16 + preOdd&0xffff + preOdd>>16) << 2
		// Byte weights: even lanes 4, 2; odd lanes 3, 1.
		a += even&0xffff + even>>16 + odd&0xffff + odd>>16
		b += even&0xffff*4 + even>>16*2 + odd&0xffff*3 + odd>>16
		a %= adlerMod
		b %= adlerMod
	}
	s.a, s.b = a, b
	s.bytes(p)
}

// bytes is the plain definition; p must be shorter than 5552 bytes.
func (s *adler) bytes(p []byte) {
	for _, c := range p {
		s.a += uint32(c)
		s.b += s.a
	}
	s.a %= adlerMod
	s.b %= adlerMod
}

package deflate

import "math/bits"

// Limits of RFC 1951, sections 3.2.5 to 3.2.7.
const (
	minMatch    = 3
	maxMatch    = 258
	maxDistance = 32768

	endOfBlock  = 256
	numLitLen   = 286
	numDist     = 30
	numCodeLen  = 19
	maxCodeLen  = 14
	maxCLLength = 7
)

// codeLenOrder is the order in which the lengths of the code length code
// are sent (RFC 1951, section 3.2.7).
var codeLenOrder = [numCodeLen]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// lenInfo describes a match of length index+3:
// bits 0-7 length symbol minus 257, 8-15 value of the extra bits,
// 16-23 number of extra bits.
var lenInfo = makeLenInfo()

func makeLenInfo() (t [256]uint32) {
	base := 0
	for sym := 0; sym < 28; sym++ {
		extra := 0
		if sym >= 8 {
			extra = sym/4 - 1
		}
		for v := 0; v < 1<<extra && base+v < 256; v++ {
			t[base+v] = uint32(sym) | uint32(v)<<8 | uint32(extra)<<16
		}
		base += 1 << extra
	}
	t[255] = 28 // 258 has a symbol of its own without extra bits
	return t
}

// distSymbol returns the symbol of distance d+1 and the number of its extra
// bits, which are the low bits of d.
func distSymbol(d uint32) (sym, extra uint32) {
	if d < 4 {
		return d, 0
	}
	extra = uint32(bits.Len32(d)) - 2
	return 2*extra + d>>(extra&31), extra
}

// fixedLitLen and fixedDist are the codes of block type 1
// (RFC 1951, section 3.2.6).
var (
	fixedLitLen = makeFixedLitLen()
	fixedDist   = makeFixedDist()
)

func makeFixedLitLen() (c [numLitLen]code) {
	var l [288]uint8
	for i := range l {
		switch {
		case i < 144:
			l[i] = 8
		case i < 256:
			l[i] = 9
		case i < 280:
			l[i] = 7
		default:
			l[i] = 8
		}
	}
	var all [288]code
	assignCodes(all[:], l[:])
	copy(c[:], all[:])
	return c
}

func makeFixedDist() (c [numDist]code) {
	for i := range c {
		c[i] = makeCode(uint32(bits.Reverse8(uint8(i))>>3), 5)
	}
	return c
}

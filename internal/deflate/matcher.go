package deflate

import (
	"encoding/binary"
	"math/bits"
)

const (
	longBits  = 12
	shortBits = 12

	// gapMax is how far the parser looks for a long match before it searches
	// the bytes passed for short ones.
	gapMax = 256

	// coldMax bounds matcher.cold; the parser looks at every
	// 1+cold>>coldShift-th position.
	coldMax   = 4096
	coldShift = 6

	// lazyMax is the length from which on a match is good enough.
	lazyMax = 32

	// denseMax is the length from which on a match is not worth entering all
	// its positions.
	denseMax = 64

	// nearMax is the length from which on a match is not given up for a longer
	// one farther away.
	nearMax = 16

	// minGapMatch is the shortest match that gap takes: a shorter one costs
	// as many bits as its literals, unless it is within shortGapReach.
	minGapMatch   = 5
	shortGapReach = 512
)

// effort is what a level spends.
type effort struct {
	minLong int  // shortest match taken at a position found in the long table
	minGap  int  // shortest run of literals that is searched for short matches
	extra   int  // positions behind a match's first that enter the long table
	near    bool // look for a match that is as long and nearer, or longer
	lazy    int  // positions behind a long match's first that may begin a better one
	dense   bool // enter all positions of shorter matches into the short table
}

var efforts = [...]effort{
	{minLong: 9, minGap: 8},
	{minLong: 9, minGap: 8, extra: 1, near: true},
	{minLong: 8, minGap: 6, extra: 3, near: true, lazy: 5, dense: true},
}

// matcher is the memory of the parser.
type matcher struct {
	effort
	lit  int    // window index up to which all bytes are in the block
	dist int    // distance in use
	cold int    // bytes since the last match, in steps of gapMax
	base uint32 // absolute position of window index 0

	// Absolute positions by the hash of the 8 or 4 bytes there. An entry may
	// be stale: whoever uses it compares the bytes.
	long  [1 << longBits]uint32
	short [1 << shortBits]uint32
}

// reset forgets all positions: those of older streams are out of reach.
func (m *matcher) reset() {
	m.lit, m.dist, m.cold = 0, 1, 0
	m.base += winSize + maxDistance
	if m.base > 1<<30 {
		m.long = [1 << longBits]uint32{}
		m.short = [1 << shortBits]uint32{}
		m.base = maxDistance + 1
	}
}

// slide is told that the window lost its first drop bytes.
func (m *matcher) slide(drop int) {
	m.lit -= drop
	m.base += uint32(drop)
}

func hashLong(x uint64) uint32 {
	return uint32(x * 0xcf1bbcdcb7a56463 >> (64 - longBits))
}

func hashShort(x uint32) uint32 {
	return x * 0x9e3779b1 >> (32 - shortBits)
}

// matchLen returns how many bytes at the begin of a equal those of b, which
// must not be shorter.
func matchLen(a, b []byte) int {
	n := 0
	b = b[:len(a)]
	for len(a) >= 32 && len(b) >= 32 {
		x0 := binary.LittleEndian.Uint64(a) ^ binary.LittleEndian.Uint64(b)
		x1 := binary.LittleEndian.Uint64(a[8:]) ^ binary.LittleEndian.Uint64(b[8:])
		x2 := binary.LittleEndian.Uint64(a[16:]) ^ binary.LittleEndian.Uint64(b[16:])
		x3 := binary.LittleEndian.Uint64(a[24:]) ^ binary.LittleEndian.Uint64(b[24:])
		if x0|x1|x2|x3 != 0 {
			break
		}
		n += 32
		a, b = a[32:], b[32:]
	}
	for len(a) >= 8 && len(b) >= 8 {
		x := binary.LittleEndian.Uint64(a) ^ binary.LittleEndian.Uint64(b)
		if x != 0 {
			return n + bits.TrailingZeros64(x)>>3
		}
		n += 8
		a, b = a[8:], b[8:]
	}
	for i := range a {
		if a[i] != b[i] {
			return n + i
		}
	}
	return n + len(a)
}

package deflate

import (
	"math/bits"
	"slices"
)

// code is one Huffman code: bits 0-15 the code, already bit-reversed for the
// wire, bits 16-20 its length; 0 = the symbol is not used.
type code uint32

func makeCode(bits, length uint32) code { return code(bits | length<<16) }

func (c code) bits() uint64 { return uint64(c & 0xffff) }
func (c code) len() uint    { return uint(c >> 16) }

// huffman is the scratch space for building length-limited prefix codes.
type huffman struct {
	keys  [numLitLen]uint32 // freq<<9 | symbol, sorted
	nodes [numLitLen]uint32
}

// lengths stores in out the code lengths, at most limit, that encode symbols
// of these frequencies in few bits; 0 for a symbol that does not occur.
// At least two symbols get a length, as in zlib: some inflaters refuse
// incomplete codes. Frequencies must be below 1<<23 and their sum
// below 1<<32. There may be at most 1<<limit symbols.
//
// The lengths are optimal (Moffat and Katajainen, in place) unless the limit
// is exceeded; then the deepest leaves are moved up and the code is made
// complete again by lengthening the cheapest shorter ones.
func (h *huffman) lengths(out []uint8, freq []uint32, limit int) {
	n := 0
	for s, f := range freq {
		out[s] = 0
		if f != 0 {
			h.keys[n] = f<<9 | uint32(s)
			n++
		}
	}
	keys := h.keys[:n]
	if n < 2 {
		only := uint32(0)
		if n == 1 {
			only = keys[0] & 511
		}
		out[only] = 1
		if only == 0 {
			out[1] = 1
		} else {
			out[0] = 1
		}
		return
	}
	slices.Sort(keys)
	a := h.nodes[:n]
	for i, k := range keys {
		a[i] = k >> 9
	}
	minimumRedundancy(a)
	// a[i] is now the length of the i-th rarest symbol: falling.
	var count [64]int
	for _, l := range a {
		count[min(l, 63)]++
	}
	limitLengths(&count, limit)
	i := 0
	for l := limit; l > 0; l-- {
		for range count[l] {
			out[keys[i]&511] = uint8(l)
			i++
		}
	}
}

// minimumRedundancy turns rising frequencies into code lengths, in place.
// Source: A. Moffat, J. Katajainen, In-Place Calculation of
// Minimum-Redundancy Codes, 1995. len(a) must be at least 2.
func minimumRedundancy(a []uint32) {
	n := len(a)
	// First pass: build the tree; a[i] of an inner node becomes its parent.
	a[0] += a[1]
	root, leaf := 0, 2
	for next := 1; next < n-1; next++ {
		if leaf >= n || a[root] < a[leaf] {
			a[next] = a[root]
			a[root] = uint32(next)
			root++
		} else {
			a[next] = a[leaf]
			leaf++
		}
		if leaf >= n || (root < next && a[root] < a[leaf]) {
			a[next] += a[root]
			a[root] = uint32(next)
			root++
		} else {
			a[next] += a[leaf]
			leaf++
		}
	}
	// Second pass: depths of the inner nodes.
	a[n-2] = 0
	for next := n - 3; next >= 0; next-- {
		a[next] = a[a[next]] + 1
	}
	// Third pass: depths of the leaves.
	avail, used, depth := 1, 0, uint32(0)
	root, next := n-2, n-1
	for avail > 0 {
		for root >= 0 && a[root] == depth {
			used++
			root--
		}
		for avail > used {
			a[next] = depth
			next--
			avail--
		}
		avail, used = 2*used, 0
		depth++
	}
}

// limitLengths changes the number of codes per length so that none is longer
// than limit and Kraft's sum is exactly 1.
func limitLengths(count *[64]int, limit int) {
	over := 0
	for l := limit + 1; l < len(count); l++ {
		over += count[l]
		count[l] = 0
	}
	if over == 0 {
		return
	}
	count[limit] += over
	total := 0 // Kraft's sum in units of 2^-limit
	for l := 1; l <= limit; l++ {
		total += count[l] << (limit - l)
	}
	for ; total > 1<<limit; total-- {
		// One code of the longest length and one shorter leaf become
		// siblings one level below the leaf: the sum falls by one unit.
		count[limit]--
		for l := limit - 1; l > 0; l-- {
			if count[l] > 0 {
				count[l]--
				count[l+1] += 2
				break
			}
		}
	}
}

// assignCodes stores the canonical codes of these lengths
// (RFC 1951, section 3.2.2).
func assignCodes(out []code, lengths []uint8) {
	var next [maxCodeLen + 2]uint32
	for _, l := range lengths {
		next[l+1]++
	}
	// next[l+1] holds the count of length l; turn it into the first code of
	// length l+1. Length 0 does not count.
	next[1] = 0
	first := uint32(0)
	for l := 1; l <= maxCodeLen; l++ {
		count := next[l+1]
		next[l] = first
		first = (first + count) << 1
	}
	for s, l := range lengths {
		if l == 0 {
			out[s] = 0
			continue
		}
		v := next[l]
		next[l]++
		out[s] = makeCode(uint32(bits.Reverse16(uint16(v))>>(16-l)), uint32(l))
	}
}

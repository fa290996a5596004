package deflate

// codeLengths is the head of a dynamic block: the two tables of code lengths,
// run-length coded, and the code they are sent with (RFC 1951, section 3.2.7).
type codeLengths struct {
	nLitLen, nDist, nCode int
	n                     int
	ops                   [numLitLen + numDist]uint16 // symbol | value of the extra bits << 8
	freq                  [numCodeLen]uint32
	bits                  [numCodeLen]uint8
	code                  [numCodeLen]code
}

// Symbols of the code length code beyond the plain lengths 0-15.
const (
	repeatLast  = 16 // 3-6 times, 2 extra bits
	repeatZero  = 17 // 3-10 times, 3 extra bits
	repeatZeros = 18 // 11-138 times, 7 extra bits
)

// clExtra is the number of extra bits by symbol.
var clExtra = [numCodeLen]uint8{repeatLast: 2, repeatZero: 3, repeatZeros: 7}

// build prepares the head and returns its size in bits, without the 3 bits of
// the block's type.
func (c *codeLengths) build(litLen, dist []uint8, h *huffman) int64 {
	c.nLitLen, c.nDist = numLitLen, numDist
	for c.nLitLen > 257 && litLen[c.nLitLen-1] == 0 {
		c.nLitLen--
	}
	for c.nDist > 1 && dist[c.nDist-1] == 0 {
		c.nDist--
	}
	var all [numLitLen + numDist]uint8
	copy(all[:], litLen[:c.nLitLen])
	copy(all[c.nLitLen:], dist[:c.nDist])
	c.runs(all[:c.nLitLen+c.nDist])

	h.lengths(c.bits[:], c.freq[:], maxCLLength)
	c.nCode = numCodeLen
	for c.nCode > 4 && c.bits[codeLenOrder[c.nCode-1]] == 0 {
		c.nCode--
	}
	size := int64(5 + 5 + 4 + 3*c.nCode)
	for s, f := range c.freq {
		size += int64(f) * int64(c.bits[s]+clExtra[s])
	}
	return size
}

// runs turns the lengths into ops.
func (c *codeLengths) runs(all []uint8) {
	c.n = 0
	c.freq = [numCodeLen]uint32{}
	for i := 0; i < len(all); {
		l := all[i]
		j := i + 1
		for j < len(all) && all[j] == l {
			j++
		}
		n := j - i
		i = j
		if l == 0 {
			for ; n >= 11; n -= min(n, 138) {
				c.op(repeatZeros, min(n, 138)-11)
			}
			if n >= 3 {
				c.op(repeatZero, n-3)
				n = 0
			}
		} else {
			c.op(int(l), 0)
			n--
			for ; n >= 3; n -= min(n, 6) {
				c.op(repeatLast, min(n, 6)-3)
			}
		}
		for ; n > 0; n-- {
			c.op(int(l), 0)
		}
	}
}

func (c *codeLengths) op(symbol, extra int) {
	c.ops[c.n] = uint16(symbol | extra<<8)
	c.n++
	c.freq[symbol]++
}

// write appends the head behind the block's type.
func (c *codeLengths) write(w *bitWriter) {
	w.put(uint64(c.nLitLen-257)|uint64(c.nDist-1)<<5|uint64(c.nCode-4)<<10, 14)
	for _, s := range codeLenOrder[:c.nCode] {
		w.put(uint64(c.bits[s]), 3)
	}
	assignCodes(c.code[:], c.bits[:])
	for _, op := range c.ops[:c.n] {
		k := c.code[op&0xff]
		w.put(k.bits()|uint64(op>>8)<<k.len(), k.len()+uint(clExtra[op&0xff]))
	}
}

package deflate

// Capacities of a block. A block ends when one of them is reached, so that a
// block never takes more than litCap*9 + seqCap*31 bits = 50 KiB with the
// fixed code: a block whose bytes span 64 KiB or more is never worth storing.
const (
	litCap = 16 << 10
	seqCap = 8 << 10

	// runMax in the literal count of a sequence means: that many literals
	// and no match behind them.
	runMax = 511
)

// sequence is a run of literals and the match behind it:
// bits 0-14 distance-1, bits 15-22 length-3, bits 23-31 number of literals.
type sequence uint32

// block collects what the parser found until it is written.
type block struct {
	nlit, nseq int
	run        int // literals at the end that are in no sequence yet
	lits       [litCap + slack]byte
	seqs       [seqCap + 1]sequence // the last place is for encode

	litLenFreq [numLitLen]uint32
	distFreq   [numDist]uint32
	litLenBits [numLitLen]uint8
	distBits   [numDist]uint8
	litLen     [numLitLen]code
	dist       [numDist]code
	header     codeLengths
	huff       huffman
}

func (b *block) reset() { b.nlit, b.nseq, b.run = 0, 0, 0 }

// count fills the frequencies and returns the number of extra bits.
func (b *block) count() (extra int64) {
	b.litLenFreq = [numLitLen]uint32{endOfBlock: 1}
	b.distFreq = [numDist]uint32{}
	f := &b.litLenFreq
	for _, c := range b.lits[:b.nlit] {
		f[c]++
	}
	for _, s := range b.seqs[:b.nseq] {
		if s>>23 == runMax {
			continue
		}
		info := lenInfo[s>>15&0xff]
		f[257+info&0xff]++
		sym, n := distSymbol(uint32(s & 0x7fff))
		b.distFreq[sym]++
		extra += int64(info>>16) + int64(n)
	}
	return extra
}

// write appends the block in the smallest of the three forms and empties it. raw
// holds the bytes that the block stands for, or nil if they are gone from the
// window or more than maxStored.
func (b *block) write(w *bitWriter, raw []byte, final bool) {
	last := uint64(0)
	if final {
		last = 1
	}
	if raw != nil && b.noise(len(raw)) {
		writeStored(w, raw, last)
		b.reset()
		return
	}
	fixed, dynamic := b.sizes()
	have := int64(w.pending.n)
	stored := (have+3+7)&^7 + 32 + int64(len(raw))*8 - have
	switch {
	case raw != nil && stored < min(fixed, dynamic):
		writeStored(w, raw, last)
	case fixed <= dynamic:
		w.reserve(fixed)
		w.put(last|1<<1, 3)
		b.encode(w, &fixedLitLen, &fixedDist)
	default:
		w.reserve(dynamic)
		w.put(last|2<<1, 3)
		b.header.write(w)
		assignCodes(b.litLen[:], b.litLenBits[:])
		assignCodes(b.dist[:], b.distBits[:])
		b.encode(w, &b.litLen, &b.dist)
	}
	b.reset()
}

// sizes returns the size of the block in bits with the fixed code and with its
// own, and prepares the lengths of the latter.
func (b *block) sizes() (fixed, dynamic int64) {
	extra := 3 + b.count()
	b.huff.lengths(b.litLenBits[:], b.litLenFreq[:], maxCodeLen)
	b.huff.lengths(b.distBits[:], b.distFreq[:], maxCodeLen)
	fixed, dynamic = extra, extra+b.header.build(b.litLenBits[:], b.distBits[:], &b.huff)
	for s, f := range b.litLenFreq {
		fixed += int64(f) * int64(fixedLitLen[s].len())
		dynamic += int64(f) * int64(b.litLenBits[s])
	}
	for s, f := range b.distFreq {
		fixed += int64(f) * int64(fixedDist[s].len())
		dynamic += int64(f) * int64(b.distBits[s])
	}
	return fixed, dynamic
}

// noise reports whether the block is all literals that look random: in a sample
// two bytes are equal hardly more often than once in 256. Then no code is
// shorter, and it is not worth building one.
func (b *block) noise(raw int) bool {
	if b.nlit < litCap/2 || raw-b.nlit > b.nlit/64 {
		return false
	}
	const stride = 8
	var freq [256]uint32
	for i := 0; i < b.nlit; i += stride {
		freq[b.lits[i]]++
	}
	n := uint64(b.nlit+stride-1) / stride
	pairs := uint64(0)
	for _, f := range freq {
		pairs += uint64(f) * uint64(f-1)
	}
	return pairs*244 < n*(n-1)
}

// maxStored is the most bytes that a stored block can hold.
const maxStored = 65535

// writeStored appends a stored block of at most maxStored bytes
// (RFC 1951, section 3.2.4).
func writeStored(w *bitWriter, raw []byte, last uint64) {
	w.reserve(3 + 7 + 32 + int64(len(raw))*8)
	w.put(last, 3)
	w.align()
	n := uint64(len(raw))
	w.put(n|(^n&0xffff)<<16, 32)
	w.out = append(w.out, raw...)
}

// keep masks the second to fourth of four codes by the number wanted.
var keep = [5][3]code{2: {^code(0)}, 3: {^code(0), ^code(0)}, 4: {^code(0), ^code(0), ^code(0)}}

// encode appends all sequences and the end of the block; the room must have been
// reserved. Four codes of at most maxCodeLen bits behind 7 pending bits, or a
// match (maxCodeLen+5 and maxCodeLen+13 bits) behind 7, fit in 64 bits.
func (b *block) encode(w *bitWriter, litLen *[numLitLen]code, dist *[numDist]code) {
	acc, p, out := w.pending, len(w.out), w.out[:cap(w.out)]
	lits := b.lits[:b.nlit+slack]
	b.seqs[b.nseq] = sequence(b.run << 23)
	for i, s := range b.seqs[:b.nseq+1] {
		run := int(s >> 23)
		l := lits[:run]
		lits = lits[run:]
		for len(l) > 4 {
			acc = acc.addCode(litLen[l[0]]).addCode(litLen[l[1]]).addCode(litLen[l[2]]).addCode(litLen[l[3]])
			acc, p = acc.flush(out, p)
			l = l[4:]
		}
		if len(l) > 0 {
			// Without branches: the lengths of short runs are hard to foretell.
			k, q := &keep[len(l)], l[:4]
			acc = acc.addCode(litLen[q[0]]).addCode(litLen[q[1]] & k[0]).addCode(litLen[q[2]] & k[1]).addCode(litLen[q[3]] & k[2])
			acc, p = acc.flush(out, p)
		}
		if run == runMax || i == b.nseq {
			continue
		}
		info := lenInfo[s>>15&0xff]
		acc = acc.addCode(litLen[257+info&0xff]).add(uint64(info>>8&0xff), uint(info>>16))
		d := uint32(s & 0x7fff)
		sym, extra := distSymbol(d)
		acc = acc.addCode(dist[sym]).add(uint64(d&(1<<(extra&31)-1)), uint(extra))
		acc, p = acc.flush(out, p)
	}
	w.out, w.pending = out[:p], acc
	c := litLen[endOfBlock]
	w.put(c.bits(), c.len())
}

package deflate

import (
	"encoding/binary"
	"math/bits"
)

// parse moves all bytes of the window into the block.
func (w *Writer) parse() {
	if w.parsed == w.n {
		return
	}
	w.sum.update(w.win[w.parsed:w.n])
	m := &w.lz
	m.lit = w.parsed
	i := w.parsed
	limit := w.n - 8 // up to here 8 bytes can be loaded
	for r := 0; r <= w.nbegins; r++ {
		// tail is the distance at which this record's end meets the end of
		// the one before: its own length.
		end, tail := limit, w.prevLen
		if r < w.nbegins {
			end, tail = min(limit, int(w.begins[r].at)), int(w.begins[r].distance)
		}
		if tail > maxDistance || tail == 0 {
			tail = m.dist
		}
		i = w.scan(i, end, tail)
		if r < w.nbegins && w.begins[r].distance != 0 {
			m.dist = int(w.begins[r].distance)
		}
	}
	if i < w.n && m.dist <= i {
		if n := matchLen(w.win[i:w.n], w.win[i-m.dist:]); n >= minMatch {
			w.emit(i, n, m.dist)
		}
	}
	w.literals(w.n)
	w.nbegins = 0
	w.parsed = w.n
}

// scan parses from index i until it reaches end, and returns where it stopped.
func (w *Writer) scan(i, end, tail int) int {
	m := &w.lz
	win := &w.win
	d := m.dist
	for i < end {
		x := binary.LittleEndian.Uint64(win[i:])
		k := -1
		if d <= i {
			k = resume(x ^ binary.LittleEndian.Uint64(win[i-d:]))
		}
		if tail != d && tail <= i && (k < 0 || tail < d) {
			t := resume(x ^ binary.LittleEndian.Uint64(win[i-tail:]))
			if t >= 0 && (k < 0 || t <= k) {
				k, d = t, tail
			}
		}
		if k >= 0 {
			i, d = w.repeat(i+k, d)
			continue
		}
		p := &m.long[hashLong(x)]
		pos := m.base + uint32(i)
		cand := pos - *p
		*p = pos
		if cand-1 < maxDistance && int(cand) <= i && x == binary.LittleEndian.Uint64(win[i-int(cand):]) {
			if next := w.found(i, int(cand)); next > 0 {
				i, d = next, m.dist
				continue
			}
		}
		i = min(i+1+m.cold>>coldShift, end)
		if i-m.lit > gapMax {
			m.cold = min(m.cold+gapMax, coldMax)
			w.gap(i)
			w.literals(i)
		}
	}
	m.dist = d
	return i
}

// resume looks at the difference z of 8 bytes with those one distance before:
// it returns the number of bytes to pass until they are equal again, for at
// least 4 bytes, or -1.
func resume(z uint64) int {
	switch {
	case uint32(z) == 0:
		return 0
	case z>>32 == 0:
		return 8 - bits.LeadingZeros64(z)>>3
	}
	return -1
}

// repeat takes the match at distance d that begins at i, and returns where it
// ends and the distance used.
func (w *Writer) repeat(i, d int) (int, int) {
	m := &w.lz
	win := &w.win
	n := matchLen(win[i:w.n], win[i-d:])
	if i+8+m.extra <= w.n {
		p := &m.long[hashLong(binary.LittleEndian.Uint64(win[i:]))]
		if m.near {
			d, n = w.nearer(i, d, n, int(m.base+uint32(i)-*p))
		}
		*p = m.base + uint32(i)
		w.remember(i)
	}
	if i-m.lit >= m.minGap {
		w.gap(i)
	}
	w.emit(i, n, d)
	return i + n, d
}

// nearer returns the better of the match of n bytes at distance d and the one at
// the distance cand, which may be out of reach.
func (w *Writer) nearer(i, d, n, cand int) (int, int) {
	if cand <= 0 || cand > i || cand > d && (cand > maxDistance || n >= nearMax) {
		return d, n
	}
	m := matchLen(w.win[i:w.n], w.win[i-cand:])
	if m > n+2 || m >= n && cand < d {
		return cand, m
	}
	return d, n
}

// remember enters the extra positions behind i.
func (w *Writer) remember(i int) {
	m := &w.lz
	for q := i + 1; q <= i+m.extra; q++ {
		m.long[hashLong(binary.LittleEndian.Uint64(w.win[q:]))] = m.base + uint32(q)
	}
}

// rememberShort enters all positions from i to end into the short table, if the
// level is worth it.
func (w *Writer) rememberShort(i, end int) {
	m := &w.lz
	if !m.dense {
		return
	}
	for ; i < end; i++ {
		m.short[hashShort(binary.LittleEndian.Uint32(w.win[i:]))] = m.base + uint32(i)
	}
}

// found takes the match at distance d that begins at i, and returns where it
// ends, or 0 if it is too short.
func (w *Writer) found(i, d int) int {
	m := &w.lz
	win := &w.win
	n := matchLen(win[i:w.n], win[i-d:])
	if n < m.minLong {
		return 0
	}
	if w.better(i+1, n+1) {
		return 0
	}
	start := i
	for i > m.lit && i > d && win[i-1] == win[i-1-d] {
		i--
		n++
	}
	if i-m.lit >= m.minGap {
		w.gap(i)
	}
	w.emit(i, n, d)
	if n < denseMax {
		w.rememberShort(i, min(i+n, w.n-3))
	}
	if start+8+m.extra <= w.n {
		w.remember(start)
	}
	m.dist = d
	return i + n
}

// better reports whether a match longer than n begins at index i or a few bytes
// later.
func (w *Writer) better(i, n int) bool {
	m := &w.lz
	if n >= lazyMax {
		return false
	}
	for end := min(i+m.lazy, w.n-7); i < end; i++ {
		x := binary.LittleEndian.Uint64(w.win[i:])
		d := m.base + uint32(i) - m.long[hashLong(x)]
		if d-1 < maxDistance && int(d) <= i && matchLen(w.win[i:w.n], w.win[i-int(d):]) > n {
			return true
		}
	}
	return false
}

// gap searches the bytes that are not in the block yet, up to end, for matches
// that end there.
func (w *Writer) gap(end int) {
	m := &w.lz
	win := &w.win
	step := 1 + m.cold>>coldShift
	for i := m.lit; i+4 <= end; {
		x := binary.LittleEndian.Uint32(win[i:])
		p := &m.short[hashShort(x)]
		pos := m.base + uint32(i)
		cand := pos - *p
		*p = pos
		if cand-1 < maxDistance && int(cand) <= i && x == binary.LittleEndian.Uint32(win[i-int(cand):]) {
			d := int(cand)
			n := matchLen(win[i:end], win[i-d:])
			for i > m.lit && i > d && win[i-1] == win[i-1-d] {
				i--
				n++
			}
			if n >= minGapMatch || n == minGapMatch-1 && d <= shortGapReach {
				w.emit(i, n, d)
				w.rememberShort(i+1, min(i+n, end-3))
				i += n
				continue
			}
		}
		i += step
	}
}

// literals moves the bytes up to index end into the block.
func (w *Writer) literals(end int) {
	b := &w.blk
	m := &w.lz
	for m.lit < end {
		n := min(end-m.lit, litCap-b.nlit, runMax-b.run)
		if n == 0 {
			w.endBlock(false)
			continue
		}
		if n <= 8 {
			binary.LittleEndian.PutUint64(b.lits[b.nlit:], binary.LittleEndian.Uint64(w.win[m.lit:]))
		} else {
			copy(b.lits[b.nlit:], w.win[m.lit:m.lit+n])
		}
		b.nlit += n
		b.run += n
		m.lit += n
		if b.run == runMax {
			b.seqs[b.nseq] = runMax << 23
			b.nseq++
			b.run = 0
			if b.nseq == seqCap {
				w.endBlock(false)
			}
		}
	}
}

// emit moves the literals before index i and a match of n bytes there into the
// block.
func (w *Writer) emit(i, n, d int) {
	w.literals(i)
	if w.lz.cold > 0 {
		w.lz.cold = max(0, w.lz.cold-16*n)
	}
	b := &w.blk
	for n > 0 {
		k := n
		if k > maxMatch {
			k = maxMatch
			if n-k < minMatch {
				k = n - minMatch
			}
		}
		b.seqs[b.nseq] = sequence(b.run<<23 | (k-minMatch)<<15 | (d - 1))
		b.nseq++
		b.run = 0
		n -= k
		w.lz.lit += k
		if b.nseq == seqCap {
			w.endBlock(false)
		}
	}
}

package deflate

import (
	"container/heap"
	"math/bits"
	"testing"

	"pgregory.net/rapid"
)

// checkLengths checks that the lengths keep the limit and make a complete prefix
// code, in which rarer symbols are not shorter.
func checkLengths(t fataler, out []uint8, freq []uint32, limit int) {
	t.Helper()
	kraft := 0
	for s, l := range out {
		if int(l) > limit {
			t.Fatalf("symbol %d has length %d, limit %d", s, l, limit)
		}
		if freq[s] != 0 && l == 0 {
			t.Fatalf("symbol %d occurs and has no code", s)
		}
		if l > 0 {
			kraft += 1 << (limit - int(l))
		}
		for r, f := range freq {
			if f > freq[s] && out[r] > l && l > 0 && freq[s] > 0 {
				t.Fatalf("symbol %d (%d times) has length %d, symbol %d (%d times) %d", r, f, out[r], s, freq[s], l)
			}
		}
	}
	if kraft != 1<<limit {
		t.Fatalf("Kraft's sum is %d/%d", kraft, 1<<limit)
	}
}

func TestLengthsOfFibonacciFrequencies(t *testing.T) {
	for _, limit := range []int{maxCLLength, maxCodeLen} {
		for n := 2; n <= 30 && n <= 1<<limit; n++ {
			freq := make([]uint32, n)
			a, b := uint32(1), uint32(1)
			for i := range freq {
				freq[i] = a
				a, b = b, a+b
			}
			var h huffman
			out := make([]uint8, n)
			h.lengths(out, freq, limit)
			checkLengths(t, out, freq, limit)
			if n-1 <= limit && int(out[0]) != n-1 {
				t.Errorf("%d symbols: the rarest has length %d, want %d", n, out[0], n-1)
			}
		}
	}
}

func TestLengthsOfFewSymbols(t *testing.T) {
	for _, freq := range [][]uint32{{0, 0, 0}, {5, 0, 0}, {0, 5, 0}, {0, 0, 5}} {
		var h huffman
		out := make([]uint8, 3)
		h.lengths(out, freq, maxCodeLen)
		checkLengths(t, out, freq, maxCodeLen)
	}
}

type uintHeap []uint64

func (h uintHeap) Len() int           { return len(h) }
func (h uintHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h uintHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *uintHeap) Push(x any)        { *h = append(*h, x.(uint64)) }
func (h *uintHeap) Pop() any {
	x := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return x
}

// huffmanCost is the number of bits of an optimal code without a limit.
func huffmanCost(freq []uint32) (cost uint64) {
	var h uintHeap
	for _, f := range freq {
		if f > 0 {
			heap.Push(&h, uint64(f))
		}
	}
	for h.Len() > 1 {
		sum := heap.Pop(&h).(uint64) + heap.Pop(&h).(uint64)
		cost += sum
		heap.Push(&h, sum)
	}
	return cost
}

func TestLengthsAreOptimal(t *testing.T) {
	var h huffman
	rapid.Check(t, func(t *rapid.T) {
		most := uint32(1) << rapid.IntRange(0, 14).Draw(t, "bits")
		freq := rapid.SliceOfN(rapid.Uint32Range(0, most), 2, numLitLen).Draw(t, "freq")
		freq[0]++
		freq[1]++
		limit := rapid.SampledFrom([]int{9, maxCodeLen}).Draw(t, "limit")
		out := make([]uint8, len(freq))
		h.lengths(out, freq, limit)
		checkLengths(t, out, freq, limit)
		longest, cost := uint8(0), uint64(0)
		for s, l := range out {
			longest = max(longest, l)
			cost += uint64(l) * uint64(freq[s])
		}
		want := huffmanCost(freq)
		if int(longest) < limit && cost != want {
			t.Fatalf("%d bits, the optimum is %d", cost, want)
		}
		if cost > want+want/4 {
			t.Fatalf("%d bits with limit %d, %d without", cost, limit, want)
		}
	})
}

func TestCodesAreCanonical(t *testing.T) {
	// The example of RFC 1951, section 3.2.2.
	lengths := []uint8{3, 3, 3, 3, 3, 2, 4, 4}
	want := []uint16{0b010, 0b011, 0b100, 0b101, 0b110, 0b00, 0b1110, 0b1111}
	out := make([]code, len(lengths))
	assignCodes(out, lengths)
	for s, c := range out {
		n := uint(lengths[s])
		if c.len() != n || c.bits() != uint64(bits.Reverse16(want[s])>>(16-n)) {
			t.Errorf("symbol %d: code %b of %d bits", s, c.bits(), c.len())
		}
	}
}

func TestSymbolsOfAllLengthsAndDistances(t *testing.T) {
	base := 3
	for sym := range 29 {
		if sym == 28 {
			base = 258
		}
		for v := range 1 << lenExtra(sym) {
			if l := base + v; l < 258 || sym == 28 {
				want := uint32(sym) | uint32(v)<<8 | uint32(lenExtra(sym))<<16
				if got := lenInfo[l-minMatch]; got != want {
					t.Errorf("length %d: %06x, want %06x", l, got, want)
				}
			}
		}
		base += 1 << lenExtra(sym)
	}
	base = 1
	for sym := range numDist {
		for v := range 1 << distExtra(sym) {
			d := uint32(base + v - 1)
			s, extra := distSymbol(d)
			if int(s) != sym || int(extra) != distExtra(sym) || int(d&(1<<extra-1)) != v {
				t.Errorf("distance %d: symbol %d, %d extra bits, want %d, %d", d+1, s, extra, sym, distExtra(sym))
			}
		}
		base += 1 << distExtra(sym)
	}
	if base != maxDistance+1 {
		t.Errorf("the symbols end at distance %d", base-1)
	}
}

// lenExtra returns the number of extra bits of length symbol 257+sym.
func lenExtra(sym int) int {
	if sym < 8 || sym == 28 {
		return 0
	}
	return sym/4 - 1
}

// distExtra returns the number of extra bits of distance symbol sym.
func distExtra(sym int) int {
	if sym < 4 {
		return 0
	}
	return sym/2 - 1
}

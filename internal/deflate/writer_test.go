package deflate

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"math/rand"
	"reflect"
	"strings"
	"testing"

	kzlib "github.com/klauspost/compress/zlib"
	"pgregory.net/rapid"
)

// levels are what every test of the whole runs with.
var levels = []int{1, 2, 3}

func compress(w *Writer, recs []record) []byte {
	w.Reset()
	for _, r := range recs {
		w.Append(r.header, r.doc)
	}
	return w.Finish()
}

func plain(recs []record) []byte {
	var p []byte
	for _, r := range recs {
		p = append(append(p, r.header...), r.doc...)
	}
	return p
}

// fataler is what *testing.T and *rapid.T share.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkInflates inflates z with both libraries.
func checkInflates(t fataler, z, want []byte) {
	t.Helper()
	std, err := zlib.NewReader(bytes.NewReader(z))
	if err != nil {
		t.Fatalf("compress/zlib: %v", err)
	}
	checkReads(t, "compress/zlib", std, want)
	k, err := kzlib.NewReader(bytes.NewReader(z))
	if err != nil {
		t.Fatalf("klauspost zlib: %v", err)
	}
	checkReads(t, "klauspost zlib", k, want)
}

func checkReads(t fataler, name string, r io.Reader, want []byte) {
	t.Helper()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: after %d of %d bytes: %v", name, len(got), len(want), err)
	}
	if !bytes.Equal(got, want) {
		i := 0
		for i < len(got) && i < len(want) && got[i] == want[i] {
			i++
		}
		t.Fatalf("%s: %d bytes, want %d; they differ at byte %d", name, len(got), len(want), i)
	}
}

// checkRoundTrip compresses at all levels, each with a new and a used Writer.
func checkRoundTrip(t fataler, recs []record) {
	t.Helper()
	want := plain(recs)
	for _, level := range levels {
		w := NewWriter(level)
		first := bytes.Clone(compress(w, recs))
		checkInflates(t, first, want)
		if limit := len(want) + 5*(len(want)/litCap) + 5 + 6; len(first) > limit {
			t.Fatalf("level %d: %d bytes became %d, want at most %d", level, len(want), len(first), limit)
		}
		if again := compress(w, recs); !bytes.Equal(first, again) {
			t.Fatalf("level %d: the used Writer gave another stream", level)
		}
	}
}

func noise(seed int64, n int) []byte {
	p := make([]byte, n)
	rand.New(rand.NewSource(seed)).Read(p)
	return p
}

func doc(p []byte) record { return record{doc: p} }

func TestRoundTripOfEdgeCases(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	text := []byte(strings.Repeat("the quick brown fox jumps over the lazy dog. ", 40))
	cases := map[string][]record{
		"no record":            nil,
		"empty record":         {doc(nil)},
		"header only":          {frame(1, nil), frame(2, nil), frame(3, nil)},
		"one byte":             {doc([]byte("x"))},
		"two bytes":            {doc([]byte("xx"))},
		"bytes one by one":     oneByOne(text[:200]),
		"all values":           {doc(all), doc(all), doc(all)},
		"run of zeros":         {doc(make([]byte, 1<<20))},
		"many runs":            manyRuns(),
		"1000 empty documents": numbered(1000, nil),
		"20000 tiny documents": numbered(20000, []byte("a")),
		"noise, 3 MB":          {doc(noise(1, 3<<20))},
		"noise twice":          {doc(noise(2, 40000)), doc(noise(2, 40000))},
		"noise at distance":    {doc(noise(3, maxDistance)), doc(noise(3, maxDistance)), doc(noise(3, maxDistance+1)), doc(noise(3, maxDistance+1))},
		"noise in records":     randomRecords(400),
		"short events":         shortEvents(3000),
		"json events":          jsonEvents(700),
		"16 MiB of text":       {frame(1, bytes.Repeat(text, 16<<20/len(text))), frame(2, text)},
		"big and small": {
			frame(1, text), frame(2, noise(4, 100000)), frame(3, text), frame(4, bytes.Repeat(text, 100)), frame(5, nil), frame(6, text),
		},
		"noise, then events": append(randomRecords(300), shortEvents(300)...),
	}
	for name, recs := range cases {
		t.Run(name, func(t *testing.T) { checkRoundTrip(t, recs) })
	}
}

func oneByOne(p []byte) (recs []record) {
	for i := range p {
		recs = append(recs, doc(p[i:i+1]))
	}
	return recs
}

func numbered(n int, d []byte) (recs []record) {
	for i := range n {
		recs = append(recs, frame(i, d))
	}
	return recs
}

// manyRuns has runs of one byte of all lengths around the longest match.
func manyRuns() (recs []record) {
	for n := range 600 {
		recs = append(recs, doc(bytes.Repeat([]byte{byte(n)}, n)))
	}
	return recs
}

// TestRoundTripAtCapacities puts the ends of streams and records around every
// capacity of the Writer.
func TestRoundTripAtCapacities(t *testing.T) {
	letters := noise(5, 3*winSize)
	for i, c := range letters {
		letters[i] = 'a' + c%26 // compressible, without long matches
	}
	for _, n := range []int{runMax, litCap, 2 * litCap, maxDistance, maxStored, 2 * maxStored, winSize, winSize + maxDistance, 2*winSize - maxDistance, 2 * winSize} {
		for _, d := range []int{-9, -8, -1, 0, 1, 8} {
			recs := []record{doc(letters[:n+d]), doc([]byte("the end of it"))}
			w := NewWriter(2)
			checkInflates(t, compress(w, recs), plain(recs))
			recs = []record{doc(noise(6, n+d)), doc(letters[:300])}
			checkInflates(t, compress(w, recs), plain(recs))
		}
	}
}

// TestRoundTripOfManySequences fills a block with matches rather than literals.
func TestRoundTripOfManySequences(t *testing.T) {
	words := make([][]byte, 50)
	for i := range words {
		words[i] = noise(int64(i), 9+i%7)
	}
	r := rand.New(rand.NewSource(7))
	var p []byte
	for range 60000 {
		p = append(p, words[r.Intn(len(words))]...)
	}
	checkRoundTrip(t, []record{doc(p)})
}

// edited draws a record much like last.
func edited(t *rapid.T, last []byte) []byte {
	p := bytes.Clone(last)
	for range rapid.IntRange(0, 6).Draw(t, "edits") {
		at := rapid.IntRange(0, len(p)).Draw(t, "at")
		switch rapid.SampledFrom([]string{"digit", "grow", "shrink", "run", "noise", "copy"}).Draw(t, "edit") {
		case "digit":
			if at < len(p) {
				p[at] = byte(rapid.IntRange('0', '9').Draw(t, "digit"))
			}
		case "grow":
			p = insert(p, at, rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "new"))
		case "shrink":
			p = append(p[:at], p[min(len(p), at+rapid.IntRange(1, 300).Draw(t, "n")):]...)
		case "run":
			p = insert(p, at, bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 1, 3).Draw(t, "unit"), rapid.IntRange(1, 700).Draw(t, "n")))
		case "noise":
			p = insert(p, at, noise(rapid.Int64().Draw(t, "seed"), rapid.IntRange(1, 3000).Draw(t, "n")))
		case "copy":
			from := rapid.IntRange(0, len(p)).Draw(t, "from")
			p = insert(p, at, bytes.Clone(p[from:min(len(p), from+rapid.IntRange(1, 2000).Draw(t, "n"))]))
		}
	}
	return p
}

func insert(p []byte, at int, q []byte) []byte {
	return append(append(bytes.Clone(p[:at]), q...), p[at:]...)
}

func TestRoundTripOfSimilarRecords(t *testing.T) {
	base := shortEvents(1)[0].doc
	rapid.Check(t, func(t *rapid.T) {
		last := base
		var recs []record
		for i := range rapid.IntRange(1, 60).Draw(t, "records") {
			switch rapid.IntRange(0, 19).Draw(t, "kind") {
			case 0:
				recs = append(recs, frame(i, nil))
				continue
			case 1:
				last = base
			case 2:
				last = bytes.Repeat(last, rapid.IntRange(0, 4).Draw(t, "times"))
			}
			if len(last) > 20000 {
				last = last[:500]
			}
			last = edited(t, last)
			recs = append(recs, frame(i, last))
		}
		checkRoundTrip(t, recs)
	})
}

// FuzzRoundTrip reads data as a script: each step makes a record out of the one
// before.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("\x00hello world, hello world\xff\x01\x02\x03\x04\x05\x06\x07\x08"), uint8(1), uint16(500))
	f.Add([]byte(shortEvents(1)[0].doc), uint8(2), uint16(10))
	f.Add(noise(1, 200), uint8(3), uint16(60000))
	f.Fuzz(func(t *testing.T, script []byte, level uint8, scale uint16) {
		var recs []record
		last := bytes.Clone(script)
		total := 0
		for len(script) >= 4 && total < 200<<10 {
			op, a, b, c := script[0], int(script[1]), int(script[2]), script[3]
			script = script[4:]
			at, n := 0, 1+b*int(scale)>>8
			if len(last) > 0 {
				at = (a<<8 | b) % len(last)
			}
			switch op % 8 {
			case 0, 1:
				if len(last) > 0 {
					last[at] = c
				}
			case 2:
				last = insert(last, at, []byte{c, c + 1, byte(a)})
			case 3:
				last = append(bytes.Clone(last[:at]), last[min(len(last), at+n):]...)
			case 4:
				last = insert(last, at, bytes.Repeat([]byte{c}, n))
			case 5:
				last = insert(last, at, noise(int64(c), n))
			case 6:
				last = insert(last, at, last[:min(len(last), n)])
			case 7:
				last = bytes.Clone(script[:min(len(script), n)])
			}
			last = last[:min(len(last), 70000)]
			recs = append(recs, record{header: bytes.Clone(last[:min(len(last), a%12)]), doc: bytes.Clone(last)})
			total += len(last)
		}
		w := NewWriter(int(level))
		want := plain(recs)
		z := bytes.Clone(compress(w, recs))
		checkInflates(t, z, want)
		if !bytes.Equal(z, compress(w, recs)) {
			t.Fatal("the used Writer gave another stream")
		}
	})
}

func TestStreamDependsOnRecordsOnly(t *testing.T) {
	recs := append(append(shortEvents(500), jsonEvents(100)...), randomRecords(50)...)
	for _, level := range levels {
		want := bytes.Clone(compress(NewWriter(level), recs))
		w := NewWriter(level)
		for i, other := range [][]record{randomRecords(300), jsonEvents(999), {doc(make([]byte, 1<<20))}, nil, shortEvents(7)} {
			compress(w, other)
			if got := compress(w, recs); !bytes.Equal(got, want) {
				t.Fatalf("level %d: another stream after use %d", level, i)
			}
		}
		// Old positions must not come back when their numbers start again.
		for range 3 {
			w.lz.base = 1<<30 - 3*winSize
			for i := range 8 {
				if got := compress(w, recs); !bytes.Equal(got, want) {
					t.Fatalf("level %d: another stream at position 1<<30, use %d", level, i)
				}
			}
		}
		w.Reset()
		for i, r := range recs {
			p := append(bytes.Clone(r.header), r.doc...)
			k := i % (len(p) + 1)
			w.Append(p[:k], p[k:])
		}
		if !bytes.Equal(w.Finish(), want) {
			t.Fatalf("level %d: another stream when header and document are cut elsewhere", level)
		}
	}
}

// TestPositionsWrapAround lets the 32 bit positions of one stream pass zero.
func TestPositionsWrapAround(t *testing.T) {
	recs := append(shortEvents(600), jsonEvents(300)...)
	w := NewWriter(3)
	for _, before := range []uint32{1, 1000, winSize, 3 * winSize} {
		w.Reset()
		w.lz.base = -before
		for _, r := range recs {
			w.Append(r.header, r.doc)
		}
		checkInflates(t, w.Finish(), plain(recs))
	}
}

// TestRatio holds the bytes per record against the library that it replaces.
func TestRatio(t *testing.T) {
	for _, c := range []struct {
		name  string
		recs  []record
		limit float64 // of klauspost level 3
	}{
		{"short", shortEvents(2048), 1},
		{"short, 50", shortEvents(50), 1},
		{"short, 10", shortEvents(10), 1.02},
		{"json300", jsonEvents(2048), 1.05},
		{"json300, 50", jsonEvents(50), 1.05},
		{"random", randomRecords(500), 1.001},
	} {
		var out bytes.Buffer
		k, err := kzlib.NewWriterLevel(&out, 3)
		if err != nil {
			t.Fatal(err)
		}
		k.Write(plain(c.recs))
		k.Close()
		for _, level := range levels {
			n := len(compress(NewWriter(level), c.recs))
			if float64(n) > float64(out.Len())*c.limit {
				t.Errorf("%s, level %d: %d bytes, klauspost level 3 %d", c.name, level, n, out.Len())
			}
		}
	}
}

func TestLevelsBeyondTheEnds(t *testing.T) {
	recs := jsonEvents(200)
	for level, like := range map[int]int{-1: 1, 0: 1, 4: 3, 9: 3} {
		if !bytes.Equal(compress(NewWriter(level), recs), compress(NewWriter(like), recs)) {
			t.Errorf("level %d differs from level %d", level, like)
		}
	}
}

func TestFinishTwice(t *testing.T) {
	w := NewWriter(1)
	w.Append([]byte("ab"), []byte("cd"))
	first := bytes.Clone(w.Finish())
	if !bytes.Equal(w.Finish(), first) {
		t.Fatal("the second Finish differs")
	}
	defer func() {
		if recover() == nil {
			t.Fatal("Append after Finish was taken silently")
		}
	}()
	w.Append(nil, []byte("x"))
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	w := NewWriter(3)
	for name, recs := range map[string][]record{"short": shortEvents(300), "json": jsonEvents(100), "random": randomRecords(100)} {
		if n := testing.AllocsPerRun(10, func() { compress(w, recs) }); n != 0 {
			t.Errorf("%s: %v allocations per stream", name, n)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	if n := reflect.TypeFor[Writer]().Size(); n > 240<<10 {
		t.Errorf("a Writer takes %d bytes", n)
	}
	w := NewWriter(1)
	small := shortEvents(10)
	compress(w, []record{doc(noise(1, 4<<20))})
	if cap(w.bw.out) < 4<<20 {
		t.Fatal("the output cannot hold the stream")
	}
	for range keepStreams + 1 {
		checkInflates(t, compress(w, small), plain(small))
	}
	if cap(w.bw.out) > keepOutput {
		t.Errorf("%d bytes of output space are kept after an outlier", cap(w.bw.out))
	}
}

func ExampleWriter() {
	w := NewWriter(1)
	for i := range 3 {
		w.Append([]byte{'2', 'J', 0, 0, 0, byte(i + 1), 0, 0, 0, 13}, []byte(`{"message":1}`))
	}
	r, err := zlib.NewReader(bytes.NewReader(w.Finish()))
	if err != nil {
		panic(err)
	}
	p, err := io.ReadAll(r)
	fmt.Println(len(p), err)
	// Output: 69 <nil>
}

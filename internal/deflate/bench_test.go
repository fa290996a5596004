package deflate

import (
	"bytes"
	"fmt"
	"testing"

	kzlib "github.com/klauspost/compress/zlib"
)

// BenchmarkStream compares the Writer with the general compressor, on the same
// records, one stream per round.
func BenchmarkStream(b *testing.B) {
	for _, set := range []struct {
		name string
		recs []record
	}{
		{"short-2048", shortEvents(2048)},
		{"short-50", shortEvents(50)},
		{"short-10", shortEvents(10)},
		{"json300-2048", jsonEvents(2048)},
		{"json300-50", jsonEvents(50)},
		{"json300-10", jsonEvents(10)},
		{"random-2048", randomRecords(2048)},
	} {
		for _, level := range levels {
			b.Run(fmt.Sprintf("%s/ours-%d", set.name, level), func(b *testing.B) {
				benchmarkOurs(b, level, set.recs)
			})
		}
		for _, level := range []int{1, 3} {
			b.Run(fmt.Sprintf("%s/klauspost-%d", set.name, level), func(b *testing.B) {
				benchmarkKlauspost(b, level, set.recs)
			})
		}
	}
}

func benchmarkOurs(b *testing.B, level int, recs []record) {
	w := NewWriter(level)
	size := len(compress(w, recs))
	b.ReportAllocs()
	for b.Loop() {
		compress(w, recs)
	}
	report(b, len(recs), size)
}

func benchmarkKlauspost(b *testing.B, level int, recs []record) {
	var out bytes.Buffer
	w, err := kzlib.NewWriterLevel(&out, level)
	if err != nil {
		b.Fatal(err)
	}
	stream := func() {
		out.Reset()
		w.Reset(&out)
		for _, r := range recs {
			w.Write(r.header)
			w.Write(r.doc)
		}
		w.Close()
	}
	stream()
	b.ReportAllocs()
	for b.Loop() {
		stream()
	}
	report(b, len(recs), out.Len())
}

func report(b *testing.B, records, size int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(records), "ns/record")
	b.ReportMetric(float64(size)/float64(records), "bytes/record")
	b.ReportMetric(0, "ns/op")
}

package registry

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

var sizes = []int{1, 100, 10_000}

func filled(b *testing.B, files int) *Registry {
	r := open(b, b.TempDir())
	for i := range files {
		r.Commit(logState(uint64(i+1), 1))
	}
	if err := r.Snapshot(); err != nil {
		b.Fatal(err)
	}
	return r
}

func BenchmarkCommit(b *testing.B) {
	for _, files := range sizes {
		b.Run(fmt.Sprint(files), func(b *testing.B) {
			r := filled(b, files)
			defer closeAll(b, r)
			s := logState(1, 1)
			b.ReportAllocs()
			for b.Loop() {
				s.Offset++
				r.Commit(s)
			}
		})
	}
}

// BenchmarkSync commits one file of many and makes it durable; bytes/commit is
// what log.json and its checkpoints cost.
func BenchmarkSync(b *testing.B) {
	for _, files := range sizes {
		b.Run(fmt.Sprint(files), func(b *testing.B) {
			r := filled(b, files)
			defer closeAll(b, r)
			s := logState(1, 1)
			var bytes int64
			id, size := r.lastID, r.journal.Size()
			b.ReportAllocs()
			for b.Loop() {
				s.Offset++
				r.Commit(s)
				mustSync(b, r)
				now := r.journal.Size()
				if r.lastID-id > 1 { // a checkpoint took an id
					bytes += int64(len(read(b, checkpointPath(r.dir, r.lastID))))
					size = 0
				}
				bytes += now - size
				id, size = r.lastID, now
			}
			b.ReportMetric(float64(bytes)/float64(b.N), "bytes/commit")
		})
	}
}

// BenchmarkHour is an hour of one line a second into one of many files, with
// the default options: disk-bytes/s is everything, data.json included.
func BenchmarkHour(b *testing.B) {
	for _, files := range sizes {
		b.Run(fmt.Sprint(files), func(b *testing.B) {
			r := filled(b, files)
			defer closeAll(b, r)
			s := logState(1, 1)
			now, next := time.Now(), time.Time{}
			before := written(b)
			for b.Loop() {
				for range 3600 {
					now = now.Add(time.Second)
					s.Offset += 48
					r.Commit(s)
					select {
					case <-r.Dirty():
						next = now
					default:
					}
					if !next.IsZero() && !next.After(now) {
						var err error
						if next, err = r.Maintain(now); err != nil {
							b.Fatal(err)
						}
					}
				}
			}
			b.ReportMetric(float64(written(b)-before)/3600/float64(b.N), "disk-bytes/s")
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, files := range sizes {
		b.Run(fmt.Sprint(files), func(b *testing.B) {
			r := filled(b, files)
			dataDir := filepath.Dir(filepath.Dir(r.dir))
			closeAll(b, r)
			b.ReportAllocs()
			for b.Loop() {
				closeAll(b, open(b, dataDir))
			}
		})
	}
}

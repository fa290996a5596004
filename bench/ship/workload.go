package main

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"
)

// workload is what the file holds.
type workload struct {
	name  string
	lines int
	line  func(r *rand.Rand, i int) string
}

var (
	short   = workload{"short", 1_000_000, shortLine}
	json300 = workload{"json300", 200_000, jsonLine}
	single  = workload{"single", 1, shortLine}
)

// shortLine is 47 bytes with its line feed: time, topic, value.
func shortLine(r *rand.Rand, i int) string {
	t := time.Unix(1795290000+int64(i/40), 0).UTC()
	return fmt.Sprintf("%s /feeds/%03d/temp %05.2f", t.Format("2006-01-02T15:04:05-0700"), r.IntN(64), 20+5*r.Float64()) + "\n"
}

// jsonLine is about 300 bytes: a machine's telegram.
func jsonLine(r *rand.Rand, i int) string {
	t := time.Unix(1795290000+int64(i/40), 0).UTC()
	return fmt.Sprintf(`{"ts":"%s","line":%d,"machine":"press-%02d","state":"%s","temp_c":%.2f,"pressure_bar":%.3f,"vibration":{"x":%.4f,"y":%.4f,"z":%.4f},"rpm":%d,"power_kw":%.2f,"energy_kwh":%.1f,"cycle":%d,"operator":"op%03d","alarm":%v,"batch":"B%06d","note":"cycle finished within limits"}`,
		t.Format(time.RFC3339), r.IntN(8), r.IntN(40), []string{"run", "idle", "setup", "stop"}[r.IntN(4)], 20+40*r.Float64(), 5+r.Float64(), r.Float64(), r.Float64(), r.Float64(),
		900+r.IntN(600), 10*r.Float64(), 1000+float64(i)/10, i, r.IntN(200), r.IntN(50) == 0, i/500) + "\n"
}

// generate writes n lines; they are the same in every run.
func (w workload) generate(path string, n int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(f, 1<<20)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		_, _ = b.WriteString(w.line(r, i)) // Flush tells
	}
	return errors.Join(b.Flush(), f.Close())
}

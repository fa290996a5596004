// Command ship measures the tailer as a user runs it: a file of sensor lines is
// shipped by the sluice binary, a process of its own, to a TLS receiver that
// does nothing but count and acknowledge. Reported are the tailer process' CPU
// time per event, events per second, peak memory, bytes on the wire, and the
// time from the start of the process to the first window.
//
//	go run ./bench/ship [-bin bin/sluice[,OTHER]] [-runs 3] [-level 3] [-scale 1]
//
// With two binaries each run of the one is followed by a run of the other, and
// the ratios of these pairs are shown: on a machine with other load only they
// say which is cheaper.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// firstTarget is the longest start of the process to the first window.
const firstTarget = 100 * time.Millisecond

// proven is how many lines are looked at before a row is measured.
const proven = 20_000

func main() {
	bins := flag.String("bin", "bin/sluice", "the sluice `BINARY`, or two with a comma between them to compare")
	runs := flag.Int("runs", 3, "runs of each row; the median is reported")
	level := flag.Int("level", 3, "compression_level")
	scale := flag.Float64("scale", 1, "factor on the number of lines")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{bins: strings.Split(*bins, ","), runs: max(1, *runs), scale: *scale, out: os.Stdout}
	if err := b.run(ctx, *level); err != nil {
		fmt.Fprintln(os.Stderr, "ship:", err)
		os.Exit(1)
	}
}

// bench is one call of the program.
type bench struct {
	bins  []string
	runs  int
	scale float64
	out   io.Writer
}

func (b *bench) run(ctx context.Context, level int) error {
	rows := []row{
		{short, level, 2048, 1.2},
		{json300, level, 2048, 3.2},
		{short, level, 50, 2},
		{json300, level, 50, 0},
	}
	if level != 3 {
		for i := range rows {
			rows[i].target = 0 // the targets are for level 3
		}
	}
	fmt.Fprintf(b.out, "compression_level %d; every row: %d runs, CPU is the median (least–most), memory the largest\n", level, b.runs)
	table := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "lines\tnumber\tbatch\tbinary\tCPU µs/event\ttarget\tevents/s\tpeak RSS MB\ttarget\twire B/event\tfirst window ms\t")
	var ratios []string
	for _, r := range rows {
		ratio, err := b.row(ctx, table, r)
		if err != nil {
			return fmt.Errorf("%s, batches of %d: %w", r.name, r.batch, err)
		}
		ratios = append(ratios, ratio...)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, line := range ratios {
		fmt.Fprintln(b.out, line)
	}
	return b.first(ctx, row{single, level, 2048, 0})
}

// row measures one row with every binary.
func (b *bench) row(ctx context.Context, out io.Writer, r row) (ratios []string, err error) {
	n := max(1, int(float64(r.lines)*b.scale))
	for _, bin := range b.bins {
		if err := prove(ctx, bin, r, min(n, proven)); err != nil {
			return nil, err
		}
	}
	all, err := b.measure(ctx, r, n, b.runs)
	if err != nil {
		return nil, err
	}
	for i, bin := range b.bins {
		cpu, peak := spread(all[i], func(r result) float64 { return us(r.cpu) }), spread(all[i], func(r result) float64 { return float64(r.peak) / (1 << 20) })
		fmt.Fprintf(out, "%s\t%d\t%d\t%s\t%.2f (%.2f–%.2f)\t%s\t%.0f\t%.1f\t%s\t%.1f\t%.0f\t\n", r.name, n, r.batch, filepath.Base(bin), cpu.median, cpu.least, cpu.most, verdict(cpu.median, r.target, "%.1f"),
			spread(all[i], func(r result) float64 { return r.perSec }).median, peak.most, verdict(peak.most, 20, "%.0f"),
			spread(all[i], func(r result) float64 { return r.wire }).median, spread(all[i], func(r result) float64 { return ms(r.first) }).median)
	}
	for i := range b.bins[1:] {
		var pairs []float64
		for k := range b.runs {
			pairs = append(pairs, us(all[i+1][k].cpu)/us(all[0][k].cpu))
		}
		slices.Sort(pairs)
		ratios = append(ratios, fmt.Sprintf("CPU of %s / %s, %s, batches of %d: median of pairs %.3f (%.3f–%.3f)", filepath.Base(b.bins[i+1]), filepath.Base(b.bins[0]), r.name, r.batch, pairs[len(pairs)/2], pairs[0], pairs[len(pairs)-1]))
	}
	return ratios, nil
}

// measure returns the results of every binary, in the order of the runs.
func (b *bench) measure(ctx context.Context, r row, n, runs int) ([][]result, error) {
	all := make([][]result, len(b.bins))
	for range runs {
		for i, bin := range b.bins {
			one, err := measure(ctx, bin, r, n, nil)
			if err != nil {
				return nil, err
			}
			all[i] = append(all[i], one)
		}
	}
	return all, nil
}

// first measures how soon a single line that is there at the start leaves.
func (b *bench) first(ctx context.Context, r row) error {
	runs := 3 * b.runs
	all, err := b.measure(ctx, r, 1, runs)
	if err != nil {
		return fmt.Errorf("a single line: %w", err)
	}
	for i, bin := range b.bins {
		first := spread(all[i], func(r result) float64 { return ms(r.first) })
		fmt.Fprintf(b.out, "first event on the wire, a single line present at the start, %s: %.1f ms after exec, %d runs (%.1f–%.1f), target %s\n", filepath.Base(bin), first.median, runs, first.least, first.most, verdict(first.median, ms(firstTarget), "%.0f"))
	}
	return nil
}

// figures are what several runs gave.
type figures struct{ least, median, most float64 }

func spread(all []result, of func(result) float64) figures {
	var values []float64
	for _, r := range all {
		values = append(values, of(r))
	}
	slices.Sort(values)
	return figures{values[0], values[len(values)/2], values[len(values)-1]}
}

// verdict shows a target and whether the value keeps it.
func verdict(value, target float64, format string) string {
	switch text := "<= " + fmt.Sprintf(format, target); {
	case target == 0:
		return "-"
	case value <= target:
		return text + " ok"
	default:
		return text + " MISSED"
	}
}

func us(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
func ms(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// Command idle measures what services cost that have nothing or little to do:
// the tailer with 1, 1,000 and 10,000 files that are shipped to their ends, the
// recorder on a broker that is silent, and the tailer with 1,000 files of which
// one gets a line a second. All run at the same time, each a process of its
// own, and nobody else uses the CPU: they wake up on their own account.
//
//	go run ./bench/idle [-bin bin/sluice] [-for 20s] [-trickle 60s] [-quick]
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	bin := flag.String("bin", "bin/sluice", "the sluice `BINARY`")
	idle := flag.Duration("for", 20*time.Second, "how long an idle service is watched")
	trickle := flag.Duration("trickle", time.Minute, "how long a line a second is written")
	settle := flag.Duration("settle", 15*time.Second, "how long a service is left alone before: the registry's commits and its first data.json come after at most 10s")
	quick := flag.Bool("quick", false, "leave out the row with 10,000 files")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := report(ctx, os.Stdout, rows(service{*bin, *settle}, *idle, *trickle, *quick)); err != nil {
		fmt.Fprintln(os.Stderr, "idle:", err)
		os.Exit(1)
	}
}

// service is the binary and the time that it takes to become idle.
type service struct {
	bin    string
	settle time.Duration
}

// row is one service and what is done with it.
type row struct {
	name    string
	measure func(ctx context.Context) (result, error)
	lines   bool // lines come: figures per second are meant, none is too many
}

// result is what a service used while it was watched.
type result struct {
	wakeups, cpu float64 // per second; cpu in milliseconds
	dirtied      float64 // bytes/s
	resident     int64   // bytes
	peak         int64
	disk         float64 // bytes/s, of the whole machine; NaN: unknown
	per          time.Duration
}

func rows(s service, idle, trickle time.Duration, quick bool) []row {
	tailer := func(files int, every, watched time.Duration) func(context.Context) (result, error) {
		return func(ctx context.Context) (result, error) { return s.tailer(ctx, files, every, watched) }
	}
	all := []row{
		{name: "tailer, idle, 1 file", measure: tailer(1, 0, idle)},
		{name: "tailer, idle, 1,000 files", measure: tailer(1000, 0, idle)},
		{name: "tailer, idle, 10,000 files", measure: tailer(10_000, 0, idle)},
		{name: "recorder, idle, connected", measure: func(ctx context.Context) (result, error) { return s.recorder(ctx, idle) }},
	}
	if quick {
		all = append(all[:2], all[3])
	}
	return append(all, row{name: "tailer, 1 line/s into 1 of 1,000 files", measure: tailer(1000, time.Second, trickle), lines: true})
}

// report measures the idle services at once, then the others one by one, since
// the bytes that reach the disk are the whole machine's.
func report(ctx context.Context, out io.Writer, rows []row) error {
	results, faults := make([]result, len(rows)), make([]error, len(rows))
	var all sync.WaitGroup
	for i, r := range rows {
		if !r.lines {
			all.Go(func() { results[i], faults[i] = r.measure(ctx) })
		}
	}
	all.Wait()
	for i, r := range rows {
		if r.lines {
			results[i], faults[i] = r.measure(ctx)
		}
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "service\twatched\twake-ups/s\tCPU ms/s\tRSS MB\tpeak RSS MB\tdirtied B/s\tmachine's disk B/s")
	for i, r := range rows {
		if faults[i] != nil {
			return fmt.Errorf("%s: %w", r.name, faults[i])
		}
		disk := "-" // several at once: not to be told apart
		if r.lines {
			disk = fmt.Sprintf("%.0f", results[i].disk)
		}
		x := results[i]
		fmt.Fprintf(table, "%s\t%s\t%.2f\t%.2f\t%.1f\t%.1f\t%.0f\t%s\n", r.name, x.per, x.wakeups, x.cpu, mb(x.resident), mb(x.peak), x.dirtied, disk)
	}
	return table.Flush()
}

func mb(bytes int64) float64 { return float64(bytes) / (1 << 20) }

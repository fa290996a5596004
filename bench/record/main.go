// Command record measures what records MQTT messages: the sluice binary, and
// beside it, in the same run, the pipe "mosquitto_sub | rotatelogs". A real
// Mosquitto on loopback delivers readings of 64 sensors; reported are the
// messages per second that are in the file, CPU time per message of the
// recording processes alone, their peak memory, and what they made the disk
// write.
//
//	go run ./bench/record [-bin bin/sluice[,OTHER]] [-runs 3] [-scale 1] [-row TEXT]
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// row is one line of the report for each subject.
type row struct {
	name     string
	broker   []string // settings of Mosquitto other than its defaults
	qos      int
	rate     int64 // messages/s; 0: full speed
	window   int64 // messages published and not in the file at most
	messages int64
	runs     int

	least  float64 // messages/s that sluice should reach; 0: none
	target float64 // CPU µs/message that sluice should not exceed; 0: none
}

// A stock broker keeps 20 messages in flight, queues 1,000, and drops what is
// beyond. So no more than 500 are on their way: with 900 Mosquitto 2.0.11 was
// seen to drop some.
func rows(scale float64, runs int) []row {
	wide := []string{"max_inflight_messages 1000", "max_queued_messages 1000000"}
	n := func(messages float64) int64 { return max(50, int64(messages*scale)) }
	return []row{
		{name: "QoS 1, stock broker (20 in flight)", qos: 1, window: 500, messages: n(20_000), runs: runs, least: 400},
		{name: "QoS 1, 1,000 in flight", broker: wide, qos: 1, window: 50_000, messages: n(100_000), runs: runs, target: 12},
		{name: "QoS 0", broker: wide, qos: 0, window: 20_000, messages: n(100_000), runs: runs, target: 4},
		{name: "QoS 1, stock broker, 1,000 msg/s", qos: 1, rate: 1000, window: 500, messages: n(20_000), runs: 1},
		{name: "QoS 1, stock broker, 10 msg/s", qos: 1, rate: 10, window: 500, messages: n(200), runs: 1},
	}
}

// peakTarget is the recorder's, in MB.
const peakTarget = 18

func main() {
	bins := flag.String("bin", "bin/sluice", "the sluice `BINARY`, or several with commas between them to compare")
	runs := flag.Int("runs", 3, "runs of each row at full speed; the median is reported")
	scale := flag.Float64("scale", 1, "factor on the number of messages")
	only := flag.String("row", "", "measure only rows whose name contains this `TEXT`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var subjects []subject
	for _, bin := range strings.Split(*bins, ",") {
		subjects = append(subjects, sluice(bin))
	}
	chosen := slices.DeleteFunc(rows(*scale, max(1, *runs)), func(r row) bool { return !strings.Contains(r.name, *only) })
	subjects = append(subjects, pipe())
	err := report(ctx, os.Stdout, subjects, chosen)
	if k := killing(*scale); err == nil && strings.Contains(k.name, *only) {
		err = k.report(ctx, os.Stdout, subjects)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

func report(ctx context.Context, out io.Writer, subjects []subject, rows []row) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "row\trecorder\tmsg/s\ttarget\tCPU µs/msg\ttarget\tpeak RSS MB\ttarget\twake-ups/msg\tdisk B/msg\tbroker CPU µs/msg")
	for _, r := range rows {
		results, err := r.measure(ctx, subjects)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		for i, s := range subjects {
			if s.missing == "" {
				r.print(table, s, results[i])
			}
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, s := range subjects {
		if s.missing != "" {
			fmt.Fprintf(out, "skipped: %s: %s\n", s.name, s.missing)
		}
	}
	return nil
}

// measure runs all subjects in turn, as often as the row says.
func (r row) measure(ctx context.Context, subjects []subject) ([][]result, error) {
	results := make([][]result, len(subjects))
	for range r.runs {
		for i, s := range subjects {
			if s.missing != "" {
				continue
			}
			one, err := r.once(ctx, s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			results[i] = append(results[i], one)
		}
	}
	return results, nil
}

func (r row) print(out io.Writer, s subject, all []result) {
	of := func(f func(result) float64) []float64 {
		var values []float64
		for _, one := range all {
			values = append(values, f(one))
		}
		slices.Sort(values)
		return values
	}
	middle := func(values []float64) float64 { return values[len(values)/2] }
	cpu := of(func(r result) float64 { return us(r.cpu) })
	rate := middle(of(func(r result) float64 { return r.perSec }))
	peak := of(func(r result) float64 { return float64(r.peak) / (1 << 20) })
	speed, cost, memory := "-", "-", "-"
	if s.peer() {
		fmt.Fprintf(out, "%s\t%s\t", "", s.name)
	} else {
		fmt.Fprintf(out, "%s\t%s\t", r.name, s.name)
		speed, cost, memory = verdict(-rate, -r.least, ">= %.0f"), verdict(middle(cpu), r.target, "<= %.0f"), verdict(peak[len(peak)-1], peakTarget, "<= %.0f")
	}
	fmt.Fprintf(out, "%.0f\t%s\t%.1f (%.1f–%.1f)\t%s\t%.1f\t%s\t%.2f\t%.0f\t%.1f\n", rate, speed, middle(cpu), cpu[0], cpu[len(cpu)-1], cost, peak[len(peak)-1], memory,
		middle(of(func(r result) float64 { return r.wakes })), middle(of(func(r result) float64 { return r.disk })), middle(of(func(r result) float64 { return us(r.broker) })))
}

// verdict shows a target, and whether the value keeps below it; for a least
// value both are negative.
func verdict(value, target float64, format string) string {
	text := fmt.Sprintf(format, max(target, -target))
	switch {
	case target == 0:
		return "-"
	case value <= target:
		return text + " ok"
	default:
		return text + " MISSED"
	}
}

func us(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

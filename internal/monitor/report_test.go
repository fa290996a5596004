package monitor

import (
	"bufio"
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// logged are the lines of a JSON log.
func logged(t *testing.T, log *bytes.Buffer) (lines []map[string]any) {
	t.Helper()
	for s := bufio.NewScanner(bytes.NewReader(log.Bytes())); s.Scan(); {
		lines = append(lines, decode(t, s.Text()).(map[string]any))
	}
	return lines
}

func TestLogTellsWhatHasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		src := &fake{numbers: someNumbers()}
		m := someMonitor(Config{}, src, &log)
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan bool)
		go func() { m.Run(ctx); ended <- true }()
		time.Sleep(31 * time.Second)
		src.set(func(f *fake) { f.numbers.Events += 5; f.numbers.Registry.Writes++; f.numbers.Registry.WriteFailures++ })
		time.Sleep(30 * time.Second)
		end()
		<-ended
		lines := logged(t, &log)
		var texts []string
		for _, l := range lines {
			texts = append(texts, l["message"].(string))
		}
		want := []string{"Starting metrics logging every 30s", "Non-zero metrics in the last 30s", "Non-zero metrics in the last 30s", "Total metrics", "Uptime: 1m1s", "Stopping metrics logging."}
		if !slices.Equal(texts, want) {
			t.Fatalf("%q", texts)
		}
		first, second, total := lines[1]["monitoring"], lines[2]["monitoring"], lines[3]["monitoring"]
		for _, c := range []struct {
			line any
			name string
			want any
		}{
			{first, "metrics.libbeat.output.events.acked", 80.0},
			{first, "metrics.libbeat.output.type", "logstash"},
			{first, "metrics.libbeat.output.events.dropped", nil},
			{second, "metrics.libbeat.output.events.acked", nil},
			{second, "metrics.libbeat.output.type", nil},
			{second, "metrics.libbeat.pipeline.events.published", 5.0},
			{second, "metrics.registrar.writes.fail", 1.0},
			{second, "metrics.registrar.writes.success", nil},
			{second, "metrics.filebeat.harvester.running", 2.0},
			{second, "metrics.filebeat.events.active", 24.0},
			{second, "metrics.beat.info.ephemeral_id", "e"},
			{second, "metrics.beat.info.uptime.ms", 60000.0},
			{total, "metrics.libbeat.pipeline.events.published", 105.0},
			{total, "metrics.libbeat.output.events.dropped", 0.0},
		} {
			if got := at(c.line, c.name); got != c.want {
				t.Errorf("%s is %v, want %v", c.name, got, c.want)
			}
		}
	})
}

func TestNamespacesAndSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			log  Log
			want int // lines
		}{{Log{Period: time.Second, Namespaces: []string{"dataset"}}, 5}, {Log{}, 0}} {
			var log bytes.Buffer
			m := someMonitor(Config{}, &fake{numbers: someNumbers()}, &log)
			m.period, m.names = c.log.Period, c.log.Namespaces
			ctx, end := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			m.Run(ctx)
			end()
			lines := logged(t, &log)
			if len(lines) != c.want {
				t.Fatalf("%d lines: %s", len(lines), &log)
			}
			if c.want > 0 && (at(lines[1], "monitoring.dataset.mine.events_processed_total") != 40.0 || strings.Contains(log.String(), `"metrics":`)) {
				t.Errorf("got %s", &log)
			}
		}
	})
}

func TestSummary(t *testing.T) {
	if s := (&Timing{}).summary(time.Second); s != (summary{}) {
		t.Errorf("of nothing: %+v", s)
	}
	one := Timing{Count: 9, Last: []time.Duration{5 * time.Second}}
	if s := one.summary(time.Second); s.count != 9 || s.min != 5 || s.max != 5 || s.mean != 5 || s.p999 != 5 || s.stddev != 0 {
		t.Errorf("of one: %+v", s)
	}
	var many Timing
	for i := range 101 {
		many.Last = append(many.Last, time.Duration(100-i))
	}
	if s := many.summary(1); s.min != 0 || s.max != 100 || s.median != 50 || s.p75 != 75 || s.p99 != 99 || s.mean != 50 {
		t.Errorf("of many: %+v", s)
	}
}

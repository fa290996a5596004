package recorder

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// BenchmarkDurableQoS1 records b.N messages of QoS 1 from a real broker; the
// CPU time is this process' own: the recorder's, and that of starting
// mosquitto_pub.
func BenchmarkDurableQoS1(b *testing.B) {
	const queued = "max_queued_messages 1000000"
	const inflight = queued + "\nmax_inflight_messages 1000"
	for name, extra := range map[string]string{"stock": queued, "inflight1000": inflight, "inflight1000-" + folder5: inflight} {
		b.Run(name, func(b *testing.B) {
			t := new(testing.T)
			m := startMosquitto(t, "allow_anonymous true", extra)
			defer m.stop(syscall.SIGKILL)
			c := config(filepath.Join(tempDir(b), strings.TrimPrefix(name, "inflight1000-")), "mqtt://"+m.addr())
			r, err := New(c, zerolog.Nop())
			must(b, err)
			go func() { _ = r.Run(b.Context()) }()
			status := func() SeriesStatus { return r.Status().Series[0] }
			eventually(b, "connected", func() bool { return status().Connected })
			lines := numbered("21.", b.N)
			b.ResetTimer()
			cpu, start := cpuTime(b), time.Now()
			m.publish([]string{"-t", "feeds/boiler/temperature", "-q", "1"}, lines...)
			eventually(b, "all are recorded", func() bool { return status().Recorded >= int64(b.N) })
			took := time.Since(start)
			b.ReportMetric(float64(b.N)/took.Seconds(), "msg/s")
			b.ReportMetric(float64(cpuTime(b)-cpu)/1e3/float64(b.N), "cpu-us/msg")
			b.ReportMetric(float64(b.N)/float64(status().Commits), "msg/commit")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

package recorder

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMessagesOfEveryQoSAreRecordedOnce(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, base string) {
		for qos := range 3 {
			m := startMosquitto(t)
			c := config(filepath.Join(base, strconv.Itoa(qos)), "mqtt://"+m.addr())
			c.MQTT[0].QoS = new(qos)
			x := run(t, c).connected()
			want := numbered("m", 300)
			m.publish([]string{"-t", "feeds/a", "-q", "2"}, want...)
			x.recorded(300)
			must(t, x.halt())
			records := spoolRecords(t, c.Spool.Path)
			onceEach(t, records, want)
			for i, r := range records {
				if r.QoS != qos || r.Topic != "feeds/a" || r.Duplicate || r.Retained || r.Payload != want[i] || (r.ID == 0) != (qos == 0) {
					t.Fatalf("qos %d, record %d: %+v", qos, i, r)
				}
			}
		}
	})
}

func TestKilledRecorderLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, base string) {
		m := startMosquitto(t)
		dir := base
		c := config(dir, "mqtt://"+m.addr())
		c.Spool.SegmentBytes = 64 << 10
		// The session must exist before the first message.
		must(t, run(t, c).connected().halt())
		want := numbered("k", 12000)
		published := make(chan struct{})
		go func() {
			defer close(published)
			m.publish([]string{"-t", "feeds/k", "-q", "1"}, want...)
		}()
		allRecorded := func() bool {
			return strings.Count(string(segmentsBytes(t, c.Spool.Path)), "\n") >= len(want)
		}
		for range 6 {
			before := len(segmentsBytes(t, c.Spool.Path))
			child := startChild(t, dir, c)
			for len(segmentsBytes(t, c.Spool.Path)) < before+40<<10 && !allRecorded() {
				time.Sleep(time.Millisecond)
			}
			must(t, child.Process.Signal(syscall.SIGKILL))
			_ = child.Wait()
		}
		<-published
		x := run(t, c).connected()
		eventually(t, "all is recorded", allRecorded)
		must(t, x.halt())
		onceEach(t, spoolRecords(t, c.Spool.Path), want)
	})
}

// segmentsBytes is the content of all segments.
func segmentsBytes(t testing.TB, dir string) []byte {
	paths, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	var all []byte
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err == nil {
			all = append(all, b...)
		}
	}
	return all
}

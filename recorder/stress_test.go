package recorder

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// What a factory does to a recorder.

func TestBrokerThatDisconnectsEverySecond(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.MQTT[0].Backoff = DefaultMQTTConfig().Backoff
		s := startScript(t, c)
		began := time.Now()
		var want []string
		const times = 40
		for i := range times {
			p := s.session(i > 0)
			if i > 0 { // the acknowledgement was lost with the last connection
				p.send(uint16(2*i), want[len(want)-1], dup)
				p.acked(uint16(2 * i))
			}
			want = append(want, fmt.Sprint("a", i), fmt.Sprint("b", i))
			p.send(uint16(2*i+1), want[2*i])
			p.acked(uint16(2*i + 1))
			p.send(uint16(2*i+2), want[2*i+1])
			synctest.Wait()
			time.Sleep(time.Second)
			p.conn.Close()
		}
		p := s.session(true)
		s.bye(p)
		s.want(want...)
		if took := time.Since(began); took > times*3*time.Second {
			t.Errorf("%d short connections took %s: the wait between them grows although messages come", times, took)
		}
	})
}

// TestDiskThatRefuses has every kind of refusal, for a while, after which no
// message is missing or double.
func TestDiskThatRefuses(t *testing.T) {
	for name, errno := range map[string]syscall.Errno{
		"full": syscall.ENOSPC, "quota": syscall.EDQUOT, "read-only remount": syscall.EROFS, "I/O error": syscall.EIO,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, dir string) {
				c := config(dir, "mqtt://script")
				c.MQTT[0].KeepAlive = time.Hour
				s := startScript(t, c)
				p := s.session(false)
				p.send(1, "before")
				p.acked(1)
				var refuse atomic.Bool
				refuse.Store(true)
				s.lines0().fail = func(step string) error {
					if step == "write" && refuse.Load() {
						return errno
					}
					return nil
				}
				p.send(2, "meanwhile")
				p.send(3, "meanwhile too", exactly)
				p.quiet(3 * time.Minute) // nothing is acknowledged
				if st := s.status(); !st.Blocked || !st.Connected || !strings.Contains(st.LastError, errno.Error()) {
					t.Errorf("status %+v", st)
				}
				refuse.Store(false)
				p.acked(2, 3)
				p.release(3)
				s.bye(p)
				s.want("before", "meanwhile", "meanwhile too")
				s.logged(1, "recording stops", "recording resumes")
			})
		})
	}
}

// A card whose fsync takes two seconds: messages are acknowledged in few, large
// groups, and nothing is lost or late for the broker's keepalive.
func TestSlowDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.MQTT[0].KeepAlive = 5 * time.Second
		s := startScript(t, c)
		p := s.session(false)
		s.lines0().fail = func(step string) error {
			if step == "write" {
				time.Sleep(2 * time.Second)
			}
			return nil
		}
		const n = 2000
		var want []string
		for i := range n {
			want = append(want, fmt.Sprint(i))
		}
		go func() {
			for i := range n {
				p.send(uint16(i+1), want[i])
			}
		}()
		for id := range n {
			p.acked(uint16(id + 1))
		}
		s.bye(p)
		s.want(want...)
		if st := s.status(); st.Commits > 20 || st.Connects != 1 {
			t.Errorf("%d commits, %d connections", st.Commits, st.Connects)
		}
	})
}

// TestDiskWithoutInodes: there is space, but no new file can be made.
func TestDiskWithoutInodes(t *testing.T) {
	spool := filepath.Join(tempDir(t), "spool")
	must(t, os.Mkdir(spool, 0o755))
	if err := syscall.Mount("tmpfs", spool, "tmpfs", 0, "size=4m,nr_inodes=16"); err != nil {
		t.Skipf("NOT TESTED: a file system without inodes needs root to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(spool, 0)) })
	m := startMosquitto(t)
	c := config(filepath.Dir(spool), "mqtt://"+m.addr())
	c.Spool.SegmentBytes = 4 << 10
	x := run(t, c).connected()
	want := numbered("inode-", 600)
	m.publish([]string{"-t", "t", "-q", "1"}, want...)
	eventually(t, "no file can be made", func() bool { return x.status().Blocked })
	if st := x.status(); !strings.Contains(st.LastError, "no space left on device") || st.Connects != 1 {
		t.Errorf("%+v", st)
	}
	// What is shipped is cleaned, and so on until all is recorded.
	var lines []jsonLine
	clean := func() {
		paths, err := filepath.Glob(filepath.Join(spool, "*.log"))
		must(t, err)
		for _, path := range paths {
			if sealed, _, err := Sealed(path); err == nil && sealed {
				lines = append(lines, readRecords(t, path)...)
				must(t, os.Remove(path))
			}
		}
	}
	eventually(t, "all is recorded", func() bool { clean(); return x.status().Recorded >= 600 })
	must(t, x.halt())
	onceEach(t, append(lines, spoolRecords(t, spool)...), want)
}

// readRecords reads one segment.
func readRecords(t *testing.T, path string) (lines []jsonLine) {
	t.Helper()
	dir := t.TempDir()
	b, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, filepath.Base(path)), b, 0o600))
	return spoolRecords(t, dir)
}

// TestThousandTopics subscribes to a thousand topics one by one, and the
// broker's own ($SYS) come only when they are asked for.
func TestThousandTopics(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, "allow_anonymous true", "sys_interval 1")
	c := config(tempDir(t), "mqtt://"+m.addr())
	c.MQTT[0].Topics = nil
	for i := range 1000 {
		c.MQTT[0].Topics = append(c.MQTT[0].Topics, TopicConfig{Topic: fmt.Sprintf("plant/%d/+", i)})
	}
	all := config(tempDir(t), "mqtt://"+m.addr())
	all.MQTT[0].ClientID = "all"
	x, y := run(t, c).connected(), run(t, all).connected()
	// One connection per topic would take long: retained state is not the point.
	script := filepath.Join(m.dir, "publish.sh")
	must(t, os.WriteFile(script, []byte(`for i in $(seq 0 999); do "$1" -h 127.0.0.1 -p "$2" -q 1 -t "plant/$i/v" -m "m$i" || exit 1; done`), 0o755))
	if out, err := exec.Command("sh", script, program(t, "mosquitto_pub"), strconv.Itoa(m.port)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	seen := exec.Command(program(t, "mosquitto_sub"), "-h", "127.0.0.1", "-p", strconv.Itoa(m.port), "-t", "$SYS/broker/uptime", "-C", "2", "-W", "60")
	if out, err := seen.CombinedOutput(); err != nil {
		t.Fatalf("no $SYS message: %v: %s", err, out)
	}
	x.recorded(1000)
	y.recorded(1000)
	must(t, x.halt())
	must(t, y.halt())
	for _, dir := range []string{c.Spool.Path, all.Spool.Path} {
		records := spoolRecords(t, dir)
		topics := map[string]bool{}
		for _, r := range records {
			topics[r.Topic] = true
		}
		if len(records) != 1000 || len(topics) != 1000 {
			t.Errorf("%d records of %d topics", len(records), len(topics))
		}
		if slices.ContainsFunc(records, func(l jsonLine) bool { return strings.HasPrefix(l.Topic, "$") }) {
			t.Error("$SYS is recorded although nobody asked")
		}
	}
}

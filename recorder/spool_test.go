package recorder

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func segments(t testing.TB, c Config) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(c.Spool.Path, "*.log"))
	must(t, err)
	for i := range paths {
		paths[i] = filepath.Base(paths[i])
	}
	return paths
}

func TestSegmentIsSealedWhenItsHourEndsAlthoughNothingComes(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.MQTT[0].KeepAlive = 18 * time.Hour
		time.Sleep(40 * time.Minute) // the bubble's clock starts at 00:00 UTC
		s := startScript(t, c)
		p := s.session(false)
		p.send(1, "a")
		p.acked(1)
		path := filepath.Join(c.Spool.Path, "mqtt-0000000001.log")
		time.Sleep(20*time.Minute - time.Second)
		if sealed, segment, err := Sealed(path); sealed || !segment || err != nil {
			t.Errorf("at 00:59:59: sealed %v, segment %v, %v", sealed, segment, err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if sealed, segment, err := Sealed(path); !sealed || !segment || err != nil {
			t.Errorf("at 01:00:01: sealed %v, segment %v, %v", sealed, segment, err)
		}
		time.Sleep(5 * time.Hour) // idle periods make no files
		p.send(2, "b")
		p.acked(2)
		time.Sleep(time.Minute)
		p.send(3, "c")
		p.acked(3)
		s.bye(p)
		if got := segments(t, c); !slices.Equal(got, []string{"mqtt-0000000001.log", "mqtt-0000000002.log"}) {
			t.Errorf("segments %v", got)
		}
		s.want("a", "b", "c")
	})
}

func TestPeriodsFollowTheWallClock(t *testing.T) {
	zone := time.Local
	defer func() { time.Local = zone }()
	time.Local = time.FixedZone("IST", 5*3600+1800)
	at := func(text string) time.Time {
		x, err := time.Parse(time.RFC3339, text)
		must(t, err)
		return x
	}
	for _, c := range []struct {
		every time.Duration
		local bool
		now   string
		end   string
	}{
		{time.Hour, false, "2026-11-22T10:20:00Z", "2026-11-22T11:00:00Z"},
		{time.Hour, true, "2026-11-22T10:20:00Z", "2026-11-22T10:30:00Z"},
		{24 * time.Hour, false, "2026-11-22T20:00:00Z", "2026-11-23T00:00:00Z"},
		{24 * time.Hour, true, "2026-11-22T20:00:00Z", "2026-11-23T18:30:00Z"},
		{15 * time.Minute, false, "1969-12-31T23:50:00Z", "1970-01-01T00:00:00Z"},
	} {
		s := &series{cfg: SpoolConfig{RotateEvery: c.every, RotateLocal: c.local}}
		now := at(c.now)
		s.active = &segment{period: s.period(now)}
		if end := s.periodEnd(now); !end.Equal(at(c.end)) {
			t.Errorf("%v, local %v, at %s: ends %s, want %s", c.every, c.local, c.now, end.UTC(), c.end)
		}
		if last := at(c.end).Add(-time.Nanosecond); s.period(last) != s.period(now) || s.period(at(c.end)) == s.period(now) {
			t.Errorf("%v, local %v: the period of %s does not end at %s", c.every, c.local, c.now, c.end)
		}
	}
}

func TestSegmentsRotateBySizeBetweenLines(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.Spool.SegmentBytes = 4 << 10
		c.MQTT[0].Format = "%p"
		s := startScript(t, c)
		p := s.session(false)
		long := strings.Repeat("L", 6000)
		go func() {
			for id := range uint16(40) {
				p.send(id+1, strings.Repeat("x", 500))
			}
			p.send(41, long)
			p.send(42, "end")
		}()
		for id := range uint16(42) {
			p.acked(id + 1)
		}
		s.bye(p)
		names := segments(t, c)
		if len(names) < 7 || len(spoolLines(t, c.Spool.Path)) != 42 {
			t.Errorf("%d lines in segments %v", len(spoolLines(t, c.Spool.Path)), names)
		}
		for _, name := range names {
			b, err := os.ReadFile(filepath.Join(c.Spool.Path, name))
			must(t, err)
			if len(b) > 4<<10 && string(b) != long+"\n" {
				t.Errorf("%s has %d bytes", name, len(b))
			}
		}
	})
}

func TestFilesHaveTheirModes(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		defer syscall.Umask(syscall.Umask(0o077))
		c := config(dir, "mqtt://script")
		s := startScript(t, c)
		p := s.session(false)
		p.send(1, "a")
		p.acked(1)
		s.bye(p)
		for name, want := range map[string]os.FileMode{
			".": 0o750, "mqtt-0000000001.log": 0o640, "mqtt.spool.json": 0o640, "mqtt.inflight": 0o640, "mqtt.session.json": 0o640,
		} {
			fi, err := os.Stat(filepath.Join(c.Spool.Path, name))
			must(t, err)
			if name == "." {
				want &^= 0o077 // a folder follows the umask
			}
			if fi.Mode().Perm() != want {
				t.Errorf("%s has mode %o, want %o", name, fi.Mode().Perm(), want)
			}
		}
	})
}

// TestPowerCutLeavesATornTail starts on what different crashes leave.
func TestPowerCutLeavesATornTail(t *testing.T) {
	state := func(next int, active string) string {
		return fmt.Sprintf(`{"version":1,"series":"mqtt","next":%d,"active":%q}`, next, active)
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  []string // lines
		next  string   // the new segment
	}{
		"torn line": {
			map[string]string{"mqtt.spool.json": state(8, "mqtt-0000000007.log"), "mqtt-0000000007.log": "one\ntwo\nthr"},
			[]string{"one", "two"}, "mqtt-0000000008.log",
		},
		"only a torn line": {
			map[string]string{"mqtt.spool.json": state(8, "mqtt-0000000007.log"), "mqtt-0000000007.log": "thr"},
			nil, "mqtt-0000000008.log",
		},
		"unwritten pages": {
			map[string]string{"mqtt.spool.json": state(8, "mqtt-0000000007.log"), "mqtt-0000000007.log": "one\ntw" + strings.Repeat("\x00", 5000) + "\nlater\n"},
			[]string{"one"}, "mqtt-0000000008.log",
		},
		"number used, no file": {
			map[string]string{"mqtt.spool.json": state(8, "mqtt-0000000007.log"), "mqtt-0000000006.log": "one\n"},
			[]string{"one"}, "mqtt-0000000008.log",
		},
		"state is garbage": {
			map[string]string{"mqtt.spool.json": "\x00\x00\x00", "mqtt-0000000006.log": "one\n", "mqtt-0000000007.log": "two\nthr"},
			[]string{"one", "two"}, "mqtt-0000000008.log",
		},
		"state is lost": {
			map[string]string{"mqtt-0000000007.log": "two\nthr"},
			[]string{"two"}, "mqtt-0000000008.log",
		},
		"state is older than the files": {
			map[string]string{"mqtt.spool.json": state(5, ""), "mqtt-0000000006.log": "one\n", "mqtt-0000000007.log": "two\nthr"},
			[]string{"one", "two"}, "mqtt-0000000008.log",
		},
		"half a state beside the whole one": {
			map[string]string{"mqtt.spool.json": state(8, ""), "mqtt.spool.json.new": "{", "mqtt.session.json": "garbage", "mqtt.inflight": strings.Repeat("?", 1000)},
			nil, "mqtt-0000000008.log",
		},
		"other series and files": {
			map[string]string{"mqtt.spool.json": state(8, ""), "x-0000000009.log": "foreign\n", "mqtt-9.log": "foreign\n"},
			[]string{"foreign", "foreign"}, "mqtt-0000000008.log",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, dir string) {
				cfg := config(dir, "mqtt://script")
				cfg.MQTT[0].Format = "%p"
				must(t, os.MkdirAll(cfg.Spool.Path, 0o755))
				for name, content := range c.files {
					must(t, os.WriteFile(filepath.Join(cfg.Spool.Path, name), []byte(content), 0o644))
				}
				s := startScript(t, cfg)
				p := s.session(true)
				p.send(1, "new", dup)
				p.acked(1)
				s.bye(p)
				lines := spoolLines(t, cfg.Spool.Path)
				slices.Sort(lines)
				want := append(slices.Clone(c.want), "new")
				slices.Sort(want)
				if !slices.Equal(lines, want) {
					t.Errorf("lines %q, want %q", lines, want)
				}
				b, err := os.ReadFile(filepath.Join(cfg.Spool.Path, c.next))
				if err != nil || string(b) != "new\n" {
					t.Errorf("%s: %q, %v", c.next, b, err)
				}
			})
		})
	}
}

func TestNULThatTheFormatWritesIsNoTornTail(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.MQTT[0].Format = `%t\0%p`
		after := config(filepath.Join(dir, "after"), "mqtt://script")
		s := startScript(t, c)
		p := s.session(false)
		p.send(1, "a")
		p.acked(1)
		saveSpool(t, c.Spool.Path, after.Spool.Path)
		s.bye(p)
		s = startScript(t, after) // another format by now
		p = s.session(true)
		s.bye(p)
		if lines := spoolLines(t, after.Spool.Path); !slices.Equal(lines, []string{"feeds/t\x00a"}) {
			t.Errorf("%q", lines)
		}
	})
}

func TestSealedKnowsSegmentsFromOtherFiles(t *testing.T) {
	dir := tempDir(t)
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(content), 0o644))
		return path
	}
	write("mqtt.spool.json", `{"version":1,"series":"mqtt","next":43,"active":"mqtt-0000000042.log"}`)
	write("bad.spool.json", `{`)
	for name, want := range map[string]struct{ sealed, segment, bad bool }{
		"mqtt-0000000041.log":  {sealed: true, segment: true},
		"mqtt-0000000042.log":  {segment: true},
		"mqtt-0000000043.log":  {segment: true},
		"mqtt-41.log":          {},
		"mqtt-0000000041.txt":  {},
		"other-0000000001.log": {},
		"syslog":               {},
		"bad-0000000001.log":   {segment: true, bad: true},
		"-0000000001.log":      {},
	} {
		sealed, segment, err := Sealed(filepath.Join(dir, name))
		if sealed != want.sealed || segment != want.segment || (err != nil) != want.bad {
			t.Errorf("%s: sealed %v, segment %v, %v", name, sealed, segment, err)
		}
	}
}

func TestFullSpoolIsWaitedFor(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	spool := filepath.Join(dir, "spool")
	must(t, os.Mkdir(spool, 0o755))
	if err := syscall.Mount("tmpfs", spool, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("NOT TESTED: a full file system needs root to mount a tmpfs of 3 MiB: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(spool, 0)) })
	m := startMosquitto(t)
	c := config(dir, "mqtt://"+m.addr())
	c.Spool.SegmentBytes, c.Spool.MinFree = 64<<10, 0
	x := run(t, c).connected()
	ballast := filepath.Join(spool, "ballast")
	free := func() int64 {
		var st syscall.Statfs_t
		must(t, syscall.Statfs(spool, &st))
		return int64(st.Bavail) * int64(st.Bsize)
	}
	m.publish([]string{"-t", "t", "-q", "1"}, "first")
	x.recorded(1)
	must(t, os.WriteFile(ballast, make([]byte, free()-200<<10), 0o644))
	want := numbered("full-", 5000)
	m.publish([]string{"-t", "t", "-q", "1"}, want...)
	eventually(t, "the disk is full", func() bool { return x.status().Blocked })
	if st := x.status(); !st.Connected || !strings.Contains(st.LastError, "no space left on device") || st.Connects != 1 {
		t.Errorf("while the disk is full: %+v", st)
	}
	must(t, os.Remove(ballast))
	x.recorded(5001)
	must(t, x.halt())
	onceEach(t, spoolRecords(t, spool), append(want, "first"))
	x.logged(1, "recording stops", "recording resumes")
	if st := x.status(); st.Connects != 1 || st.Duplicates != 0 {
		t.Errorf("after it: %+v", st)
	}
}

func TestStartOnAFullDiskWaits(t *testing.T) {
	dir := tempDir(t)
	spool := filepath.Join(dir, "spool")
	must(t, os.Mkdir(spool, 0o755))
	if err := syscall.Mount("tmpfs", spool, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("NOT TESTED: a full file system needs root to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(spool, 0)) })
	ballast := filepath.Join(spool, "ballast")
	_ = os.WriteFile(ballast, make([]byte, 1<<20), 0o644) // as much as fits
	c := config(dir, "mqtt://127.0.0.1:1")
	x := run(t, c)
	eventually(t, "the start waits", func() bool { return x.status().Blocked })
	must(t, os.Remove(ballast))
	eventually(t, "it goes on", func() bool { return x.status().Broker != "" && !x.status().Blocked })
	must(t, x.halt())
}

func TestCommitWaitsForTheIntervalOrTheEndOfABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &writer{cfg: DefaultConfig().Spool, queue: newQueue(4<<20, 20000, 1<<20), series: &series{}}
		took := func(feed func()) (time.Duration, int) {
			start := time.Now()
			fed := make(chan struct{})
			go func() { defer close(fed); feed() }()
			if !w.wait(context.Background()) {
				t.Fatal("wait ended")
			}
			d := time.Since(start)
			synctest.Wait()
			records := w.queue.take()
			n := len(records)
			w.queue.release(records)
			<-fed
			w.queue.release(w.queue.take())
			return d, n
		}
		put := func(n, size int) {
			for range n {
				w.queue.put(Record{Time: time.Now(), Payload: make([]byte, size)})
			}
		}
		if d, n := took(func() { put(1, 10) }); d != 20*time.Millisecond || n != 1 {
			t.Errorf("one record is committed after %s", d)
		}
		if d, n := took(func() { put(20, 10) }); d > 3*time.Millisecond || n != 20 {
			t.Errorf("a burst of 20 is committed after %s with %d", d, n)
		}
		if d, n := took(func() {
			for range 40 {
				put(1, 10)
				time.Sleep(900 * time.Microsecond)
			}
		}); d != 20*time.Millisecond || n < 20 {
			t.Errorf("a stream is committed after %s with %d", d, n)
		}
		if d, n := took(func() { put(2, 600<<10) }); d != 0 || n != 2 {
			t.Errorf("a MiB is committed after %s with %d", d, n)
		}
	})
}

func TestQueueIsBoundedInBytesAndNumber(t *testing.T) {
	q := newQueue(1000, 3, 500)
	r := Record{Payload: make([]byte, 100)}
	for range 3 {
		if q.blocked() != nil {
			t.Fatal("blocked too early")
		}
		q.put(r)
	}
	room := q.blocked()
	if room == nil {
		t.Fatal("three records are not full")
	}
	taken := q.take()
	if q.blocked() == nil {
		t.Error("records that are taken but not durable do not count")
	}
	q.release(taken)
	<-room
	q.put(Record{Payload: make([]byte, 1000)})
	if q.blocked() == nil {
		t.Error("1000 bytes are not full")
	}
	q.close()
	if q.put(r) {
		t.Error("a closed queue takes records")
	}
}

func TestStateFilesAreJSONWithTheDocumentedNames(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		s := startScript(t, c)
		p := s.session(false)
		p.send(1, "a")
		p.acked(1)
		read := func(name string) map[string]any {
			b, err := os.ReadFile(filepath.Join(c.Spool.Path, name))
			must(t, err)
			var v map[string]any
			must(t, json.Unmarshal(b, &v))
			return v
		}
		v := read("mqtt.spool.json")
		if v["next"] != 2.0 || v["active"] != "mqtt-0000000001.log" || v["version"] != 1.0 || v["series"] != "mqtt" {
			t.Errorf("%v", v)
		}
		s.bye(p)
		if v := read("mqtt.spool.json"); v["next"] != 2.0 || v["active"] != "" {
			t.Errorf("%v", v)
		}
		if v := read("mqtt.session.json"); v["version"] != 1.0 {
			t.Errorf("%v", v)
		}
		fi, err := os.Stat(filepath.Join(c.Spool.Path, "mqtt.inflight"))
		must(t, err)
		if fi.Size() != 1<<20 {
			t.Errorf("the redelivery table has %d bytes", fi.Size())
		}
	})
}

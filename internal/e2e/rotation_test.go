package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// writer writes numbered lines into a file that is rotated under it.
type writer struct {
	t    *testing.T
	path string
	file *os.File
	next int
}

func newWriter(t *testing.T, path string) *writer {
	w := &writer{t: t, path: path}
	w.open()
	t.Cleanup(func() { _ = w.file.Close() })
	return w
}

func (w *writer) open() {
	w.t.Helper()
	f, err := os.OpenFile(w.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		w.t.Fatal(err)
	}
	w.file = f
}

// write writes n lines; no two are equal.
func (w *writer) write(n int) {
	w.t.Helper()
	var b []byte
	for range n {
		b = append(b, "reading "...)
		b = strconv.AppendInt(b, int64(w.next), 10)
		b = append(b, " of the boiler\n"...)
		w.next++
	}
	if _, err := w.file.Write(b); err != nil {
		w.t.Fatal(err)
	}
}

func (w *writer) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// rename is logrotate's way: path.60 is removed, the others move up by one.
func (w *writer) rename() {
	w.t.Helper()
	for i := 60; i > 0; i-- {
		if err := os.Rename(fmt.Sprintf("%s.%d", w.path, i), fmt.Sprintf("%s.%d", w.path, i+1)); err != nil && !os.IsNotExist(err) {
			w.t.Fatal(err)
		}
	}
	w.must(os.Rename(w.path, w.path+".1"))
	w.must(w.file.Close())
	w.open()
}

// recreate removes the file and makes it anew.
func (w *writer) recreate() {
	w.t.Helper()
	w.must(os.Remove(w.path))
	w.must(w.file.Close())
	w.open()
}

// copyTruncate is logrotate's copytruncate, while nobody writes.
func (w *writer) copyTruncate(to string) {
	w.t.Helper()
	in, err := os.Open(w.path)
	w.must(err)
	out, err := os.Create(to)
	w.must(err)
	_, err = io.Copy(out, in)
	w.must(err)
	w.must(out.Close())
	w.must(in.Close())
	w.must(os.Truncate(w.path, 0))
}

// shipper runs the tailer on one path.
type shipper struct {
	t    *testing.T
	conf string
	cmd  *exec.Cmd
	log  log
}

func newShipper(t *testing.T, p *pki, r *receiver, paths string) *shipper {
	t.Helper()
	dir := t.TempDir()
	s := &shipper{t: t, conf: filepath.Join(dir, "sluice.yml")}
	text := fmt.Sprintf("path.data: %q\nfilebeat.inputs: [{type: log, paths: [%q]}]\noutput.logstash: {hosts: [%q], ssl.certificate_authorities: [%q], backoff: {init: 50ms, max: 200ms}}\n",
		filepath.Join(dir, "data"), paths, r.addr(), p.caFile)
	if err := os.WriteFile(s.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.end(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("the tailer said:\n%s", tail(s.log.String(), 6000))
		}
	})
	return s
}

func (s *shipper) start() {
	s.t.Helper()
	s.cmd = exec.Command(binary, "tailer", "-c", s.conf)
	s.cmd.Stderr = &s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shipper) end(sig syscall.Signal) {
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(sig)
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// proveLines checks that lines 0 to n-1 came, each under one id.
func (r *receiver) proveLines(n int) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := map[string]int{}
	for _, m := range r.byID {
		ids[m]++
	}
	lost, doubled := 0, 0
	for i := range n {
		switch c := ids[fmt.Sprintf("reading %d of the boiler", i)]; {
		case c == 0:
			lost++
		case c > 1:
			doubled++
		}
	}
	r.t.Logf("%d lines, %d events received", n, r.events)
	if lost != 0 || doubled != 0 || len(ids) != n {
		r.t.Errorf("of %d lines %d are lost, %d doubled; %d different ones came", n, lost, doubled, len(ids))
	}
}

// What other shippers lost lines at: the same writers and rotations. (Without
// a glob, or with removals, a generation that comes and goes within one look,
// a few milliseconds, can't be seen; the tests leave a busy machine more.)
func TestRotations(t *testing.T) {
	for name, c := range map[string]struct {
		rounds, lines int
		pause         time.Duration // between two rotations: the scenario's own rate
		rotate        func(*writer)
		glob          bool
	}{
		"rename, 15 a second": {40, 1000, 66 * time.Millisecond, (*writer).rename, true},
		"rename, one name":    {4, 10_000, 600 * time.Millisecond, (*writer).rename, false},
		"delete and create":   {4, 10_000, 600 * time.Millisecond, (*writer).recreate, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPKI(t)
			r := newReceiver(t, p)
			r.plain = true
			dir := t.TempDir()
			w := newWriter(t, filepath.Join(dir, "a.log"))
			paths := w.path
			if c.glob {
				paths += "*"
			}
			s := newShipper(t, p, r, paths)
			r.start()
			w.write(1)
			s.start()
			r.await(1)
			for range c.rounds {
				w.write(c.lines)
				time.Sleep(c.pause)
				c.rotate(w)
			}
			w.write(1)
			r.await(w.next)
			s.end(syscall.SIGTERM)
			r.proveLines(w.next)
		})
	}
}

func TestCopyTruncate(t *testing.T) {
	p := newPKI(t)
	r := newReceiver(t, p)
	r.plain = true
	dir := t.TempDir()
	w := newWriter(t, filepath.Join(dir, "a.log"))
	s := newShipper(t, p, r, w.path)
	r.start()
	s.start()
	for i := range 10 {
		w.write(3000)
		r.await(w.next)
		w.copyTruncate(fmt.Sprintf("%s.%d", w.path, i))
		time.Sleep(50 * time.Millisecond) // the writer's pause at a rotation
	}
	s.end(syscall.SIGTERM)
	r.proveLines(w.next)
}

// The receiver hangs while files are rotated away under the reader.
func TestRenameWhileTheReceiverIsAway(t *testing.T) {
	p := newPKI(t)
	r := newReceiver(t, p)
	r.plain = true
	w := newWriter(t, filepath.Join(t.TempDir(), "a.log"))
	s := newShipper(t, p, r, w.path+"*")
	s.start()
	w.write(1)
	for range 10 {
		time.Sleep(100 * time.Millisecond) // the scenario's own rate
		w.write(20_000)
		w.rename()
	}
	r.start()
	r.await(w.next)
	s.end(syscall.SIGTERM)
	r.proveLines(w.next)
}

func TestTenKillsOfTheTailer(t *testing.T) {
	p := newPKI(t)
	r := newReceiver(t, p)
	r.plain = true
	w := newWriter(t, filepath.Join(t.TempDir(), "a.log"))
	s := newShipper(t, p, r, w.path)
	r.start()
	for i := range 10 {
		s.start()
		w.write(20_000)
		progress(r, i*20_000+i*2000)
		s.end(syscall.SIGKILL)
	}
	s.start()
	r.await(w.next)
	s.end(syscall.SIGTERM)
	r.proveLines(w.next)
}

package e2e

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	v2 "github.com/elastic/go-lumber/server/v2"
)

// shipped is a Logstash that keeps the messages of each file, by the type of
// the input and the file's name, in the order in which they came.
type shipped struct {
	t    *testing.T
	addr string

	mu    sync.Mutex
	lines map[string][]string
	count int
}

// newShipped starts one; with a certificate it speaks TLS.
func newShipped(t *testing.T, certificate *tls.Certificate) *shipped {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &shipped{t: t, addr: l.Addr().String(), lines: map[string][]string{}}
	if certificate != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*certificate}})
	}
	server, err := v2.NewWithListener(l)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := range server.ReceiveChan() {
			for _, e := range b.Events {
				s.keep(e.(map[string]any))
			}
			b.ACK()
		}
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return s
}

func (s *shipped) keep(e map[string]any) {
	input, _ := e["input"].(map[string]any)
	file, _ := e["log"].(map[string]any)["file"].(map[string]any)
	path, _ := file["path"].(string)
	message, ok := e["message"].(string)
	if !ok {
		s.t.Errorf("an event without a message: %v", e)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := fmt.Sprintf("%v %s", input["type"], filepath.Base(path))
	s.lines[key] = append(s.lines[key], message)
	s.count++
}

func (s *shipped) total() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// take returns what came since the last call.
func (s *shipped) take() map[string][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.lines
	s.lines, s.count = map[string][]string{}, 0
	return lines
}

// machine is one on which a Filebeat ran: log files, its configuration and
// its path.data, below a folder of its own.
type machine struct {
	t    *testing.T
	dir  string // stands for /
	data string // path.data
	conf string
	log  log
	cmd  *exec.Cmd
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	dir := t.TempDir()
	m := &machine{t: t, dir: dir, data: filepath.Join(dir, "var/lib/filebeat"), conf: filepath.Join(dir, "etc/filebeat/filebeat.yml")}
	t.Cleanup(func() {
		if m.cmd != nil {
			_ = m.cmd.Process.Kill()
			_ = m.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("it said:\n%s", tail(m.log.String(), 20000))
		}
	})
	return m
}

// path returns a path of that machine as one of this.
func (m *machine) path(path string) string { return filepath.Join(m.dir, path) }

// write makes a file.
func (m *machine) write(path, text string) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// append adds to a file.
func (m *machine) append(path, text string) {
	m.t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		m.t.Fatal(err)
	}
}

// start runs the binary as filebeat, with Filebeat's flags.
func (m *machine) start(flags ...string) {
	m.t.Helper()
	m.run(append([]string{"-e", "-c", m.conf, "--path.data", m.data}, flags...)...)
}

func (m *machine) run(args ...string) {
	m.t.Helper()
	link := m.path("usr/bin/filebeat")
	if err := os.MkdirAll(filepath.Dir(link), 0o750); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Symlink(binary, link); err != nil && !errors.Is(err, os.ErrExist) {
		m.t.Fatal(err)
	}
	m.cmd = exec.Command(link, args...)
	m.cmd.Stderr = &m.log
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
}

// stop ends it as systemd does.
func (m *machine) stop() {
	m.t.Helper()
	_ = m.cmd.Process.Signal(syscall.SIGTERM)
	if err := m.cmd.Wait(); err != nil {
		m.t.Errorf("it ended with %v", err)
	}
	m.cmd = nil
}

// entry is what a Filebeat finds under a key.
type entry struct {
	source string
	offset int64
	ttl    int64
}

// entries reads the registry as Filebeat 7.9 and later does: the highest
// checkpoint, then the operations of log.json with higher ids. It shares no
// code with the registry.
func (m *machine) entries() (map[string]entry, error) {
	dir := filepath.Join(m.data, "registry/filebeat")
	meta, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	if err != nil || !strings.Contains(string(meta), `"1"`) {
		return nil, fmt.Errorf("meta.json is %q, %w", meta, err)
	}
	table := map[string]map[string]any{}
	last := uint64(0)
	names, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	for _, name := range names {
		if id, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(name), ".json"), 10, 64); err == nil {
			last = max(last, id)
		}
	}
	if last > 0 {
		var list []map[string]any
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%d.json", last)))
		if err == nil {
			err = json.Unmarshal(b, &list)
		}
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			table[e["_key"].(string)] = e
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "log.json"))
	if err != nil {
		return nil, err
	}
	if err := replay(json.NewDecoder(bytes.NewReader(b)), last, table); err != nil {
		return nil, err
	}
	out := map[string]entry{}
	for key, v := range table {
		out[key] = entryOf(key, v)
	}
	return out, nil
}

func replay(dec *json.Decoder, last uint64, table map[string]map[string]any) error {
	for {
		var head struct {
			Op string
			ID uint64
		}
		var body struct {
			K string
			V map[string]any
		}
		if err := dec.Decode(&head); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := dec.Decode(&body); err != nil {
			return err
		}
		switch {
		case head.ID <= last:
			continue
		case head.ID != last+1:
			return fmt.Errorf("operation %d follows %d", head.ID, last)
		case head.Op == "set":
			table[body.K] = body.V
		default:
			delete(table, body.K)
		}
		last = head.ID
	}
}

func entryOf(key string, v map[string]any) entry {
	number := func(v any) int64 { n, _ := v.(float64); return int64(n) }
	e := entry{ttl: number(v["ttl"]), offset: number(v["offset"])}
	e.source, _ = v["source"].(string)
	if strings.HasPrefix(key, "filestream::") {
		meta, _ := v["meta"].(map[string]any)
		e.source, _ = meta["source"].(string)
		cursor, _ := v["cursor"].(map[string]any)
		e.offset = number(cursor["offset"])
	}
	return e
}

// native is the identity by device and inode.
func native(t *testing.T, path string) string {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("native::%d-%d", st.Ino, uint64(st.Dev))
}

// fingerprint is the identity by the first 1,024 bytes.
func fingerprint(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil || len(b) < 1024 {
		t.Fatalf("%s: %d bytes, %v", path, len(b), err)
	}
	return fmt.Sprintf("fingerprint::%x", sha256.Sum256(b[:1024]))
}

// old returns n bytes of whole lines that were sent long ago.
func old(n int) string {
	var b strings.Builder
	for n > 0 {
		size := min(n, 100)
		if left := n - size; left > 0 && left < 4 {
			size -= 4
		}
		b.WriteString("old" + strings.Repeat(".", max(0, size-4)))
		b.WriteString("\n")
		n -= size
	}
	return b.String()
}

// fresh returns lines, and as one text.
func fresh(name string, from, to int) (lines []string, text string) {
	for i := from; i < to; i++ {
		lines = append(lines, fmt.Sprintf("new line %d of %s", i, name))
	}
	return lines, strings.Join(lines, "\n") + "\n"
}

// settled waits until so many events have come, and until the registry has
// each file's key at the file's end; then it stops the machine and checks that
// nothing else came.
func (m *machine) settled(s *shipped, want map[string][]string, keys map[string]string) {
	m.t.Helper()
	count := 0
	for _, lines := range want {
		count += len(lines)
	}
	for end := time.Now().Add(30 * time.Second); s.total() < count && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
	}
	var problem string
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if problem = m.behind(keys); problem == "" {
			break
		}
	}
	m.stop()
	if problem = m.behind(keys); problem != "" {
		m.t.Error(problem)
	}
	got := s.take()
	for key, lines := range want {
		if !slices.Equal(got[key], lines) {
			m.t.Errorf("%s: %d lines came, want %d\ngot  %.300q\nwant %.300q", key, len(got[key]), len(lines), got[key], lines)
		}
		delete(got, key)
	}
	for key, lines := range got {
		m.t.Errorf("%s: %d lines came that were not to: %.200q", key, len(lines), lines)
	}
}

// behind says which key a Filebeat would not continue from at its file's end.
func (m *machine) behind(keys map[string]string) string {
	entries, err := m.entries()
	if err != nil {
		return fmt.Sprintf("Filebeat could not read the registry: %v", err)
	}
	for key, path := range keys {
		info, err := os.Stat(path)
		if err != nil {
			return err.Error()
		}
		e, ok := entries[key]
		if !ok {
			all := []string{}
			for k, e := range entries {
				all = append(all, fmt.Sprintf("%q (%s, %d)", k, e.source, e.offset))
			}
			slices.Sort(all)
			return fmt.Sprintf("Filebeat would not find %q, only\n%s", key, strings.Join(all, "\n"))
		}
		if e.offset != info.Size() || e.source != path {
			return fmt.Sprintf("%s: Filebeat would continue %s at %d of %d", key, e.source, e.offset, info.Size())
		}
	}
	return ""
}

package monitor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var loopback = Config{Host: "localhost"} // any free port

// wantedLeaves are those of Filebeat.
func wantedLeaves(t *testing.T) (names []string) {
	t.Helper()
	text, err := os.ReadFile("testdata/stats.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		group, list, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			t.Fatalf("odd line %q", line)
		}
		for name := range strings.SplitSeq(list, ", ") {
			names = append(names, group+"."+name)
		}
	}
	slices.Sort(names)
	return names
}

// names lists the dotted names of all leaves of a document.
func names(v any, prefix string) (list []string) {
	object, ok := v.(map[string]any)
	if !ok {
		return []string{strings.TrimSuffix(prefix, ".")}
	}
	for k, inner := range object {
		list = append(list, names(inner, prefix+k+".")...)
	}
	slices.Sort(list)
	return list
}

func decode(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

func at(v any, name string) any {
	for part := range strings.SplitSeq(name, ".") {
		object, _ := v.(map[string]any)
		v = object[part]
	}
	return v
}

func TestStatsHaveFilebeatsLeaves(t *testing.T) {
	_, c := serving(t, loopback, &fake{numbers: someNumbers()})
	status, kind, body := get(t, c, "/stats")
	if status != 200 || kind != "application/json; charset=utf-8" {
		t.Fatalf("status %d, type %s", status, kind)
	}
	v := decode(t, body)
	if got, want := names(v, ""), wantedLeaves(t); !slices.Equal(got, want) {
		for _, n := range want {
			if !slices.Contains(got, n) {
				t.Errorf("lacks %s", n)
			}
		}
		for _, n := range got {
			if !slices.Contains(want, n) {
				t.Errorf("has %s, which Filebeat hasn't", n)
			}
		}
	}
	for name, want := range map[string]any{
		"filebeat.events.active": 19.0, "filebeat.events.added": 107.0, "filebeat.events.done": 88.0, "filebeat.harvester.closed": 3.0,
		"filebeat.harvester.running": 2.0, "libbeat.output.events.acked": 80.0, "libbeat.output.events.total": 93.0,
		"libbeat.output.events.failed": 3.0, "libbeat.output.events.dead_letter": 1.0, "libbeat.output.type": "logstash",
		"libbeat.output.write.latency.histogram.median": 25.0, "libbeat.output.write.latency.histogram.max": 40.0,
		"libbeat.pipeline.queue.filled.pct": 0.045, "registrar.writes.success": 4.0, "registrar.states.current": 2.0,
		"beat.info.ephemeral_id": "e",
	} {
		if got := at(v, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for _, name := range []string{"beat.memstats.rss", "beat.memstats.memory_alloc", "beat.memstats.gc_next", "beat.handles.open", "beat.handles.limit.soft", "beat.runtime.goroutines", "system.cpu.cores"} {
		if n, _ := at(v, name).(float64); n <= 0 {
			t.Errorf("%s is %v", name, at(v, name))
		}
	}
}

func TestDocuments(t *testing.T) {
	_, c := serving(t, loopback, &fake{numbers: someNumbers()})
	histogram := "count max mean median min p75 p95 p99 p999 stddev"
	input := "bytes_processed_total events_processed_total files_active files_closed_total files_opened_total id input messages_read_total processing_errors_total"
	about := strings.Fields("beat binary_arch build_commit build_time elastic_licensed ephemeral_id gid hostname name uid username uuid version")
	_, _, body := get(t, c, "/?pretty")
	if !strings.HasPrefix(body, "{\n  \"beat\": \"filebeat\",\n") {
		t.Errorf("/?pretty gives %s", body)
	}
	if got := names(decode(t, body), ""); !slices.Equal(got, about) {
		t.Errorf("/ has %v", got)
	}
	_, _, body = get(t, c, "/state")
	for name, want := range map[string]any{
		"beat.name": "gateway", "input.count": 2.0, "module.count": 0.0, "management.enabled": false, "output.name": "logstash",
		"output.batch_size": 2048.0, "output.clients": 1.0, "queue.name": "mem", "service.id": "u", "service.name": "filebeat", "service.version": "9.0.0",
	} {
		if got := at(decode(t, body), name); got != want {
			t.Errorf("/state: %s is %v, want %v", name, got, want)
		}
	}
	for _, path := range []string{"/inputs/", "/inputs", "/inputs/?type=filestream"} {
		_, _, body = get(t, c, path)
		list, _ := decode(t, body).([]any)
		if want := 2 - strings.Count(path, "type="); len(list) != want {
			t.Fatalf("%s has %d objects: %s", path, len(list), body)
		}
		want := strings.Fields(input)
		for name := range strings.FieldsSeq(histogram) {
			want = append(want, "processing_time.histogram."+name)
		}
		slices.Sort(want)
		if got := names(list[0], ""); !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", path, got, want)
		}
	}
	_, _, body = get(t, c, "/dataset")
	if v := decode(t, body); at(v, "mine.events_processed_total") != 40.0 || at(v, "log-0.messages_read_total") != 67.0 {
		t.Errorf("/dataset gives %s", body)
	}
	if status, _, _ := get(t, c, "/nothing"); status != 404 {
		t.Errorf("an unknown path gives %d", status)
	}
	if status, _, _ := get(t, c, "/debug/pprof/heap"); status != 404 {
		t.Errorf("pprof is on by default: %d", status)
	}
}

func TestProfilesWhenEnabled(t *testing.T) {
	cfg := loopback
	cfg.Pprof = Pprof{Enabled: true, MemProfileRate: 512 << 10}
	_, c := serving(t, cfg, &fake{})
	for path, want := range map[string]string{"/debug/pprof/": "goroutine", "/debug/pprof/goroutine?debug=1": "goroutine profile:"} {
		if status, _, body := get(t, c, path); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s gives %d: %.80s", path, status, body)
		}
	}
	for _, path := range []string{"/debug/pprof/heap", "/debug/pprof/profile?seconds=1"} {
		if status, _, body := get(t, c, path); status != 200 || !strings.HasPrefix(body, "\x1f\x8b") {
			t.Errorf("%s gives %d: %.80q", path, status, body)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	// One that a crash has left behind.
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	cfg := Config{Host: "unix://" + path}
	_, c := serving(t, cfg, &fake{numbers: someNumbers()})
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Fatalf("%v, %v", info, err)
	}
	if _, _, body := get(t, c, "/stats"); at(decode(t, body), "libbeat.output.events.acked") != 80.0 {
		t.Errorf("/stats gives %s", body)
	}
	cfg.Enabled = true
	if err := someMonitor(cfg, &fake{}, io.Discard).Listen(); err == nil || !strings.Contains(err.Error(), "host: could not start the HTTP server for the API: "+path+" is in use by another program") {
		t.Errorf("a socket in use: %v", err)
	}
}

func TestSocketIsRemovedAtTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	t.Run("run", func(t *testing.T) { serving(t, Config{Host: "unix://" + path}, &fake{}) })
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestListenFaultsAreOneClearLine(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"port in use":   {Config{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port}, "port: could not start the HTTP server for the API: " + l.Addr().String() + " is in use by another program; give another port, or stop that program"},
		"not ours":      {Config{Host: "192.0.2.1", Port: 0}, "host: could not start the HTTP server for the API: 192.0.2.1:0 is no address of this machine"},
		"no socket":     {Config{Host: "unix://" + file}, "host: could not start the HTTP server for the API: " + file + " is there and no socket; remove it, or give another path"},
		"no such place": {Config{Host: "unix://" + file + "/s"}, "can't be looked at"},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.Enabled = true
			err := someMonitor(c.cfg, &fake{}, io.Discard).Listen()
			var field *FieldError
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || !errors.As(err, &field) {
				t.Errorf("got %v", err)
			}
		})
	}
	if data, _ := os.ReadFile(file); string(data) != "x" {
		t.Error("the file is gone")
	}
}

func TestWarningBeyondTheLoopback(t *testing.T) {
	for host, want := range map[string]bool{"0.0.0.0": true, "localhost": false, "127.0.0.2": false} {
		var log bytes.Buffer
		m := someMonitor(Config{Enabled: true, Host: host}, &fake{}, &log)
		if err := m.Listen(); err != nil {
			t.Fatal(err)
		}
		m.listener.Close()
		if got := strings.Contains(log.String(), "can be reached from other machines"); got != want {
			t.Errorf("%s: %s", host, &log)
		}
	}
}

func TestHealthAndReadiness(t *testing.T) {
	src := &fake{}
	_, c := serving(t, loopback, src)
	up, down := Host{Name: "a:1"}, Host{Name: "b:2", Down: 90 * time.Second, Error: "refused"}
	for name, x := range map[string]struct {
		health          Health
		alive, ready    int
		aliveIs, ready2 string
	}{
		"well":           {Health{Started: true, Hosts: []Host{up}}, 200, 200, "healthy\n", "ready\n"},
		"starting":       {Health{}, 200, 503, "healthy\n", "not ready: the inputs are being started\n"},
		"no hosts":       {Health{Started: true}, 200, 200, "healthy\n", "ready\n"},
		"one of two":     {Health{Started: true, Hosts: []Host{down, up}}, 200, 200, "healthy\n", "ready\n"},
		"output away":    {Health{Started: true, Hosts: []Host{down}}, 200, 503, "healthy\n", "not ready: b:2 has been away for 1m30s: refused\n"},
		"stopping":       {Health{Started: true, Stopping: true}, 200, 503, "healthy\n", "not ready: the program is stopping\n"},
		"broker away":    {Health{Started: true, Away: []string{"mqtt input x is not connected"}, Hosts: []Host{up}}, 200, 503, "healthy\n", "not ready: mqtt input x is not connected\n"},
		"both away":      {Health{Started: true, Away: []string{"mqtt input x is not connected"}, Hosts: []Host{down}}, 200, 503, "healthy\n", "not ready: mqtt input x is not connected\nnot ready: b:2 has been away for 1m30s: refused\n"},
		"a little late":  {Health{Started: true, Late: time.Minute}, 200, 200, "healthy\n", "ready\n"},
		"the loop hangs": {Health{Started: true, Late: 2 * time.Minute}, 503, 503, "not healthy: the loop that looks for files is 2m0s late: a disk or a network file system may hang\n", "not ready: the loop that looks for files is 2m0s late: a disk or a network file system may hang\n"},
	} {
		src.set(func(f *fake) { f.health = x.health })
		if status, _, body := get(t, c, "/healthz"); status != x.alive || body != x.aliveIs {
			t.Errorf("%s: /healthz gives %d %q", name, status, body)
		}
		if status, _, body := get(t, c, "/readyz"); status != x.ready || body != x.ready2 {
			t.Errorf("%s: /readyz gives %d %q", name, status, body)
		}
	}
}

// A disk that hangs makes the answers fail, not wait; /healthz goes on.
func TestHangingSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &fake{hang: make(chan struct{}), health: Health{Started: true}}
		h := someMonitor(loopback, src, io.Discard).handler()
		ask := func(path string) string {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			return fmt.Sprint(w.Code)
		}
		start := time.Now()
		if got := ask("/stats") + ask("/metrics"); got != "503503" || time.Since(start) != 2*patience {
			t.Errorf("%s after %v", got, time.Since(start))
		}
		if got := ask("/healthz"); got != "200" {
			t.Errorf("/healthz gives %s", got)
		}
		close(src.hang)
		synctest.Wait()
		if got := ask("/stats"); got != "200" {
			t.Errorf("afterwards %s", got)
		}
	})
}

func TestValidate(t *testing.T) {
	for host, want := range map[string]string{
		"localhost": "", "::1": "", "[::1]": "", "unix:///run/s.sock": "",
		"": "host: is empty", "unix://run/s.sock": "host: \"unix://run/s.sock\" names no absolute path", "http://x": "host: \"http://x\" is no name",
		"npipe:///x": "host: named pipes are for Windows", "unix:///" + strings.Repeat("x", 107): "host: the path of the socket has 108 bytes",
	} {
		c := DefaultConfig()
		c.Enabled, c.Host = true, host
		err := c.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%q: %v", host, err)
		}
	}
	bad := DefaultConfig()
	bad.Enabled, bad.Port, bad.Pprof.BlockProfileRate = true, 70000, -1
	if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), "port: 70000 is no port") || !strings.Contains(err.Error(), "pprof.block_profile_rate: must not be negative") {
		t.Errorf("got %v", err)
	}
}

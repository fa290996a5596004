package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/config"
)

// socketClient asks an endpoint on a unix socket.
func socketClient(socket string) *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
}

// askSocket returns the answer of an endpoint on a unix socket.
func askSocket(t *testing.T, socket, path string) string {
	t.Helper()
	r, err := socketClient(socket).Get("http://x" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// trySocket is askSocket where nobody may answer yet.
func trySocket(socket, path string) string {
	r, err := socketClient(socket).Get("http://x" + path)
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// monitored runs the tailer with its monitor on a unix socket until end.
func (h *ship) monitored() (ask func(path string) (int, string), end func()) {
	h.t.Helper()
	socket := filepath.Join(h.t.TempDir(), "s")
	h.cfg.HTTP.Enabled, h.cfg.HTTP.Host = true, "unix://"+socket
	t, err := OpenTailer(&h.cfg, zerolog.New(&h.said))
	if err != nil {
		h.t.Fatal(err)
	}
	h.tailer = t
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- t.Monitor(&h.cfg, "1", "c", zerolog.New(&h.said)).Run(ctx) }()
	client := socketClient(socket)
	ask = func(path string) (int, string) {
		r, err := client.Get("http://x" + path)
		if err != nil {
			return 0, err.Error()
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return 0, err.Error()
		}
		return r.StatusCode, string(body)
	}
	ended := false
	end = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			h.t.Error(err)
		}
	}
	h.t.Cleanup(end)
	return ask, end
}

func TestMonitorSeesAnOutageAndItsEnd(t *testing.T) {
	s := newServer(t)
	s.play(s.well)
	h := newShip(t, s)
	h.append(0, 50)
	ask, end := h.monitored()
	eventually(t, "ready", func() bool { code, _ := ask("/readyz"); return code == 200 })
	h.settled()
	eventually(t, "the metrics tell it", func() bool {
		_, text := ask("/metrics")
		return strings.Contains(text, "\nsluice_events_acked_total 50\n") && strings.Contains(text, "\nsluice_lag_bytes 0\n") &&
			strings.Contains(text, fmt.Sprintf("sluice_file_offset_bytes{path=%q,input=\"log\"} %d\n", filepath.Join(h.dir, "a.log"), h.size)) &&
			strings.Contains(text, `sluice_output_host_up{host="`+s.addr+`"} 1`)
	})
	s.stop()
	before := h.size
	h.append(50, 60)
	eventually(t, "not ready", func() bool {
		code, text := ask("/readyz")
		return code == 503 && strings.Contains(text, s.addr+" has been away for ")
	})
	if text := h.tailer.StatusText(); !regexp.MustCompile(`; ` + regexp.QuoteMeta(s.addr) + ` is away for \d+s: \S`).MatchString(text) {
		t.Errorf("systemd is told %q", text)
	}
	if code, text := ask("/healthz"); code != 200 {
		t.Errorf("an outage is no illness: %d %s", code, text)
	}
	eventually(t, "the lag is told", func() bool {
		_, text := ask("/metrics")
		return strings.Contains(text, fmt.Sprintf("\nsluice_lag_bytes %d\n", h.size-before)) && strings.Contains(text, `sluice_output_host_up{host="`+s.addr+`"} 0`)
	})
	s.start()
	eventually(t, "ready again", func() bool { code, _ := ask("/readyz"); return code == 200 })
	h.settled()
	if text := h.tailer.StatusText(); strings.Contains(text, "away") {
		t.Errorf("systemd is told %q", text)
	}
	_, text := ask("/stats")
	var stats struct {
		Libbeat struct {
			Output struct {
				Type   string
				Events struct{ Acked, Active int }
				Write  struct{ Bytes int64 }
			}
			Pipeline struct{ Queue struct{ Max_events int } }
		}
		Registrar struct{ States struct{ Current int } }
	}
	if err := json.Unmarshal([]byte(text), &stats); err != nil {
		t.Fatal(err)
	}
	if o := stats.Libbeat.Output; o.Type != "logstash" || o.Events.Acked < 60 || o.Write.Bytes == 0 || stats.Registrar.States.Current != 1 || stats.Libbeat.Pipeline.Queue.Max_events != h.cfg.Queue.Mem.Events {
		t.Errorf("/stats gives %s", text)
	}
	end()
	for _, want := range []string{"Starting stats endpoint", `"message":"Total metrics"`, `"message":"Uptime: `, `"component":"monitoring"`} {
		if !strings.Contains(h.said.String(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	if strings.Index(h.said.String(), "Total metrics") < strings.Index(h.said.String(), "Continue shutdown") {
		t.Error("the totals come before the last events")
	}
}

func TestPortInUseIsOneLineWithItsPlace(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	cfg, err := config.Parse("f.yml", fmt.Appendf(nil, "path.data: %s\nfilebeat.inputs: [{paths: %s/x}]\noutput.file.path: %s\nhttp: {enabled: true, host: 127.0.0.1, port: %d}\n", dir, dir, dir, l.Addr().(*net.TCPAddr).Port))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first leaves the registry free
		tailer, err := OpenTailer(cfg, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		err = tailer.Monitor(cfg, "1", "c", zerolog.Nop()).Run(t.Context())
		want := "f.yml:4:40: http.port: could not start the HTTP server for the API: " + l.Addr().String() + " is in use by another program; give another port, or stop that program"
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

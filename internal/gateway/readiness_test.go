package gateway

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"sluice/config"
)

// TestReadinessKnowsTheBrokers of mqtt inputs and of the recorder.
func TestReadinessKnowsTheBrokers(t *testing.T) {
	const away = "127.0.0.1:1" // nobody listens on port 1
	m := newMosquitto(t)
	for name, c := range map[string]struct{ text, ready, up string }{
		"an input's broker": {`
filebeat.inputs:
- ` + m.input(`id: here, client_id: a`) + `
- {type: mqtt, id: gone, hosts: ["tcp://` + away + `"]}
output.file.path: $DIR/out
http: {enabled: true, host: "unix://$DIR/s"}
`, `^not ready: mqtt input gone is not connected to mqtt://` + away + `: connection refused: [^\n]*\n$`, "mqtt-input-here"},
		"all are there": {"filebeat.inputs: [" + m.input(`id: here, client_id: b`) + "]\noutput.file.path: $DIR/out\nhttp: {enabled: true, host: 'unix://$DIR/s'}\n", `^ready\n$`, "mqtt-input-here"},
		"the recorder's": {`
recorder:
  spool.path: $DIR/spool
  http: {enabled: true, host: "unix://$DIR/s"}
  mqtt:
  - {name: gone, hosts: ["tcp://` + away + `"], topics: [x], client_id: c}
`, `^not ready: source gone is not connected to mqtt://` + away + `: connection refused: [^\n]*\n$`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := place(t, c.text)
			cfg, err := config.Load([]string{filepath.Join(dir, "c.yml")}, nil)
			if err != nil {
				t.Fatal(err)
			}
			run := monitoredService(t, cfg)
			ctx, stop := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- run(ctx) }()
			defer func() {
				stop()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}()
			ask := func(path string) string { return trySocket(filepath.Join(dir, "s"), path) }
			want := regexp.MustCompile(c.ready)
			until(t, "/readyz answers "+c.ready, func() bool { return want.MatchString(ask("/readyz")) })
			if got := ask("/healthz"); got != "healthy\n" {
				t.Errorf("a broker that is away is no illness: %s", got)
			}
			metrics := ask("/metrics")
			if c.up != "" && !strings.Contains(metrics, `sluice_series_connected{series="`+c.up+`",source="mqtt"} 1`) {
				t.Errorf("/metrics does not know the connection of %s", c.up)
			}
			if gone := regexp.MustCompile(`sluice_series_connected\{series="[^"]*gone",source="mqtt"} 0`); c.ready != `^ready\n$` && !gone.MatchString(metrics) {
				t.Error("/metrics does not know what is away")
			}
		})
	}
}

// monitoredService is a tailer, or a recorder, with its monitor.
func monitoredService(t *testing.T, cfg *config.Config) func(context.Context) error {
	t.Helper()
	if cfg.NothingToShip() == nil {
		tailer, err := OpenTailer(cfg, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		return tailer.Monitor(cfg, "1", "c", zerolog.Nop()).Run
	}
	r, err := NewRecorder(cfg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	return MonitorRecorder(r, cfg, "1", "c", zerolog.Nop()).Run
}

// TestAFullDiskIsToldOnceAtTheEnd: the tailer's last sync and the closing of
// the registry fail alike.
func TestAFullDiskIsToldOnceAtTheEnd(t *testing.T) {
	dir := place(t, input+"output.file.path: $DIR/out\nfilebeat.registry.flush: 1h\n")
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("no small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(data, syscall.MNT_DETACH) })
	p := command(t, dir, false)
	p.start(t)
	addLines(t, dir, "0.log", 0, 1)
	until(t, "the first line", func() bool { return len(messages(t, filepath.Join(dir, "out"))) == 1 })
	if err := os.WriteFile(filepath.Join(data, "filler"), make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the disk is too large")
	}
	for i := 1; i < 100; i++ {
		addLines(t, dir, strconv.Itoa(i)+".log", i, i+1)
	}
	until(t, "all lines", func() bool { return len(messages(t, filepath.Join(dir, "out"))) == 100 })
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.end(t); err == nil {
		t.Error("ended well with a registry that is not written")
	}
	_, last, _ := strings.Cut(p.stderr.String(), "Exiting: ")
	if strings.Count(last, "no space left on device") != 1 || !strings.HasPrefix(last, "make the registry durable at the end: ") {
		t.Errorf("said at the end: %s", last)
	}
}

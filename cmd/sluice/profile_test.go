//go:build !arm

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

func TestProfilesAreWrittenAndServed(t *testing.T) {
	dir := t.TempDir()
	p := profileFlags{cpu: filepath.Join(dir, "cpu"), memory: filepath.Join(dir, "memory"), http: ":0"}
	var said strings.Builder
	end, err := p.start(zerolog.New(&said))
	if err != nil {
		t.Fatal(err)
	}
	url := regexp.MustCompile(`http://(127\.0\.0\.1|\[::1\]):\d+/debug/pprof/`).FindString(said.String())
	if url == "" {
		t.Fatalf("log %q: no address of this machine", said.String())
	}
	answer, err := http.Get(url + "goroutine")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("status %s", answer.Status)
	}
	if err := end(); err != nil {
		t.Errorf("end: %v", err)
	}
	for _, file := range []string{p.cpu, p.memory} {
		data, err := os.ReadFile(file)
		if err != nil || !strings.HasPrefix(string(data), "\x1f\x8b") {
			t.Errorf("%s has %d bytes and is no profile; %v", file, len(data), err)
		}
	}
	if answer, err := http.Get(url); err == nil {
		answer.Body.Close()
		t.Error("the profiles are served after the end")
	}
}

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestLinesHaveTheLengthsOfTheReport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lines")
	for _, w := range []struct {
		workload
		least, most int
	}{{short, 47, 47}, {json300, 290, 310}} {
		const n = 100_000
		if err := w.generate(path, n); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.SplitAfter(text, []byte("\n"))
		if len(lines) != n+1 {
			t.Errorf("%s: %d lines", w.name, len(lines)-1)
		}
		total := 0
		for _, line := range lines[:n] {
			total += len(line)
			if w.least == w.most && len(line) != w.least {
				t.Fatalf("%s: %d bytes in %q", w.name, len(line), line)
			}
		}
		if mean := total / n; mean < w.least || mean > w.most {
			t.Errorf("%s: %d bytes on average, not %d to %d", w.name, mean, w.least, w.most)
		}
	}
}

// The whole benchmark with few lines, and with a binary compared to itself.
func TestAReportOfFewLines(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "sluice")
	if out, err := exec.Command("go", "build", "-o", bin, "sluice/cmd/sluice").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Setenv("TMPDIR", t.TempDir())
	var out bytes.Buffer
	b := &bench{bins: []string{bin, bin}, runs: 1, scale: 0.001, out: &out}
	if err := b.run(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CPU µs/event", "json300", "median of pairs", "first event on the wire"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report has no %q:\n%s", want, &out)
		}
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

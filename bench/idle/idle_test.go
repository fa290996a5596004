package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The whole benchmark, with services that are hardly left alone.
func TestAReportOfAShortWhile(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "sluice")
	if out, err := exec.Command("go", "build", "-o", bin, "sluice/cmd/sluice").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Setenv("TMPDIR", t.TempDir())
	var out bytes.Buffer
	all := rows(service{bin: bin}, 10*time.Millisecond, time.Second, true)
	if err := report(t.Context(), &out, all); err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if !strings.Contains(out.String(), r.name) {
			t.Errorf("the report has no %q:\n%s", r.name, &out)
		}
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

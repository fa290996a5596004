package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The whole benchmark with few messages.
func TestAReportOfFewMessages(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "sluice")
	if out, err := exec.Command("go", "build", "-o", bin, "sluice/cmd/sluice").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Setenv("TMPDIR", t.TempDir())
	few := rows(0, 1)[:3]
	var out bytes.Buffer
	if err := report(t.Context(), &out, []subject{sluice(bin), pipe()}, few); err != nil {
		t.Fatal(err)
	}
	for _, r := range few {
		if !strings.Contains(out.String(), r.name) {
			t.Errorf("the report has no %q:\n%s", r.name, &out)
		}
	}
	if !strings.Contains(out.String(), "rotatelogs") { // measured, or said to be missing
		t.Errorf("the report does not say a word of the peer:\n%s", &out)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestAMissingPeerIsSkippedAndNamed(t *testing.T) {
	var out bytes.Buffer
	gone := subject{name: pipeName, missing: "rotatelogs is missing; run: apt-get install apache2-utils"}
	if err := report(t.Context(), &out, []subject{gone}, rows(0, 1)); err != nil {
		t.Fatal(err)
	}
	if want := "skipped: " + pipeName + ": " + gone.missing; !strings.Contains(out.String(), want) {
		t.Errorf("no %q in\n%s", want, &out)
	}
}

func TestLinesAreCountedWhileFilesGrow(t *testing.T) {
	dir := t.TempDir()
	l := newLines(filepath.Join(dir, "*.log"))
	add := func(name, text string, want int64) {
		t.Helper()
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := l.look(); err != nil {
			t.Fatal(err)
		}
		if got := l.total.Load(); got != want {
			t.Errorf("after %q: %d lines, want %d", text, got, want)
		}
	}
	add("a.log", "1\n2\n3", 2)
	add("a.log", "4\n", 3)
	add("b.log", strings.Repeat("x\n", 300_000), 300_003)
	add("c.txt", "not ours\n", 300_003)
}

func TestKilledRecordersAreCounted(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "sluice")
	if out, err := exec.Command("go", "build", "-o", bin, "sluice/cmd/sluice").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Setenv("TMPDIR", t.TempDir())
	var out bytes.Buffer
	k := kills{name: "kills", rate: 4000, messages: 2000, times: 2}
	if err := k.report(t.Context(), &out, []subject{sluice(bin)}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "2000      2      0     0        none ok") {
		t.Errorf("the report says\n%s", &out)
	}
	for line, want := range map[string]int64{`{"payload":"21.5#17"}`: 17, "a#x": -1, "b": -1, "": -1} {
		if n := number([]byte(line)); n != want {
			t.Errorf("%q has the number %d, want %d", line, n, want)
		}
	}
}

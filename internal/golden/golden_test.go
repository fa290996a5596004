// Package golden runs recorded cases against the built sluice: what a real
// Filebeat 9.0 made of a configuration and some files is what sluice must make
// of them. It holds tests only.
//
// # Cases
//
// testdata/<group>/<case> is one case:
//
//   - filebeat.yml: the configuration; ${CASE} is the folder of the copied input
//     files, ${OUT} that of the output.
//   - input/: files to read. Git keeps neither links, nor times, nor empty
//     folders: the table links names the files that stand for a symbolic link.
//   - expected.ndjson: the events, without what changes from run to run
//     (volatile), sorted.
//   - expect.json: exit status, phrases on stderr, further arguments,
//     environment, and "why": what the case is for.
//   - steps.py: for a case whose files change while sluice runs, how they did
//     when it was recorded. The table steps holds the same in Go: the tests need
//     no Python.
//
// A case runs the binary as "filebeat" in a folder of its own, waits for the
// expected events, then a while longer for events that should not be, stops it
// with SIGTERM, and compares. The table differences lists the cases that
// differ on purpose, with the reason; one that agrees must leave the list.
//
// # Running
//
//	go test ./internal/golden -golden.case 'inputs/life-'     some cases
//	GOLDEN_BINARY=bin/sluice go test ./internal/golden        a ready binary
//	GOLDEN_DIR=/cases go test ./internal/golden               other cases
//
// Cases of GOLDEN_DIR whose steps are not in the table are driven by their
// steps.py when python3 is there, and skipped otherwise.
//
// Nothing depends on how fast the machine is, but for the pauses in some steps,
// in which something has to go unnoticed or be noticed without an event: they
// grow with the time that the binary took to start, and a case with pauses that
// fails runs once more, alone and with longer ones.
package golden

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"
)

var (
	onlyCases = flag.String("golden.case", "", "run only the cases whose group/name matches this regular expression")
	jobs      = flag.Int("golden.jobs", 4, "how many cases run at a time")
	deadline  = flag.Duration("golden.deadline", time.Minute, "how long to wait for an event or for the end of the process")
	keep      = flag.Bool("golden.keep", false, "keep the folders that the cases ran in")
)

// TestGolden runs every case. Those that fail and have pauses run once more.
func TestGolden(t *testing.T) {
	if testing.Short() {
		t.Skip("starts hundreds of processes")
	}
	cases := findCases(t)
	binary := filebeat(t)
	results := make([]result, len(cases))
	slots := make(chan struct{}, max(*jobs, 1))
	var group sync.WaitGroup
	for i, c := range cases {
		slots <- struct{}{}
		group.Go(func() {
			results[i] = c.run(binary, 1)
			<-slots
		})
	}
	group.Wait()
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := results[i]
			_, differs := differences[c.name]
			if len(r.problems) > 0 && !differs && r.pauses {
				t.Logf("once more, alone and slower, after: %s", r.problems[0])
				r = c.run(binary, 5)
			}
			c.report(t, r)
		})
	}
}

// report fails t unless the case agrees, or is listed and differs.
func (c testCase) report(t *testing.T, r result) {
	t.Helper()
	if r.folder != "" {
		t.Logf("kept: %s", r.folder)
	}
	if r.skip != "" {
		t.Skip(r.skip)
	}
	if r.err != nil {
		t.Fatal(r.err)
	}
	reason, differs := differences[c.name]
	switch {
	case differs && len(r.problems) == 0:
		t.Errorf("agrees with Filebeat, but is listed as different (%s): take it off the list", reason)
	case !differs:
		for _, p := range r.problems {
			t.Error(p)
		}
		if len(r.problems) > 0 {
			t.Logf("the case: %s", c.expect.Why)
		}
	}
}

// TestTablesNameCases: each entry of a table is a case's, and each case whose
// files change has its steps.
func TestTablesNameCases(t *testing.T) {
	known := make(map[string]bool)
	for _, c := range readCases(t, "testdata") {
		known[c.name] = true
		if exists(filepath.Join(c.dir, "steps.py")) && steps[c.name] == nil {
			t.Errorf("%s has a steps.py and no steps in the table", c.name)
		}
	}
	if len(known) < 300 {
		t.Errorf("only %d cases found", len(known))
	}
	for name := range steps {
		if !known[name] || !exists(filepath.Join("testdata", name, "steps.py")) {
			t.Errorf("steps: %s is no case with a steps.py", name)
		}
	}
	for name, reason := range differences {
		if !known[name] || reason == "" {
			t.Errorf("differences: %s is no case, or has no reason", name)
		}
	}
	for name, list := range links {
		for path, target := range list {
			text, err := os.ReadFile(filepath.Join("testdata", name, "input", path))
			if !known[name] || err != nil || string(text) != target {
				t.Errorf("links: %s: %s does not stand for a link to %s: %v", name, path, target, err)
			}
		}
	}
}

// filebeat returns the path of a link named filebeat to the binary, which is
// built unless GOLDEN_BINARY names one.
func filebeat(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	binary := os.Getenv("GOLDEN_BINARY")
	if binary == "" {
		binary = filepath.Join(dir, "sluice")
		build := exec.Command("go", "build", "-o", binary, "sluice/cmd/sluice")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "filebeat")
	if err := os.Symlink(binary, link); err != nil {
		t.Fatal(err)
	}
	return link
}

// findCases returns the cases to run, those of GOLDEN_DIR if that is set.
func findCases(t *testing.T) []testCase {
	t.Helper()
	only, err := regexp.Compile(*onlyCases)
	if err != nil {
		t.Fatal(err)
	}
	root := os.Getenv("GOLDEN_DIR")
	if root == "" {
		root = "testdata"
	}
	cases := readCases(t, root)
	cases = slices.DeleteFunc(cases, func(c testCase) bool {
		c.outside = root != "testdata"
		return !only.MatchString(c.name)
	})
	if len(cases) == 0 {
		t.Fatalf("no case in %s matches %q", root, *onlyCases)
	}
	for i := range cases {
		cases[i].outside = root != "testdata"
	}
	return cases
}

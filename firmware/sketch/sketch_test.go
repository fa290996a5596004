package sketch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Make looks at times: what has not changed must keep its own.
func TestUnpack(t *testing.T) {
	dir := t.TempDir()
	sources := fstest.MapFS{
		"Makefile":         {Data: []byte("all:\n")},
		"sensor/a.ino":     {Data: []byte("one")},
		"sensor/secrets.h": {Data: []byte("mine")},
	}
	must(t, Unpack(sources, dir, "sensor/secrets.h"))
	if _, err := os.Stat(filepath.Join(dir, "sensor/secrets.h")); !os.IsNotExist(err) {
		t.Errorf("the excepted file: %v", err)
	}
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	for _, path := range []string{"Makefile", "sensor/a.ino"} {
		must(t, os.Chtimes(filepath.Join(dir, path), old, old))
	}
	sources["sensor/a.ino"] = &fstest.MapFile{Data: []byte("two")}
	must(t, Unpack(sources, dir, "sensor/secrets.h"))
	for path, changed := range map[string]bool{"Makefile": false, "sensor/a.ino": true} {
		info, err := os.Stat(filepath.Join(dir, path))
		must(t, err)
		if info.ModTime().Equal(old) == changed {
			t.Errorf("%s: time %s, changed %t", path, info.ModTime(), changed)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "sensor/a.ino")); err != nil || string(text) != "two" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestMissing(t *testing.T) {
	tools := Tools{Programs: []string{"sh", "no-such-program"}, Files: []string{"/", "/no/such/file"}}
	if got := strings.Join(tools.Missing(), " "); got != "no-such-program /no/such/file" {
		t.Errorf("missing: %s", got)
	}
	if missing := (Tools{Programs: []string{"sh"}}).Missing(); missing != nil {
		t.Errorf("missing: %q", missing)
	}
	// Whoever has no /usr/sbin in PATH finds a server nevertheless.
	t.Setenv("PATH", "/nowhere")
	if _, err := os.Stat("/usr/sbin/chroot"); err == nil {
		if _, err := Find("chroot"); err != nil {
			t.Error(err)
		}
	}
}

func TestMake(t *testing.T) {
	tools := Tools{Programs: []string{"make"}, Packages: "make"}
	if missing := tools.Missing(); missing != nil {
		t.Skipf("NOT TESTED: %s missing", missing)
	}
	dir := t.TempDir()
	must(t, WriteChanged(filepath.Join(dir, "Makefile"), []byte("good:\n\t@echo $(WORD)\nbad:\n\t@echo a cause; false\n")))
	// A make -n above this one must not keep it from building.
	t.Setenv("MAKEFLAGS", "n")
	out, err := tools.Make(dir, "good", "WORD=hello")
	must(t, err)
	if !strings.Contains(out, "hello\n") {
		t.Errorf("printed %q", out)
	}
	_, err = tools.Make(dir, "bad")
	if err == nil || !strings.Contains(err.Error(), "make bad: ") || !strings.Contains(err.Error(), "a cause") || strings.Contains(err.Error(), "apt-get") {
		t.Errorf("%v", err)
	}
	tools.Files = []string{"/no/such/file"}
	if _, err = tools.Make(dir, "bad"); err == nil || !strings.Contains(err.Error(), "/no/such/file missing: apt-get install make") {
		t.Errorf("%v", err)
	}
}

func TestDefinesAndName(t *testing.T) {
	settings := map[string]string{"B": `"two"`, "A": "1"}
	if got, want := Defines(settings), "#define A 1\n#define B \"two\"\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	again := Name("a", true)
	if Name("a", true) != again || Name("a", false) == again || Name("ab", "c") == Name("a", "bc") {
		t.Error("names do not tell builds apart")
	}
}

package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// In a bubble the clock starts at midnight UTC of 2000-01-01; the zone of the
// machine must not matter.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	if os.Getenv("LOGFILE_CRASH") != "" {
		crash()
	}
	os.Exit(m.Run())
}

func open(t *testing.T, dir string, change func(*Config)) *File {
	t.Helper()
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	f, err := Open(cfg, dir, Notify{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
			t.Error(err)
		}
	})
	return f
}

func write(t *testing.T, f *File, line string) {
	t.Helper()
	if n, err := f.Write([]byte(line)); n != len(line) || err != nil {
		t.Errorf("Write(%q) = %d, %v", line, n, err)
	}
}

// contents returns the folder as "name=text" in the order of names.
func contents(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e.Name()+"="+strings.ReplaceAll(string(text), "\n", "|"))
	}
	return strings.Join(list, " ")
}

func want(t *testing.T, dir, wanted string) {
	t.Helper()
	if have := contents(t, dir); have != wanted {
		t.Errorf("folder holds\n%s\nwant\n%s", have, wanted)
	}
}

func TestEachStartHasAFileOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "made", "here")
		for i := range 3 {
			f := open(t, dir, nil)
			write(t, f, fmt.Sprintf("start %d\n", i))
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			write(t, f, "after the end\n")
		}
		want(t, dir, "filebeat-20000101-1.ndjson=start 1| filebeat-20000101-2.ndjson=start 2| filebeat-20000101.ndjson=start 0|")
	})
}

func TestWithoutRotationAtStartTheNewestFileGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"filebeat-19991231-2.ndjson":  "two\n",
			"filebeat-19991231-10.ndjson": "half a li",
			"filebeat-19991230.ndjson":    "old\n",
			"filebeat-19991232.ndjson":    "no date\n",
			"filebeat-20990101-01.ndjson": "no number of ours\n",
			"other-20990101.ndjson":       "other\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		f := open(t, dir, func(c *Config) { c.RotateOnStartup = false })
		write(t, f, "next\n")
		path := filepath.Join(dir, "filebeat-19991231-10.ndjson")
		text, err := os.ReadFile(path)
		if err != nil || string(text) != "half a li\nnext\n" || f.Name() != path {
			t.Errorf("%s holds %q, %v", f.Name(), text, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	})
}

func TestALineThatDoesNotFitStartsTheNextFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		f := open(t, dir, func(c *Config) { c.RotateEveryBytes, c.Name = 8, "x" })
		for _, line := range []string{"abc\n", "def\n", "g\n", "longer than a file\n", "h\n"} {
			write(t, f, line)
		}
		want(t, dir, "x-20000101-1.ndjson=g| x-20000101-2.ndjson=longer than a file| x-20000101-3.ndjson=h| x-20000101.ndjson=abc|def|")
	})
}

func TestTheNewestFilesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		for _, name := range []string{"filebeat", "filebeat.1", "filebeat-20000101.ndjson.gz", "notes"} {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		f := open(t, dir, func(c *Config) { c.RotateEveryBytes, c.KeepFiles = 2, 3 })
		for i := range 12 {
			write(t, f, fmt.Sprintf("%x\n", i))
		}
		want(t, dir, "filebeat= filebeat-20000101-10.ndjson=a| filebeat-20000101-11.ndjson=b| filebeat-20000101-8.ndjson=8| filebeat-20000101-9.ndjson=9| "+
			"filebeat-20000101.ndjson.gz= filebeat.1= notes=")
	})
}

func TestRotationByInterval(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		interval time.Duration
		same     time.Duration // from midnight, Saturday, 2000-01-01: not yet
		next     time.Duration // later than same: another file
	}{
		{time.Second, 999 * time.Millisecond, time.Second},
		{1500 * time.Millisecond, 1499 * time.Millisecond, 1500 * time.Millisecond},
		{time.Minute, 59 * time.Second, time.Minute},
		{time.Hour, 59 * time.Minute, time.Hour},
		{7 * time.Hour, time.Hour - time.Second, time.Hour}, // since 1970: 37,566 intervals and 6 h
		{day, day - time.Second, day},
		{7 * day, 2*day - time.Second, 2 * day}, // Monday
		{30 * day, 31*day - time.Second, 31 * day},
		{365 * day, 366*day - time.Second, 366 * day},
	} {
		t.Run(c.interval.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				f := open(t, dir, func(cfg *Config) { cfg.Interval = c.interval })
				write(t, f, "a\n")
				time.Sleep(c.same)
				write(t, f, "b\n")
				first := f.Name()
				time.Sleep(c.next - c.same)
				write(t, f, "c\n")
				if f.Name() == first {
					t.Errorf("%s is still written", first)
				}
				if text, err := os.ReadFile(first); string(text) != "a\nb\n" {
					t.Errorf("%s holds %q, %v", first, text, err)
				}
			})
		})
	}
}

func TestAFileOfAnEarlierIntervalIsNotContinued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "filebeat-20000101.ndjson")
		if err := os.WriteFile(path, []byte("a\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		set := func(at time.Time) {
			if err := os.Chtimes(path, at, at); err != nil {
				t.Fatal(err)
			}
		}
		daily := func(c *Config) { c.RotateOnStartup, c.Interval = false, 24*time.Hour }
		set(time.Now())
		f := open(t, dir, daily)
		write(t, f, "b\n")
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		set(time.Now().Add(-time.Second))
		write(t, open(t, dir, daily), "c\n")
		want(t, dir, "filebeat-20000101-1.ndjson=c| filebeat-20000101.ndjson=a|b|")
	})
}

func TestPermissionsHoldWhateverTheUmask(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	for perm, folder := range map[int]fs.FileMode{0o600: 0o700, 0o640: 0o750, 0o644: 0o755} {
		dir := filepath.Join(t.TempDir(), "logs")
		f := open(t, dir, func(c *Config) { c.Permissions = perm })
		info, err := os.Stat(f.Name())
		if err != nil || info.Mode() != fs.FileMode(perm) {
			t.Errorf("mode %v, %v; want %#o", info.Mode(), err, perm)
		}
		if have := dirMode(fs.FileMode(perm)); have != folder {
			t.Errorf("folder's mode %#o for %#o, want %#o", have, perm, folder)
		}
	}
}

// /dev/full behaves as a file on a full disk.
func TestAFullDiskLosesLinesAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "filebeat-20000101.ndjson")
		if err := os.Symlink("/dev/full", path); err != nil {
			t.Fatal(err)
		}
		cfg := DefaultConfig()
		cfg.RotateOnStartup = false
		failed := 0
		f, err := Open(cfg, dir, Notify{
			Failed: func(err error) {
				failed++
				if !isFull(err) {
					t.Errorf("error %v", err)
				}
			},
			Lost: func(n int, cause error) []byte { return fmt.Appendf(nil, "%d lost: %v\n", n, cause) },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for i := range 3 {
			write(t, f, fmt.Sprintf("lost %d\n", i))
			time.Sleep(2 * time.Second)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		write(t, f, "there is room\n")
		if failed != 1 {
			t.Errorf("%d failures reported, want one for the series", failed)
		}
		want(t, dir, "filebeat-20000101.ndjson=3 lost: write "+path+": no space left on device|there is room|")
		write(t, f, "as before\n")
		want(t, dir, "filebeat-20000101.ndjson=3 lost: write "+path+": no space left on device|there is room|as before|")
	})
}

func TestAttemptsWaitASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "filebeat-20000101.ndjson")
		if err := os.Symlink("/dev/full", path); err != nil {
			t.Fatal(err)
		}
		f := open(t, dir, func(c *Config) { c.RotateOnStartup = false })
		write(t, f, "fails\n")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(999 * time.Millisecond)
		write(t, f, "too early\n")
		want(t, dir, "")
		time.Sleep(time.Millisecond)
		write(t, f, "in time\n")
		want(t, dir, "filebeat-20000101.ndjson=in time|")
	})
}

func TestARemovedFolderIsMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "logs")
		f := open(t, dir, nil)
		write(t, f, "gone\n")
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		write(t, f, "there\n")
		want(t, dir, "filebeat-20000101.ndjson=there|")
	})
}

func TestOpenNamesWhatIsInTheWay(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Path = file
	if _, err := Open(cfg, dir, Notify{}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v", err)
	}
	cfg.KeepFiles = 1
	if _, err := Open(cfg, dir, Notify{}); err == nil || !strings.Contains(err.Error(), "keepfiles: 1 is not between 2 and 1024") {
		t.Errorf("error %v", err)
	}
}

func TestSeveralWritersShareAFile(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, func(c *Config) { c.RotateEveryBytes, c.KeepFiles = 1000, 100 })
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 200 {
				write(t, f, fmt.Sprintf("writer %d says something\n", i))
			}
		})
	}
	all.Wait()
	lines := 0
	for _, line := range strings.FieldsFunc(contents(t, dir), func(r rune) bool { return r == '|' || r == '=' }) {
		if strings.HasPrefix(line, "writer ") && strings.HasSuffix(line, " says something") {
			lines++
		}
	}
	if lines != 800 {
		t.Errorf("%d whole lines, want 800", lines)
	}
}

// crash is the other process of TestACrashIsInTheFile.
func crash() {
	cfg := DefaultConfig()
	cfg.RedirectStderr = true
	cfg.RotateEveryBytes = 10
	f, err := Open(cfg, os.Getenv("LOGFILE_CRASH"), Notify{})
	if err != nil {
		panic(err)
	}
	for range 3 {
		_, _ = f.Write([]byte("a line\n"))
	}
	panic("on purpose")
}

func TestACrashIsInTheFile(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "LOGFILE_CRASH="+dir)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "panic: on purpose") {
		t.Errorf("%v, output %s", err, out)
	}
	names, err := list(dir, "filebeat")
	if err != nil || len(names) != 3 {
		t.Fatalf("files %v, %v", names, err)
	}
	for i, name := range names {
		text, err := os.ReadFile(filepath.Join(dir, name.String()))
		if has := strings.Contains(string(text), "panic: on purpose"); err != nil || has != (i == 2) {
			t.Errorf("%s holds %q, %v", name, text, err)
		}
	}
}

func TestValidate(t *testing.T) {
	for wanted, change := range map[string]func(*Config){
		"":                        func(*Config) {},
		"name: \"\" begins":       func(c *Config) { c.Name = "" },
		"name: \"a/b\" begins":    func(c *Config) { c.Name = "a/b" },
		"rotateeverybytes: 0 is":  func(c *Config) { c.RotateEveryBytes = 0 },
		"keepfiles: 1025 is":      func(c *Config) { c.KeepFiles = 1025 },
		"permissions: 0400: give": func(c *Config) { c.Permissions = 0o400 },
		"permissions: 01600":      func(c *Config) { c.Permissions = 0o1600 },
		"interval: 999ms is":      func(c *Config) { c.Interval = 999 * time.Millisecond },
		"interval: -1s is":        func(c *Config) { c.Interval = -time.Second },
	} {
		cfg := DefaultConfig()
		change(&cfg)
		err := cfg.Validate()
		if wanted == "" {
			if err != nil {
				t.Errorf("the defaults: %v", err)
			}
		} else if err == nil || !strings.HasPrefix(err.Error(), wanted) {
			t.Errorf("error %v, want %q", err, wanted)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, seed := range []string{"filebeat-20240101.ndjson", "filebeat-20240101-1.ndjson", "filebeat-20240101-.ndjson", "filebeat-", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if n, ok := parseName("filebeat", name); ok && n.String() != name {
			t.Errorf("%q is read as %q", name, n)
		}
	})
}

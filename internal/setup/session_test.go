package setup

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// machine is a Session on an empty folder, and what it prints.
func machine(t *testing.T) (*Session, *bytes.Buffer) {
	t.Helper()
	out := &bytes.Buffer{}
	now := time.Date(2026, 11, 25, 10, 53, 35, 0, time.UTC)
	return &Session{Root: t.TempDir(), Out: out, Now: func() time.Time { return now }}, out
}

func apply(t *testing.T, s *Session, steps ...Step) {
	t.Helper()
	if err := s.Apply(t.Context(), steps...); err != nil {
		t.Fatal(err)
	}
}

func TestFileIsWrittenOnce(t *testing.T) {
	s, out := machine(t)
	file := File{Path: "/etc/a/b.conf", Content: []byte("x\n"), Mode: 0o640}
	apply(t, s, Dir{Path: "/etc/a", Mode: 0o700}, file)
	if !s.Changed() || !strings.Contains(out.String(), "write  /etc/a/b.conf  (640 root:root)\n") {
		t.Fatalf("changed %v, printed %q", s.Changed(), out)
	}
	again := &Session{Root: s.Root, Out: out, Now: s.Now}
	out.Reset()
	apply(t, again, Dir{Path: "/etc/a", Mode: 0o700}, file)
	if again.Changed() || strings.Count(out.String(), "same") != 2 {
		t.Errorf("a second time: changed %v, printed %q", again.Changed(), out)
	}
	entries, err := os.ReadDir(s.Path("/etc/a"))
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
}

func TestReplacedFileHasABackup(t *testing.T) {
	s, out := machine(t)
	path := s.Path("/f")
	if err := os.WriteFile(path, []byte("old"), 0o604); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	apply(t, s, File{Path: "/f", Content: []byte("new"), Mode: 0o600})
	wantFile(t, path, "new", 0o600)
	wantFile(t, path+".bak-20261125T105335Z", "old", 0o604)
	if !strings.Contains(out.String(), "old: /f.bak-20261125T105335Z") {
		t.Errorf("printed %q", out)
	}
}

func TestTwoBackupsInOneSecond(t *testing.T) {
	s, _ := machine(t)
	for _, content := range []string{"1", "2", "3", "4"} {
		apply(t, s, File{Path: "/f", Content: []byte(content), Mode: 0o600})
	}
	for name, content := range map[string]string{"": "1", "-2": "2", "-3": "3"} {
		wantFile(t, s.Path("/f.bak-20261125T105335Z"+name), content, 0o600)
	}
}

func wantFile(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != content || info.Mode().Perm() != mode {
		t.Errorf("%s has %q and mode %03o, want %q and %03o", path, got, info.Mode().Perm(), content, mode)
	}
}

func TestKeptFileGetsItsMode(t *testing.T) {
	s, _ := machine(t)
	path := s.Path("/passwd")
	if err := os.WriteFile(path, []byte("users"), 0o644); err != nil {
		t.Fatal(err)
	}
	apply(t, s, File{Path: "/passwd", Content: []byte("none"), Mode: 0o600, Keep: true})
	wantFile(t, path, "users", 0o600)
	if !s.Changed() {
		t.Error("the changed mode is no change")
	}
}

func TestLinkIsFollowed(t *testing.T) {
	s, _ := machine(t)
	if err := os.WriteFile(s.Path("/real"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", s.Path("/link")); err != nil {
		t.Fatal(err)
	}
	apply(t, s, File{Path: "/link", Content: []byte("new"), Mode: 0o600})
	wantFile(t, s.Path("/real"), "new", 0o600)
	if info, err := os.Lstat(s.Path("/link")); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
}

func TestDryRunChangesNothingAndShowsNoSecret(t *testing.T) {
	s, out := machine(t)
	s.DryRun = true
	ran := filepath.Join(t.TempDir(), "ran")
	apply(t, s,
		Dir{Path: "/etc/d", Mode: 0o755},
		File{Path: "/etc/d/open", Content: []byte("one\ntwo\n"), Mode: 0o644},
		File{Path: "/etc/d/key", Content: []byte("hunter2"), Mode: 0o600, Secret: true},
		Command{Args: []string{"touch", ran}, Why: "to see", IfChanged: true},
		Check{What: "all", Try: func(context.Context) (string, error) { return "", errors.New("was tried") }},
		Note("done"))
	entries, err := os.ReadDir(s.Root)
	if err != nil || len(entries) != 0 {
		t.Errorf("there is %v, %v", entries, err)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("the command was run")
	}
	want := "would make /etc/d/  (755 root:root)\n" +
		"would write /etc/d/open  (644 root:root)\n    | one\n    | two\n" +
		"would write /etc/d/key  (600 root:root)\n    | (secret: 7 bytes)\n" +
		"would run touch " + ran + "   # to see\n" +
		"skip   check: all\n" +
		"note   done\n"
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out, want)
	}
}

func TestCommandFails(t *testing.T) {
	s := &Session{Out: &bytes.Buffer{}}
	err := s.Apply(t.Context(), Command{Args: []string{"sh", "-c", "echo first; echo why >&2; exit 3"}})
	if err == nil || !strings.HasSuffix(err.Error(), "exit status 3: why") {
		t.Errorf("error %v", err)
	}
}

func TestCommandIfChanged(t *testing.T) {
	s := &Session{Out: &bytes.Buffer{}}
	ran := filepath.Join(t.TempDir(), "ran")
	touch := Command{Args: []string{"touch", ran}, IfChanged: true}
	apply(t, s, touch)
	if _, err := os.Stat(ran); err == nil {
		t.Error("it was run without a change")
	}
	apply(t, s, Dir{Path: filepath.Join(t.TempDir(), "d"), Mode: 0o700}, touch)
	if _, err := os.Stat(ran); err != nil {
		t.Error("it was not run after a change")
	}
}

func TestCommandGetsInputAndEnvironment(t *testing.T) {
	s := &Session{Out: &bytes.Buffer{}}
	out := filepath.Join(t.TempDir(), "out")
	apply(t, s, Command{Args: []string{"sh", "-c", `cat > "$TO"`}, Stdin: []byte("secret"), Env: []string{"TO=" + out}})
	if got, err := os.ReadFile(out); err != nil || string(got) != "secret" {
		t.Errorf("it read %q, %v", got, err)
	}
}

func TestFirstFailureEnds(t *testing.T) {
	s, out := machine(t)
	if err := os.WriteFile(s.Path("/d"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := s.Apply(t.Context(), Dir{Path: "/d", Mode: 0o755}, Note("after"))
	if err == nil || !strings.Contains(err.Error(), "must be a folder") {
		t.Errorf("error %v", err)
	}
	if out.Len() != 0 {
		t.Errorf("printed %q", out)
	}
}

func TestOwnersAreThoseOfTheRoot(t *testing.T) {
	s, _ := machine(t)
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	for name, content := range map[string]string{"/etc/passwd": "root:x:0:0::/:\nmosquitto:x:4321:1::/:\n", "/etc/group": "mosquitto:x:1234:\n"} {
		if err := os.MkdirAll(filepath.Dir(s.Path(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.Path(name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file := File{Path: "/f", Mode: 0o400, Owner: Owner{User: "mosquitto", Group: "mosquitto"}}
	apply(t, s, file)
	info, err := os.Stat(s.Path("/f"))
	if err != nil || !s.owned(info, file.Owner) || s.owned(info, Owner{}) {
		t.Errorf("owner %v, %v", info, err)
	}
	file.Owner.User = "nobody-here"
	if err := s.Apply(t.Context(), file); err == nil || !strings.Contains(err.Error(), `no user "nobody-here"`) {
		t.Errorf("error %v", err)
	}
}

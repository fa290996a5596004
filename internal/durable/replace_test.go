package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestWriteFileReplacesContentAndPermissions(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	if err := os.WriteFile(path, []byte("old and longer"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte("left over from a crash, longer than the new one"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, 0o640, text("new")); err != nil {
		t.Fatal(err)
	}
	if got := content(t, path); got != "new" {
		t.Errorf("content %q", got)
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode().Perm() != 0o640 {
		t.Errorf("permissions %v", fi.Mode())
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left over: %v", got)
	}
}

func TestReplaceThatFailsBeforeTheRenameKeepsTheOldContent(t *testing.T) {
	full := errors.New("no space left")
	for _, step := range []string{"create", "write", "fsync", "rename"} {
		t.Run(step, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "state.json")
			if err := WriteFile(path, 0o600, text("old")); err != nil {
				t.Fatal(err)
			}
			r := replacer{step: func(name string) error {
				if name == step {
					return full
				}
				return nil
			}}
			if err := r.replace(path+".new", path, 0o600, text("new")); !errors.Is(err, full) {
				t.Fatalf("error %v", err)
			}
			if got := content(t, path); got != "old" {
				t.Errorf("content %q", got)
			}
			if got := names(t, dir); len(got) != 1 {
				t.Errorf("left over: %v", got)
			}
		})
	}
}

func TestReplaceReportsAFolderThatDoesNotSync(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	bad := errors.New("I/O error")
	r := replacer{step: func(name string) error {
		if name == "folder" {
			return bad
		}
		return nil
	}}
	if err := r.replace(path+".new", path, 0o600, text("new")); !errors.Is(err, bad) {
		t.Fatalf("error %v", err)
	}
	if got := content(t, path); got != "new" {
		t.Errorf("content %q: the name was given before the folder failed", got)
	}
}

func TestReplaceStepsComeInTheirOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	var order []string
	r := replacer{step: func(name string) error {
		order = append(order, name)
		return nil
	}}
	if err := r.replace(path+".new", path, 0o600, text("x")); err != nil {
		t.Fatal(err)
	}
	want := []string{"create", "write", "fsync", "rename", "folder"}
	for i := range want {
		if i >= len(order) || order[i] != want[i] {
			t.Fatalf("order %v, want %v", order, want)
		}
	}
}

func TestWriteFileReturnsTheWritersError(t *testing.T) {
	dir := t.TempDir()
	bad := errors.New("cannot encode")
	err := WriteFile(filepath.Join(dir, "f"), 0o600, func(w io.Writer) error { return bad })
	if !errors.Is(err, bad) {
		t.Fatalf("error %v", err)
	}
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("left over: %v", got)
	}
}

func TestRemoveAndRename(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	if err := WriteFile(a, 0o600, text("x")); err != nil {
		t.Fatal(err)
	}
	if err := Rename(a, b); err != nil {
		t.Fatal(err)
	}
	if err := Remove(b); err != nil {
		t.Fatal(err)
	}
	if err := Remove(b); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error of a missing file: %v", err)
	}
	if err := SyncDir(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error of a missing folder: %v", err)
	}
}

func TestMkdirAllMakesParentsAndRefusesAFile(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b", "c")
	for range 2 { // the second time it exists
		if err := MkdirAll(deep, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	fi, err := os.Stat(deep)
	if err != nil || !fi.IsDir() || fi.Mode().Perm() != 0o750 {
		t.Fatalf("%v %v", fi, err)
	}
	file := filepath.Join(dir, "file")
	if err := WriteFile(file, 0o600, text("x")); err != nil {
		t.Fatal(err)
	}
	var path *fs.PathError
	if err := MkdirAll(filepath.Join(file, "x"), 0o750); !errors.As(err, &path) {
		t.Errorf("error %v", err)
	}
}

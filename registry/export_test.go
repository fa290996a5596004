package registry

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestExportIsFilebeat7sOwn exports what was taken over from a real 7.7 and
// gets its bytes again, up to the order of the entries.
func TestExportIsFilebeat7sOwn(t *testing.T) {
	const sample = "testdata/samples/v0-7.7.0-data.json/registry"
	dataDir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dataDir, "registry"), os.DirFS(sample)); err != nil {
		t.Fatal(err)
	}
	r := open(t, dataDir)
	defer closeAll(t, r)
	root := filepath.Join(t.TempDir(), "deep", "registry")
	left, err := ExportV0(root, r.States(), 0o640)
	if err != nil || len(left) > 0 {
		t.Fatalf("left out %v, %v", left, err)
	}
	if got, want := read(t, filepath.Join(root, "filebeat/meta.json")), read(t, sample+"/filebeat/meta.json"); got != want {
		t.Errorf("meta.json %q, want %q", got, want)
	}
	got, want := read(t, filepath.Join(root, "filebeat/data.json")), read(t, sample+"/filebeat/data.json")
	if !reflect.DeepEqual(entriesOf(t, got), entriesOf(t, want)) {
		t.Errorf("data.json\ngot  %s\nwant %s", got, want)
	}
	names, err := os.ReadDir(root)
	if err != nil || len(names) != 1 {
		t.Errorf("left beside the store: %v, %v", names, err)
	}
	for name, perm := range map[string]fs.FileMode{"filebeat": 0o750, "filebeat/data.json": 0o640, "filebeat/meta.json": 0o640} {
		if fi, err := os.Stat(filepath.Join(root, name)); err != nil || fi.Mode().Perm() != perm {
			t.Errorf("%s: %v, %v", name, fi.Mode(), err)
		}
	}
}

// entriesOf counts the entries of an array, each as its bytes.
func entriesOf(t *testing.T, array string) map[string]int {
	t.Helper()
	m := make(map[string]int)
	if err := readArray(strings.NewReader(array), func(value []byte) error { m[string(value)]++; return nil }); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestExportNamesWhatItLeavesOut(t *testing.T) {
	other := func(key, source string) State {
		s := State{Key: key, Source: source, Offset: 5, Timestamp: testTime, TTL: -1}
		s.complete()
		return s
	}
	native := logState(7, 70)
	states := []State{
		other(FilestreamKey("", "native::7-65024"), "/fs.log"),
		native,
		other("filebeat::logs::path::/p.log", "/p.log"),
		other("filebeat::logs::inode_marker::7-m\n", "/m.log"),
		other("filebeat::logs::fingerprint::00ff", "/f.log"),
	}
	root := t.TempDir() // an empty folder is fine
	left, err := ExportV0(root, states, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"/fs.log", "filestream input", "/p.log", "file_identity is path", "/m.log", "file_identity is inode_marker", "/f.log", "file_identity is fingerprint"}
	var got []string
	for i, l := range left {
		got = append(got, l.String())
		if 2*i+1 < len(want) && (l.Source != want[2*i] || !strings.Contains(l.String(), want[2*i+1])) {
			t.Errorf("%s, want %q", l, want[2*i:2*i+2])
		}
	}
	if len(left) != 4 {
		t.Errorf("left out %q", got)
	}
	v, err := Read(root)
	if err != nil || v.Format != FormatArray || !reflect.DeepEqual(offsets(v.States()), map[string]int64{native.Key: 70}) {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestExportRefusesWhatIsThere(t *testing.T) {
	cases := map[string]func(t *testing.T, root string){
		"version 1":           func(t *testing.T, root string) { write(t, filepath.Join(root, "filebeat/log.json"), "") },
		"version 0":           func(t *testing.T, root string) { write(t, filepath.Join(root, "filebeat/data.json"), "[]") },
		"the store's folder":  func(t *testing.T, root string) { write(t, filepath.Join(root, "data.json"), "[]") },
		"something else":      func(t *testing.T, root string) { write(t, filepath.Join(root, "filebeat/notes"), "x") },
		"a file as the store": func(t *testing.T, root string) { write(t, filepath.Join(root, "filebeat"), "x") },
		"a file as the root":  func(t *testing.T, root string) { write(t, root, "[]") },
	}
	for name, prepare := range cases {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "r")
			prepare(t, root)
			before := tree(t, root)
			_, err := ExportV0(root, []State{logState(1, 2)}, 0)
			if err == nil || !strings.Contains(err.Error(), root) || !strings.Contains(err.Error(), "give a new or empty folder") {
				t.Errorf("%v", err)
			}
			if name != "a file as the root" && !errors.Is(err, fs.ErrExist) {
				t.Errorf("%v is not fs.ErrExist", err)
			}
			if after := tree(t, root); !reflect.DeepEqual(before, after) {
				t.Errorf("changed from %v to %v", before, after)
			}
		})
	}
}

// tree maps each file below root to its content.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	m := make(map[string]string)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			m[path] = read(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

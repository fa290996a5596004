package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("REGISTRY_TEST_VICTIM"); dir != "" {
		victim(dir)
		return
	}
	flag.Parse()
	checks := flag.Lookup("rapid.checks") // each is dozens of fsyncs
	if checks.Value.String() == checks.DefValue {
		checks.Value.Set("25")
	}
	// Thousands of fsyncs: on a busy card they would take minutes. Benchmarks
	// measure the real disk.
	if fi, err := os.Stat("/dev/shm"); err == nil && fi.IsDir() && os.Getenv("TMPDIR") == "" && flag.Lookup("test.bench").Value.String() == "" {
		if dir, err := os.MkdirTemp("/dev/shm", "registry-test"); err == nil {
			os.Chmod(dir, 0o755) // for the tests of another user
			os.Setenv("TMPDIR", dir)
			code := m.Run()
			os.RemoveAll(dir)
			os.Exit(code)
		}
	}
	os.Exit(m.Run())
}

var testTime = time.Date(2026, 11, 21, 19, 42, 8, 17548788, time.UTC)

func logState(inode uint64, offset int64) State {
	key, id := LogKey(nativeID(inode, 65024), nil)
	return State{
		Key: key, ID: id, IdentifierName: "native", Source: fmt.Sprintf("/var/log/gw/%d.log", inode),
		Offset: offset, Timestamp: testTime, TTL: -1, Type: "log", Inode: inode, Device: 65024,
		Generation: "g1", Birth: 1795290219155000001, PrefixHash: "0123456789abcdef", PrefixLen: 128,
	}
}

func open(t testing.TB, dataDir string) *Registry {
	t.Helper()
	r, err := Open(dataDir, DefaultConfig(), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustSync(t testing.TB, r *Registry) {
	t.Helper()
	if err := r.Sync(); err != nil {
		t.Fatal(err)
	}
}

func closeAll(t testing.TB, r *Registry) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

// crash ends r as kill -9 would: nothing is written, the lock is free.
func crash(r *Registry) {
	if r.journal != nil {
		r.journal.Close()
	}
	r.lock.Unlock()
}

func store(dataDir string) string { return filepath.Join(dataDir, "registry", "filebeat") }

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func offsets(states []State) map[string]int64 {
	m := make(map[string]int64)
	for _, s := range states {
		m[s.Key] = s.Offset
	}
	return m
}

// set-aside files of a store's folder, by the name of what they were.
func setAsideNames(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if name, _, ok := strings.Cut(e.Name(), ".bad-"); ok {
			out = append(out, name)
		}
	}
	return out
}

// filebeatLoad reads a version 1 store as strictly as Filebeat does: the
// highest checkpoint must be valid, log.json must be without a gap. It returns
// the values by key, and the last id.
func filebeatLoad(dir string) (map[string]map[string]any, uint64, error) {
	table := make(map[string]map[string]any)
	if got := string(must(os.ReadFile(filepath.Join(dir, "meta.json")))); !strings.Contains(got, `"1"`) {
		return nil, 0, fmt.Errorf("meta.json is %s", got)
	}
	ids := must(listCheckpoints(dir))
	var last uint64
	if n := len(ids); n > 0 {
		last = ids[n-1]
		var entries []map[string]any
		if err := json.Unmarshal(must(os.ReadFile(checkpointPath(dir, last))), &entries); err != nil {
			return nil, 0, fmt.Errorf("checkpoint %d: %w", last, err)
		}
		for _, e := range entries {
			key := e["_key"].(string)
			delete(e, "_key")
			table[key] = e
		}
	}
	dec := json.NewDecoder(bytes.NewReader(must(os.ReadFile(filepath.Join(dir, "log.json")))))
	for {
		var head struct {
			Op string
			ID uint64
		}
		if err := dec.Decode(&head); errors.Is(err, io.EOF) {
			return table, last, nil
		} else if err != nil {
			return nil, 0, err
		}
		var body struct {
			K string
			V map[string]any
		}
		if err := dec.Decode(&body); err != nil {
			return nil, 0, err
		}
		if head.ID <= last {
			continue
		}
		if head.ID != last+1 {
			return nil, 0, fmt.Errorf("id %d after %d", head.ID, last)
		}
		last = head.ID
		switch head.Op {
		case "set":
			table[body.K] = body.V
		case "remove":
			delete(table, body.K)
		default:
			return nil, 0, fmt.Errorf("op %q", head.Op)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// mustBeFilebeats checks that Filebeat would read what states says, and that
// it would not drop a state: only FileStateOS, meta and cursor may be nested.
func mustBeFilebeats(t testing.TB, dir string, states []State) {
	t.Helper()
	table, _, err := filebeatLoad(dir)
	if err != nil {
		t.Fatalf("Filebeat could not read %s: %v", dir, err)
	}
	files := 0
	for key, value := range table {
		if kindOf(key) == kindForeign {
			continue
		}
		files++
		for name, v := range value {
			if _, nested := v.(map[string]any); nested && name != "FileStateOS" && name != "meta" && name != "cursor" {
				t.Errorf("%s: Filebeat would drop the state for the nested %s", key, name)
			}
		}
	}
	if files != len(states) {
		t.Errorf("Filebeat would find %d files instead of %d", files, len(states))
	}
	for _, s := range states {
		value := table[s.Key]
		offset, _ := value["offset"].(float64)
		if kindOf(s.Key) == kindFilestream {
			cursor, _ := value["cursor"].(map[string]any)
			offset, _ = cursor["offset"].(float64)
		}
		if int64(offset) != s.Offset {
			t.Errorf("%s: Filebeat would continue at %v instead of %d", s.Key, offset, s.Offset)
		}
	}
}

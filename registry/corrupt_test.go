package registry

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// TestCorruptionCorpus opens each damaged store of testdata/corrupt. Its
// README says what happened, its expected.json what must be found.
func TestCorruptionCorpus(t *testing.T) {
	cases, err := os.ReadDir("testdata/corrupt")
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 30 {
		t.Errorf("only %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name(), func(t *testing.T) { corruptCase(t, filepath.Join("testdata/corrupt", c.Name())) })
	}
}

type expectation struct {
	Offsets  map[string]int64
	SetAside []string `json:"set_aside"`
}

func corruptCase(t *testing.T, folder string) {
	var want expectation
	if err := json.Unmarshal([]byte(read(t, filepath.Join(folder, "expected.json"))), &want); err != nil {
		t.Fatal(err)
	}
	dataDir := t.TempDir()
	dir := store(dataDir)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(folder, "store"))); err != nil {
		t.Fatal(err)
	}
	checkView(t, dir, want)
	var log bytes.Buffer
	r, err := Open(dataDir, DefaultConfig(), zerolog.New(&log))
	if err != nil {
		t.Fatalf("Open refused: %v", err)
	}
	if got := offsets(r.States()); !reflect.DeepEqual(got, want.Offsets) {
		t.Errorf("got %v, want %v", got, want.Offsets)
	}
	for key, offset := range want.Offsets {
		if s, ok := r.Durable(key); !ok || s.Offset != offset {
			t.Errorf("%s: durable %v %d", key, ok, s.Offset)
		}
	}
	checkSetAside(t, folder, dir, want.SetAside, log.String())
	if said := strings.Contains(log.String(), "no state is left"); said && len(want.Offsets) > 0 || !said && len(want.Offsets) == 0 && strings.Contains(log.String(), "to its end") {
		t.Errorf("of %d states the log says:\n%s", len(want.Offsets), log.String())
	}
	crash(r) // what Open repaired must hold without a Close

	r = open(t, dataDir)
	if got := offsets(r.States()); !reflect.DeepEqual(got, want.Offsets) {
		t.Errorf("opened again: got %v, want %v", got, want.Offsets)
	}
	r.Commit(logState(77, 770))
	closeAll(t, r)
	mustBeFilebeats(t, dir, r.States())
	v, err := Read(dir)
	if err != nil || len(v.Damages) > 0 || offsets(v.States())[logState(77, 0).Key] != 770 {
		t.Errorf("after Close: %+v %v", v, err)
	}
	if got := setAsideNames(t, dir); len(got) != len(want.SetAside) {
		t.Errorf("set aside again: %v", got)
	}
}

// checkView reads the damaged store without changing it.
func checkView(t *testing.T, dir string, want expectation) {
	t.Helper()
	before := contents(t, dir)
	v, err := Read(dir)
	if err != nil {
		if len(want.Offsets) > 0 {
			t.Fatalf("Read: %v", err)
		}
		return
	}
	if got := offsets(v.States()); !reflect.DeepEqual(got, want.Offsets) {
		t.Errorf("Read: got %v, want %v", got, want.Offsets)
	}
	if after := contents(t, dir); !reflect.DeepEqual(before, after) {
		t.Error("Read changed the store")
	}
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	m := make(map[string]string)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		m[e.Name()] = read(t, filepath.Join(dir, e.Name()))
	}
	return m
}

// checkSetAside: the right files, with the bytes as they were (of a log.json
// its bad end), each named in a message.
func checkSetAside(t *testing.T, folder, dir string, want []string, log string) {
	t.Helper()
	var got []string
	for name, text := range contents(t, dir) {
		original, _, ok := strings.Cut(name, ".bad-")
		if !ok {
			continue
		}
		got = append(got, original)
		if was := read(t, filepath.Join(folder, "store", original)); text == "" && was != "" || !strings.HasSuffix(was, text) {
			t.Errorf("%s does not hold the end of %s", name, original)
		}
		if !strings.Contains(log, name) {
			t.Errorf("no message names %s: %s", name, log)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("set aside %v, want %v\n%s", got, want, log)
	}
}

func TestForeignEntriesAndUnknownFieldsSurviveCheckpoints(t *testing.T) {
	dataDir := t.TempDir()
	dir := store(dataDir)
	if err := os.CopyFS(dir, os.DirFS("testdata/corrupt/foreign-entries/store")); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, journalName)
	write(t, log, read(t, log)+
		`{"op":"set","id":8}`+"\n"+`{"k":"filestream::f::native::3-4","v":{"ttl":-1,"updated":[1,2],"cursor":{"offset":0,"eof":true},"meta":{"source":"/f","identifier_name":"native","more":1},"other":"x"}}`+"\n"+
		`{"op":"set","id":9}`+"\n"+`{"k":"journald::gone","v":{}}`+"\n"+
		`{"op":"remove","id":10}`+"\n"+`{"k":"journald::gone"}`+"\n")
	r := open(t, dataDir)
	for range 3 {
		r.io.Lock()
		err := r.checkpoint()
		r.io.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		closeAll(t, r)
		r = open(t, dataDir)
	}
	checkpoint := read(t, checkpointPath(dir, r.lastID))
	for _, want := range []string{
		`{"_key":"httpjson::x::y","cursor":{"a":[1,2,{"b":null}]},"ttl":1.5}`,
		`{"_key":"journald::local","version":1,"nested":{"x":[]}}`,
		`"cursor":{"offset":0,"eof":true},"meta":{"source":"/f","identifier_name":"native","more":1},"other":"x"}`,
	} {
		if !strings.Contains(checkpoint, want) {
			t.Errorf("%s is not in the checkpoint\n%s", want, checkpoint)
		}
	}
	if strings.Contains(checkpoint, "gone") {
		t.Error("a removed foreign entry came back")
	}
	s, _ := r.Get("filestream::f::native::3-4")
	s.Offset = 5
	r.Commit(s)
	mustSync(t, r)
	if got := read(t, log); !strings.Contains(got, `"cursor":{"offset":5},"meta":{"source":"/f","identifier_name":"native","more":1},"other":"x"}`) {
		t.Errorf("unknown fields of a committed state: %s", got)
	}
	closeAll(t, r)
}

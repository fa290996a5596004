package registry

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
)

func TestReadFindsTheStoreFromEveryPath(t *testing.T) {
	dataDir := t.TempDir()
	r := open(t, dataDir)
	r.Commit(logState(1, 10))
	if err := r.Snapshot(); err != nil {
		t.Fatal(err)
	}
	r.Commit(logState(1, 20)) // data.json is older now
	mustSync(t, r)
	defer closeAll(t, r)
	for _, path := range []string{filepath.Join(dataDir, "registry"), store(dataDir), filepath.Join(store(dataDir), snapshotName)} {
		v, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if v.Format != FormatVersion1 || v.Path != store(dataDir) || v.States()[0].Offset != 20 {
			t.Errorf("%s: %+v", path, v)
		}
	}
	other := filepath.Join(t.TempDir(), "copy.json") // a plain array anywhere
	write(t, other, read(t, filepath.Join(store(dataDir), snapshotName)))
	v, err := Read(other)
	if err != nil || v.Format != FormatArray || v.Path != other || v.States()[0].Offset != 10 {
		t.Errorf("%+v %v", v, err)
	}
}

func TestReadOfWhatIsNoRegistry(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "notes.txt"), "hello\n")
	for path, want := range map[string]string{
		dir:                             "no registry there",
		filepath.Join(dir, "none"):      "no such file or directory",
		filepath.Join(dir, "notes.txt"): "it holds no registry of Filebeat or sluice",
	} {
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestReadDuringAWriteIsNoDamage(t *testing.T) {
	dataDir := t.TempDir()
	r := open(t, dataDir)
	r.Commit(logState(1, 10))
	r.Commit(logState(2, 10))
	closeAll(t, r)
	path := filepath.Join(store(dataDir), journalName)
	whole := read(t, path)
	half := strings.Index(whole[1:], `{"op"`) + 1
	for cut := half; cut < len(whole); cut++ {
		write(t, path, whole[:cut])
		v, err := Read(store(dataDir))
		if err != nil {
			t.Fatal(err)
		}
		want := 1
		if cut == len(whole)-1 {
			want = 2 // the operation is whole, but for its newline
		}
		if len(v.States()) != want || len(v.Damages) != 0 {
			t.Fatalf("cut at %d: %d states, %v", cut, len(v.States()), v.Damages)
		}
	}
}

// TestReaderSeesEveryFileWhileAnotherWrites reads over many checkpoints: no
// file is ever missing, no offset ever falls.
func TestReaderSeesEveryFileWhileAnotherWrites(t *testing.T) {
	const files, rounds = 50, 60
	dataDir := t.TempDir()
	r := open(t, dataDir)
	for i := range uint64(files) {
		r.Commit(logState(i+1, 1))
	}
	mustSync(t, r)
	var writer sync.WaitGroup
	done := make(chan struct{})
	writer.Go(func() {
		defer close(done)
		for n := range int64(rounds) {
			for i := range uint64(files) {
				r.Commit(logState(i+1, n+2))
			}
			err := r.Sync()
			if n%3 == 0 {
				r.io.Lock()
				err = r.checkpoint()
				r.io.Unlock()
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	last := make(map[string]int64)
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		v, err := Read(store(dataDir))
		if err != nil {
			t.Fatal(err)
		}
		got := offsets(v.States())
		if len(got) != files || len(v.Damages) > 0 {
			t.Fatalf("%d files, %v", len(got), v.Damages)
		}
		for key, offset := range got {
			if offset < last[key] {
				t.Fatalf("%s fell from %d to %d", key, last[key], offset)
			}
		}
		last = got
	}
	writer.Wait()
	if last[logState(1, 0).Key] != rounds+1 {
		t.Errorf("last offset %d", last[logState(1, 0).Key])
	}
	closeAll(t, r)
}

func TestConcurrentCommitsAreAllDurable(t *testing.T) {
	dataDir := t.TempDir()
	r := open(t, dataDir)
	var group sync.WaitGroup
	for g := range uint64(4) {
		group.Go(func() {
			for n := range int64(300) {
				s := logState(g+1, n+1)
				r.Commit(s)
				if d, ok := r.Durable(s.Key); ok && d.Offset > n+1 {
					t.Errorf("durable %d ran ahead of %d", d.Offset, n+1)
				}
				switch n % 50 {
				case 10:
					if err := r.Sync(); err != nil {
						t.Error(err)
					}
				case 20:
					r.Forget(s.Key)
				case 30:
					_ = r.States()
				}
			}
		})
	}
	group.Wait()
	closeAll(t, r)
	v, err := Read(store(dataDir))
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string]int64)
	for g := range uint64(4) {
		want[logState(g+1, 0).Key] = 300
	}
	if got := offsets(v.States()); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

// TestSnapshotIsReadableByScripts: the form that jq and the clean-up script of
// the field read, for both kinds of states.
func TestSnapshotIsReadableByScripts(t *testing.T) {
	dataDir := t.TempDir()
	r, err := Open(dataDir, DefaultConfig(), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	s := logState(1, 10)
	f := s
	f.Key = FilestreamKey("in", s.ID)
	f.Source, f.Offset = "/z \"quoted\"\n.log", 20
	r.Commit(f)
	r.Commit(s)
	closeAll(t, r)
	text := read(t, filepath.Join(store(dataDir), snapshotName))
	want := `[{"source":"/var/log/gw/1.log","offset":10,"timestamp":"2026-11-21T19:42:08.017548788Z","ttl":-1,"type":"log","meta":null,"FileStateOS":{"inode":1,"device":65024}},` +
		`{"source":"/z \"quoted\"\n.log","offset":20,"timestamp":"2026-11-21T19:42:08.017548788Z","ttl":-1,"type":"filestream","meta":null,"FileStateOS":{"inode":1,"device":65024},"_key":"filestream::in::native::1-65024"}]`
	if text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	var entries []struct{ Source string }
	if err := json.Unmarshal([]byte(text), &entries); err != nil || entries[1].Source != f.Source {
		t.Errorf("%v %v", entries, err)
	}
	// When all else is lost, both come back from it.
	for _, name := range []string{journalName, metaName} {
		if err := os.Remove(filepath.Join(store(dataDir), name)); err != nil {
			t.Fatal(err)
		}
	}
	r = open(t, dataDir)
	defer closeAll(t, r)
	if got := fmt.Sprint(offsets(r.States())); got != fmt.Sprint(map[string]int64{s.Key: 10, f.Key: 20}) {
		t.Errorf("got %v", got)
	}
}

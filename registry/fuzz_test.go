package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func seed(f *testing.F, names ...string) [][]byte {
	f.Helper()
	var out [][]byte
	for _, pattern := range names {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			f.Fatalf("no seed %s: %v", pattern, err)
		}
		for _, p := range paths {
			b, err := os.ReadFile(p)
			if err != nil {
				f.Fatal(err)
			}
			out = append(out, b)
		}
	}
	return out
}

// FuzzJournal: what readJournal calls good reads again, alone, as the same
// operations and without an error.
func FuzzJournal(f *testing.F) {
	for _, b := range seed(f, "testdata/corrupt/*/store/log.json", "testdata/samples/*/registry/filebeat/log.json") {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		collect := func(b []byte) (ops []op, good int64, err error) {
			good, err = readJournal(bytes.NewReader(b), func(o op) error {
				if !o.remove && !json.Valid(o.value) {
					t.Fatalf("value %q", o.value)
				}
				o.value = bytes.Clone(o.value)
				ops = append(ops, o)
				return nil
			})
			return ops, good, err
		}
		ops, good, err := collect(b)
		if good > int64(len(b)) || (err == nil && good != int64(len(b))) {
			t.Fatalf("good %d of %d, %v", good, len(b), err)
		}
		if errors.Is(err, errUnended) {
			ops = ops[:len(ops)-1] // its bytes are not among the good ones
		}
		again, same, err := collect(b[:good])
		if err != nil || same != good || !slices.EqualFunc(ops, again, func(a, b op) bool { return reflect.DeepEqual(a, b) }) {
			t.Fatalf("the good part reads otherwise: %v", err)
		}
	})
}

// FuzzValue: a value that can be read is written as one that reads the same.
func FuzzValue(f *testing.F) {
	for _, b := range seed(f, "testdata/samples/*/registry/filebeat/log.json", "testdata/samples/*/log.json") {
		if _, err := readJournal(bytes.NewReader(b), func(o op) error {
			f.Add(o.key, bytes.Clone(o.value))
			return nil
		}); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		if !json.Valid(value) || kindOf(key) == kindForeign {
			return
		}
		s, more, err := decodeValue(key, value)
		if err != nil {
			return
		}
		b := appendValue(nil, &s, more, false)
		if !json.Valid(b) {
			t.Fatalf("wrote %s", b)
		}
		again, _, err := decodeValue(key, b)
		if err != nil || !again.equal(&s) {
			t.Fatalf("%v\nread  %+v\nagain %+v\nfrom  %s", err, s, again, b)
		}
	})
}

// FuzzCheckpoint: what can be read of a checkpoint is written as one that is
// whole and reads the same.
func FuzzCheckpoint(f *testing.F) {
	for _, b := range seed(f, "testdata/corrupt/*/store/[0-9].json", "testdata/samples/*/registry/filebeat/5.json") {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		states, foreign := make(map[string]loadedState), make(map[string][]byte)
		_ = readCheckpoint(bytes.NewReader(b), func(key string, value []byte) error {
			if kindOf(key) == kindForeign {
				foreign[key] = withoutKey(value)
				return nil
			}
			s, more, err := decodeValue(key, value)
			if err == nil {
				states[key] = loadedState{s, more}
			}
			return err
		})
		var out bytes.Buffer
		err := writeCheckpoint(&out, func(yield func(*State, *rest) bool) {
			for _, s := range states {
				if !yield(&s.state, s.rest) {
					return
				}
			}
		}, foreign)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		err = readCheckpoint(bytes.NewReader(out.Bytes()), func(key string, value []byte) error {
			n++
			if kindOf(key) == kindForeign {
				if got := withoutKey(value); !bytes.Equal(got, foreign[key]) {
					t.Fatalf("%q: %s became %s", key, foreign[key], got)
				}
				return nil
			}
			s, _, err := decodeValue(key, value)
			if want := states[key].state; err != nil || !s.equal(&want) {
				t.Fatalf("%v\nread  %+v\nagain %+v", err, want, s)
			}
			return nil
		})
		if err != nil || n != len(states)+len(foreign) {
			t.Fatalf("%v, %d entries: %s", err, n, out.Bytes())
		}
	})
}

// FuzzSnapshot: what can be read of a data.json is written as one that reads
// the same.
func FuzzSnapshot(f *testing.F) {
	for _, b := range seed(f, "testdata/corrupt/*/store/data.json", "testdata/samples/v0-7.7.0-data.json/registry/filebeat/data.json") {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		read, _ := readSnapshot(bytes.NewReader(b))
		var states []*State
		for _, s := range read {
			if y := s.state.Timestamp.Year(); y < 0 || y > 9999 {
				return // RFC 3339 has no such year
			}
			states = append(states, &s.state)
		}
		var out bytes.Buffer
		if err := writeSnapshot(&out, states); err != nil {
			t.Fatal(err)
		}
		again, err := readSnapshot(&out)
		if err != nil || len(again) != len(read) {
			t.Fatalf("%v, %d states became %d", err, len(read), len(again))
		}
		for key, s := range read {
			if a := again[key].state; a.Offset != s.state.Offset || a.Source != s.state.Source || a.TTL != s.state.TTL || !a.Timestamp.Equal(s.state.Timestamp) {
				t.Fatalf("%+v became %+v", s.state, a)
			}
		}
	})
}

// FuzzTimestamp: the pair of every time decodes to the same moment and zone,
// and a pair that decodes is encoded to the same bits.
func FuzzTimestamp(f *testing.F) {
	f.Add(uint64(281470681743360), uint64(18446744011573954816))
	f.Add(uint64(281471071107412), uint64(1795290154))
	f.Add(uint64(17548788), uint64(1795290128))
	f.Add(uint64(60<<32|5), uint64(1795290128))
	f.Add(uint64(1)<<56, uint64(0))
	f.Fuzz(func(t *testing.T, extra, seconds uint64) {
		ts, err := decodeTimestamp(extra, seconds)
		if err != nil {
			return
		}
		e, s := encodeTimestamp(ts)
		if want := extra &^ (0xff << 48); e != want || s != seconds {
			t.Fatalf("[%d,%d] became [%d,%d] (%v)", want, seconds, e, s, ts)
		}
	})
}

// FuzzOpen: whatever the files hold, Open opens, Filebeat's rules read the
// result, and the next Open finds the same states and nothing more to mend.
func FuzzOpen(f *testing.F) {
	cases, err := os.ReadDir("testdata/corrupt")
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		get := func(name string) []byte {
			b, _ := os.ReadFile(filepath.Join("testdata/corrupt", c.Name(), "store", name))
			return b
		}
		f.Add(get("meta.json"), get("log.json"), get("5.json"), get("data.json"))
	}
	f.Fuzz(func(t *testing.T, meta, log, checkpoint, data []byte) {
		if v, ok := parseVersion(meta); ok && v != version0 && v != version1 {
			return // refused, see TestFutureVersionIsRefused
		}
		dataDir := t.TempDir()
		dir := store(dataDir)
		for name, b := range map[string][]byte{metaName: meta, journalName: log, "5.json": checkpoint, snapshotName: data} {
			if b != nil {
				write(t, filepath.Join(dir, name), string(b))
			}
		}
		if v, err := Read(dir); err == nil {
			_ = v.States()
		}
		r, err := Open(dataDir, DefaultConfig(), zerolog.New(io.Discard))
		if err != nil {
			t.Fatalf("Open refused: %v", err)
		}
		states := r.States()
		closeAll(t, r)
		if _, _, err := filebeatLoad(dir); err != nil {
			t.Fatalf("Filebeat: %v", err)
		}
		aside := len(setAsideNames(t, dir))
		r = open(t, dataDir)
		defer closeAll(t, r)
		again := r.States()
		if !slices.EqualFunc(states, again, func(a, b State) bool { return a.equal(&b) }) {
			t.Fatalf("%+v became %+v", states, again)
		}
		if n := len(setAsideNames(t, dir)); n != aside {
			t.Fatalf("%d files set aside again", n-aside)
		}
	})
}

func TestTimestampsOfZones(t *testing.T) {
	for _, c := range []struct {
		time           time.Time
		extra, seconds uint64
	}{
		{time.Time{}, 281470681743360, 18446744011573954816},
		{time.Unix(1795290154, 389364052).UTC(), 281471071107412, 1795290154},
		{time.Unix(1795290128, 17548788).In(time.FixedZone("", 0)), 17548788, 1795290128},
		{time.Unix(1795290128, 5).In(time.FixedZone("CET", 3600)), 60<<32 | 5, 1795290128},
		{time.Unix(1795290128, 5).In(time.FixedZone("", -5*3600)), 0xfed4<<32 | 5, 1795290128},
		{time.Unix(-1, 0).UTC(), 0xffff << 32, 1<<64 - 1},
	} {
		extra, seconds := encodeTimestamp(c.time)
		if extra != c.extra || seconds != c.seconds {
			t.Errorf("%v: [%d,%d], want [%d,%d]", c.time, extra, seconds, c.extra, c.seconds)
		}
		back, err := decodeTimestamp(c.extra, c.seconds)
		_, east := back.Zone()
		_, want := c.time.Zone()
		if err != nil || !back.Equal(c.time) || east != want {
			t.Errorf("[%d,%d]: %v %v, want %v", c.extra, c.seconds, back, err, c.time)
		}
	}
}

func TestMetaHashIsFilebeats(t *testing.T) {
	for stream, hashes := range map[string][2]string{
		"stdout": {"ea745ab688be85a9", "1b59052b95e61943"},
		"stderr": {"d1307a69d7b00e1d", "d35e05a633229937"},
	} {
		meta := map[string]string{"stream": stream}
		for newer, make := range [2]func(string, map[string]string) (string, string){LogKey, NewerLogKey} {
			key, id := make("native::10585704-65024", meta)
			if want := hashes[newer] + "-native::10585704-65024"; id != want || key != "filebeat::logs::"+id {
				t.Errorf("%s %s, want %s", key, id, want)
			}
			if s := (State{Key: key, ID: id, Meta: meta}); s.HasNewerKey() != (newer == 1) {
				t.Errorf("%s: newer is %v", key, s.HasNewerKey())
			}
		}
	}
}

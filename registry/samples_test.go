package registry

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// sampleStores are the stores' folders of real Filebeat runs.
var sampleStores = map[string]string{
	"v1-9.0.0-log.json":             "registry/filebeat",
	"v1-9.0.0-identities":           ".",
	"v1-after-migration-7.7-to-9.0": "registry/filebeat",
	"v1-second-start":               "registry/filebeat",
}

// TestEverySampleValueRoundTrips reads each value that a real Filebeat wrote
// and writes it again: the same fields with the same bytes, in our order.
func TestEverySampleValueRoundTrips(t *testing.T) {
	values := 0
	check := func(key string, value []byte) error {
		values++
		s, more, err := decodeValue(key, value)
		if err != nil {
			t.Errorf("%s: %v", key, err)
			return nil
		}
		again := appendValue(nil, &s, more, false)
		if want, got := fieldsOf(t, withoutKey(value)), fieldsOf(t, again); !reflect.DeepEqual(want, got) {
			t.Errorf("%s\nread    %v\nwritten %v", key, want, got)
		}
		return nil
	}
	for name, dir := range sampleStores {
		dir = filepath.Join("testdata/samples", name, dir)
		f, err := os.Open(filepath.Join(dir, journalName))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := readJournal(f, func(o op) error { return check(o.key, o.value) }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, id := range must(listCheckpoints(dir)) {
			f, err := os.Open(checkpointPath(dir, id))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := readCheckpoint(f, check); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if values != 12+14+8+4+16+4 {
		t.Errorf("%d values were checked", values)
	}
}

// fieldsOf maps each field, the nested ones too, to its bytes.
func fieldsOf(t *testing.T, object []byte) map[string]string {
	t.Helper()
	if !json.Valid(object) {
		t.Fatalf("not JSON: %s", object)
	}
	m := make(map[string]string)
	var walk func(prefix string, b []byte)
	walk = func(prefix string, b []byte) {
		err := walkObject(b, func(name string, value []byte) error {
			if value[0] == '{' {
				walk(prefix+name+".", value)
			} else {
				m[prefix+name] = string(value)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	walk("", object)
	return m
}

// TestSampleFieldsAreUnderstood spells out one state of each kind.
func TestSampleFieldsAreUnderstood(t *testing.T) {
	_, err := Read("testdata/samples/v1-9.0.0-identities/log.json")
	if err == nil {
		t.Fatal("log.json was taken for an array")
	}
	v := viewOfSample(t, "v1-9.0.0-identities")
	got := make(map[string]State)
	for _, s := range v.States() {
		got[s.Key] = s
	}
	zone := time.FixedZone("", 0)
	want := []State{
		{
			Key: "filebeat::logs::ea745ab688be85a9-native::10585704-65024", ID: "ea745ab688be85a9-native::10585704-65024",
			IdentifierName: "native", Source: "/var/log/gw/cid/c.log", Offset: 76, TTL: -1, Type: "container",
			Inode: 10585704, Device: 65024, Meta: map[string]string{"stream": "stdout"}, Timestamp: time.Unix(1795290825, 60998029).In(zone),
		},
		{
			Key: "filebeat::logs::inode_marker::10585652-marker-1\n", ID: "inode_marker::10585652-marker-1\n",
			IdentifierName: "inode_marker", Source: "/var/log/gw/m.log", Offset: 2111, TTL: -1, Type: "log",
			Inode: 10585652, Device: 65024, Timestamp: time.Unix(1795290825, 60998029).In(zone),
		},
		{
			Key: "filestream::fp::fingerprint::ae526db2e22eef9559df877dc0d4bb4ae986084a9edbe3411075047a7a1ea5e7",
			ID:  "fingerprint::ae526db2e22eef9559df877dc0d4bb4ae986084a9edbe3411075047a7a1ea5e7", IdentifierName: "fingerprint",
			Source: "/var/log/gw/fp.log", Offset: 62893, TTL: -1, Type: "filestream", Timestamp: time.Unix(1795290824, 988725552).In(zone),
		},
		{
			Key: "filestream::pth::path::/var/log/gw/p.log", ID: "path::/var/log/gw/p.log", IdentifierName: "path",
			Source: "/var/log/gw/p.log", Offset: 2111, TTL: -1, Type: "filestream", Timestamp: time.Unix(1795290824, 967634164).In(zone),
		},
		{
			Key: "filestream::.global::native::10585700-65024", ID: "native::10585700-65024", IdentifierName: "native",
			Source: "/var/log/gw/f.log", Offset: 2111, TTL: -1, Type: "filestream", Inode: 10585700, Device: 65024,
			Timestamp: time.Unix(1795290824, 967931276).In(zone),
		},
	}
	if len(got) != len(want) {
		t.Errorf("%d states", len(got))
	}
	for _, w := range want {
		if g := got[w.Key]; !g.equal(&w) {
			t.Errorf("got  %+v\nwant %+v", g, w)
		}
	}
}

func viewOfSample(t *testing.T, name string) *View {
	t.Helper()
	v, err := Read(filepath.Join("testdata/samples", name, sampleStores[name]))
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Damages) > 0 {
		t.Errorf("%s: %v", name, v.Damages)
	}
	return v
}

// TestSampleIsContinuedAndCanGoBack opens each real registry, changes every
// state, and lets Filebeat's rules read the result.
func TestSampleIsContinuedAndCanGoBack(t *testing.T) {
	for name, dir := range sampleStores {
		t.Run(name, func(t *testing.T) {
			dataDir := t.TempDir()
			if err := os.CopyFS(store(dataDir), os.DirFS(filepath.Join("testdata/samples", name, dir))); err != nil {
				t.Fatal(err)
			}
			before := viewOfSample(t, name).States()
			r := open(t, dataDir)
			if got := r.States(); !reflect.DeepEqual(offsets(got), offsets(before)) {
				t.Fatalf("got %v, want %v", offsets(got), offsets(before))
			}
			for _, s := range before {
				s.Offset += 1000
				s.Generation, s.PrefixHash, s.PrefixLen = "abc", "00ff", 9
				r.Commit(s)
			}
			after := r.States()
			closeAll(t, r)
			mustBeFilebeats(t, store(dataDir), after)
			r = open(t, dataDir)
			defer closeAll(t, r)
			for i, s := range r.States() {
				if !s.equal(&after[i]) {
					t.Errorf("got  %+v\nwant %+v", s, after[i])
				}
			}
			if got := setAsideNames(t, store(dataDir)); len(got) > 0 {
				t.Errorf("set aside: %v", got)
			}
		})
	}
}

// TestVersion0IsTakenOverInPlace does what Filebeat's migration of the same
// registry did (sample v1-after-migration-7.7-to-9.0), and keeps data.json.
func TestVersion0IsTakenOverInPlace(t *testing.T) {
	dataDir := t.TempDir()
	if err := os.CopyFS(dataDir, os.DirFS("testdata/samples/v0-7.7.0-data.json")); err != nil {
		t.Fatal(err)
	}
	before, err := Read(filepath.Join(dataDir, "registry"))
	if err != nil {
		t.Fatal(err)
	}
	if before.Format != FormatArray {
		t.Errorf("format %q", before.Format)
	}
	r := open(t, dataDir)
	states := r.States()
	closeAll(t, r)
	if !reflect.DeepEqual(states, before.States()) || len(states) != 4 {
		t.Errorf("got %+v\nwant %+v", states, before.States())
	}
	dir := store(dataDir)
	if got := read(t, filepath.Join(dir, metaName)); got != `{"version": "1"}` {
		t.Errorf("meta.json %s", got)
	}
	if got := read(t, filepath.Join(dir, activeName)); got != filepath.Join(dir, "5.json") {
		t.Errorf("active.dat %q", got)
	}
	theirs := viewOfSample(t, "v1-after-migration-7.7-to-9.0")
	for _, s := range theirs.States() {
		if _, ok := offsets(states)[s.Key]; !ok {
			t.Errorf("Filebeat's migration made %s, ours did not", s.Key)
		}
	}
	mustBeFilebeats(t, dir, states)
	var array []map[string]any
	if err := json.Unmarshal([]byte(read(t, filepath.Join(dir, snapshotName))), &array); err != nil || len(array) != 4 {
		t.Errorf("data.json: %v, %d entries", err, len(array))
	}
	after, err := Read(filepath.Join(dir, snapshotName))
	if err != nil || after.Format != FormatVersion1 {
		t.Errorf("%+v, %v", after, err)
	}
}

// TestRegistryFileOfFilebeat6IsTakenOver: the registry path itself is the
// array; of duplicates the higher offset counts.
func TestRegistryFileOfFilebeat6IsTakenOver(t *testing.T) {
	const array = `[{"source":"/a","offset":9,"timestamp":"2026-11-21T19:42:35.39+01:00","ttl":-1,"type":"log","meta":{},"FileStateOS":{"inode":5,"device":6}},` +
		`{"source":"/a","offset":7,"timestamp":"2026-11-21T19:42:35.39+01:00","ttl":-2,"type":"log","FileStateOS":{"inode":5,"device":6}}]`
	states := map[string]int64{"filebeat::logs::native::5-6": 9}
	check := func(t *testing.T, dataDir string) {
		r := open(t, dataDir)
		if got := offsets(r.States()); !reflect.DeepEqual(got, states) {
			t.Errorf("got %v", got)
		}
		mustBeFilebeats(t, store(dataDir), r.States())
		closeAll(t, r)
		if got := read(t, filepath.Join(dataDir, "registry.bak")); got != array {
			t.Errorf("registry.bak %s", got)
		}
		if exists(filepath.Join(dataDir, "registry.new")) {
			t.Error("registry.new is left over")
		}
	}
	t.Run("whole", func(t *testing.T) {
		dataDir := t.TempDir()
		write(t, filepath.Join(dataDir, "registry"), array)
		check(t, dataDir)
	})
	t.Run("crash while the new folder is built", func(t *testing.T) {
		dataDir := t.TempDir()
		write(t, filepath.Join(dataDir, "registry"), array)
		write(t, filepath.Join(dataDir, "registry.new/filebeat/data.json"), array[:50])
		check(t, dataDir)
	})
	t.Run("crash between the two renames", func(t *testing.T) {
		dataDir := t.TempDir()
		write(t, filepath.Join(dataDir, "registry.bak"), array)
		write(t, filepath.Join(dataDir, "registry.new/filebeat/data.json"), array)
		write(t, filepath.Join(dataDir, "registry.new/filebeat/meta.json"), `{"version": "0"}`)
		check(t, dataDir)
	})
	t.Run("an older registry.bak is kept", func(t *testing.T) {
		dataDir := t.TempDir()
		write(t, filepath.Join(dataDir, "registry"), strings.Replace(array, "9,", "11,", 1))
		write(t, filepath.Join(dataDir, "registry.bak"), array)
		states = map[string]int64{"filebeat::logs::native::5-6": 11}
		check(t, dataDir)
	})
}

func TestSnapshotEntryIsThatOfFilebeat76(t *testing.T) {
	v, err := Read("testdata/samples/v0-7.7.0-data.json/registry/filebeat/data.json")
	if err != nil {
		t.Fatal(err)
	}
	sample := read(t, "testdata/samples/v0-7.7.0-data.json/registry/filebeat/data.json")
	for _, s := range v.States() {
		if entry := string(appendSnapshotEntry(nil, &s)); !strings.Contains(sample, entry) {
			t.Errorf("%s is not in Filebeat's own", entry)
		}
	}
}

// TestBirthSurvivesFilebeatsFloats: Filebeat holds entries as JSON with
// floating-point numbers and writes them so into its checkpoints; a birth time
// in nanoseconds would be rounded, and the file taken for another one.
func TestBirthSurvivesFilebeatsFloats(t *testing.T) {
	s := logState(1, 10)
	var theirs map[string]any
	if err := json.Unmarshal(appendValue(nil, &s, nil, false), &theirs); err != nil {
		t.Fatal(err)
	}
	value, err := json.Marshal(theirs)
	if err != nil {
		t.Fatal(err)
	}
	back, _, err := decodeValue(s.Key, value)
	if err != nil || !back.equal(&s) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, back, s)
	}
}

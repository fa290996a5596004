package registry

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawTime draws a time of any zone of whole minutes, but the one that stands
// for UTC.
func drawTime(t *rapid.T) time.Time {
	at := time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "nanoseconds"))
	minutes := rapid.SampledFrom([]int{0, 0, 60, 330, -480, 765}).Draw(t, "zone")
	if minutes == 0 {
		return at.UTC()
	}
	return at.In(time.FixedZone("", minutes*60))
}

// drawText draws text that is hard on an encoder.
func drawText(t *rapid.T, label string) string {
	return rapid.OneOf(
		rapid.StringMatching(`[a-z0-9./_-]{1,20}`),
		rapid.StringOfN(rapid.SampledFrom([]rune("a:\"\\\n\t\x00\x7f<&>'ü€😀\u2028-{}[],")), 1, 20, -1),
	).Draw(t, label)
}

var (
	drawTTL    = rapid.SampledFrom([]int64{-2, -1, 0, 1, int64(time.Hour), 259200000000000})
	drawNumber = rapid.OneOf(rapid.Uint64Range(1, 1<<40), rapid.SampledFrom([]uint64{1<<53 + 1, 1<<63 + 1, 1<<64 - 1}))
)

// drawAnyState draws a State of either kind, under any identity.
func drawAnyState(t *rapid.T) State {
	s := State{
		Source: "/" + drawText(t, "source"), Timestamp: drawTime(t), TTL: time.Duration(drawTTL.Draw(t, "ttl")),
		Offset: rapid.OneOf(rapid.Int64Range(0, 99), rapid.Int64Range(0, 1<<62)).Draw(t, "offset"),
	}
	if rapid.Bool().Draw(t, "ours") {
		s.Generation, s.PrefixHash = drawText(t, "generation"), "0123456789abcdef"
		s.PrefixLen, s.Birth = rapid.Int64Range(1, 1024).Draw(t, "prefix"), rapid.Int64().Draw(t, "birth")
	}
	inode, device := drawNumber.Draw(t, "inode"), drawNumber.Draw(t, "device")
	s.IdentifierName = rapid.SampledFrom(identities[:]).Draw(t, "identity")
	var identity string
	switch s.IdentifierName {
	case "native":
		identity = fmt.Sprintf("native::%d-%d", inode, device)
	case "path":
		identity = "path::" + s.Source
	case "fingerprint":
		identity = "fingerprint::" + rapid.StringMatching(`[0-9a-f]{64}`).Draw(t, "fingerprint")
	case "inode_marker":
		identity = fmt.Sprintf("inode_marker::%d-%s\n", inode, drawText(t, "marker"))
	}
	if rapid.Bool().Draw(t, "filestream") {
		id := rapid.OneOf(rapid.Just(""), rapid.StringMatching(`[a-z0-9:._-]{1,12}`)).Draw(t, "input")
		s.Key, s.ID, s.Type = FilestreamKey(id, identity), identity, typeFilestream
		if s.IdentifierName == "native" {
			s.Inode, s.Device = inode, device
		}
		return s
	}
	s.Inode, s.Device = inode, device
	s.Type = rapid.SampledFrom([]string{"log", "container", "docker"}).Draw(t, "type")
	s.PrevID = rapid.SampledFrom([]string{"", "native::1-2"}).Draw(t, "prev_id")
	s.Meta = drawMeta(t)
	if s.Key, s.ID = LogKey(identity, s.Meta); rapid.Bool().Draw(t, "newer") {
		s.Key, s.ID = NewerLogKey(identity, s.Meta)
	}
	return s
}

func drawMeta(t *rapid.T) map[string]string {
	switch rapid.IntRange(0, 3).Draw(t, "meta") {
	case 0:
		return map[string]string{"stream": rapid.SampledFrom([]string{"stdout", "stderr"}).Draw(t, "stream")}
	case 1:
		return map[string]string{"stream": "stdout", drawText(t, "name"): drawText(t, "value")}
	}
	return nil
}

// notedOf is what the second reader must find of a State.
func notedOf(s *State) noted {
	_, zone := s.Timestamp.Zone()
	n := noted{Source: s.Source, Offset: s.Offset, TTL: int64(s.TTL), Unix: s.Timestamp.UnixNano(), Zone: zone, Identifier: s.IdentifierName}
	if kindOf(s.Key) == kindFilestream {
		n.NullCursor = s.Offset == 0
		return n
	}
	n.Type, n.Inode, n.Dev, n.ID, n.PrevID, n.Meta = s.Type, s.Inode, s.Device, s.ID, s.PrevID, s.Meta
	return n
}

func compareNotes(t *rapid.T, got, want map[string]noted) {
	t.Helper()
	for key, w := range want {
		if g, ok := got[key]; !ok || !reflect.DeepEqual(g, w) {
			t.Fatalf("%q (there: %v)\ngot  %+v\nwant %+v", key, ok, g, w)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
}

// TestWhatIsWrittenIsWhatFilebeatsFormatSays: any States, as operations, as a
// checkpoint and as both, are read back the same by us and by a reader that
// knows only the description of the format.
func TestWhatIsWrittenIsWhatFilebeatsFormatSays(t *testing.T) {
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		dataDir := filepath.Join(t.TempDir(), fmt.Sprint(n))
		r := open(t, dataDir)
		defer func() { crash(r) }()
		states := make(map[string]State)
		for round := range rapid.IntRange(1, 3).Draw(rt, "rounds") {
			for range rapid.IntRange(0, 8).Draw(rt, "states") {
				s := drawAnyState(rt)
				states[s.Key] = s
				r.Commit(s)
			}
			if round > 0 && len(states) > 0 {
				key := rapid.SampledFrom(keysOf(states)).Draw(rt, "forgotten")
				delete(states, key)
				r.Forget(key)
			}
			mustSync(t, r)
			if rapid.Bool().Draw(rt, "checkpoint") {
				r.io.Lock()
				err := r.checkpoint()
				r.io.Unlock()
				if err != nil {
					rt.Fatal(err)
				}
			}
		}
		want := make(map[string]noted)
		for key, s := range states {
			want[key] = notedOf(&s)
		}
		for range 2 {
			got, err := readNotes(store(dataDir))
			if err != nil {
				rt.Fatal(err)
			}
			compareNotes(rt, got, want)
			crash(r)
			r = open(t, dataDir)
			for _, s := range r.States() {
				if w := states[s.Key]; !s.equal(&w) {
					rt.Fatalf("got  %+v\nwant %+v", s, w)
				}
			}
		}
	})
}

func keysOf[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// theirs is a registry as a Filebeat writes it, being made.
type theirs struct {
	t    *rapid.T
	want map[string]noted // what is in it
	log  strings.Builder
	id   uint64
}

// object writes fields as a JSON object: map order is Filebeat's too.
func object(fields map[string]any) string {
	b, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// number is a number as Filebeat has it: whole, or, when it has been through
// its memory, as JSON of a floating point.
func (f *theirs) number(n int64) any {
	if float := float64(n); int64(float) == n && rapid.IntRange(0, 3).Draw(f.t, "float") == 0 {
		return json.Number(strconv.FormatFloat(float, 'e', -1, 64))
	}
	return n
}

// time is a timestamp as Filebeat writes it, or as it may read it.
func (f *theirs) time(at time.Time) any {
	if rapid.IntRange(0, 4).Draw(f.t, "text") == 0 {
		return at.Format(time.RFC3339Nano)
	}
	zone := -1
	if at.Location() != time.UTC {
		_, east := at.Zone()
		zone = east / 60
	}
	return []uint64{uint64(uint16(int16(zone)))<<32 | uint64(at.Nanosecond()), uint64(at.Unix())}
}

// value draws an entry's key and value, and what they mean.
func (f *theirs) value() (key string, value map[string]any, meaning noted) {
	s := drawAnyState(f.t)
	s.Offset &= 1<<53 - 1
	key = s.Key
	meaning = notedOf(&s)
	if kindOf(key) == kindFilestream {
		value = map[string]any{
			"ttl": f.number(int64(s.TTL)), "updated": f.time(s.Timestamp), "cursor": nil,
			"meta": map[string]any{"source": s.Source, "identifier_name": s.IdentifierName},
		}
		if s.Offset > 0 {
			value["cursor"] = map[string]any{"offset": f.number(s.Offset)}
		}
	} else {
		value = map[string]any{
			"id": s.ID, "prev_id": s.PrevID, "identifier_name": s.IdentifierName, "source": s.Source, "type": s.Type,
			"offset": f.number(s.Offset), "timestamp": f.time(s.Timestamp), "ttl": f.number(int64(s.TTL)),
			"FileStateOS": map[string]any{"inode": s.Inode, "device": s.Device},
		}
		if s.Meta != nil {
			value["meta"] = s.Meta
		}
	}
	if rapid.IntRange(0, 3).Draw(f.t, "extra") == 0 {
		value["from_the_future"] = "x"
	}
	return key, value, meaning
}

func (f *theirs) operation() {
	f.id++
	switch kind := rapid.IntRange(0, 9).Draw(f.t, "operation"); {
	case kind == 0 && len(f.want) > 0:
		key := rapid.SampledFrom(keysOf(f.want)).Draw(f.t, "removed")
		delete(f.want, key)
		fmt.Fprintf(&f.log, "{\"op\":\"remove\",\"id\":%d}\n%s\n", f.id, object(map[string]any{"k": key}))
	case kind == 1: // of another input
		fmt.Fprintf(&f.log, "{\"op\":\"set\",\"id\":%d}\n%s\n", f.id, `{"k":"httpjson::x::y","v":{"cursor":{"a":[1]}}}`)
	default:
		key, value, meaning := f.value()
		f.want[key] = meaning
		fmt.Fprintf(&f.log, "{\"op\":\"set\",\"id\":%d}\n%s\n", f.id, object(map[string]any{"k": key, "v": value}))
	}
}

// write makes the folder of a version 1.
func (f *theirs) write(t *testing.T, dir string) {
	write(t, filepath.Join(dir, "meta.json"), rapid.SampledFrom([]string{freshVersion, migratedVersion}).Draw(f.t, "meta.json"))
	if rapid.Bool().Draw(f.t, "with a checkpoint") {
		entries := []string{}
		for range rapid.IntRange(0, 6).Draw(f.t, "entries") {
			key, value, meaning := f.value()
			f.id++
			if _, twice := f.want[key]; !twice {
				f.want[key], value["_key"] = meaning, key
				entries = append(entries, object(value))
			}
		}
		f.id++
		path := filepath.Join(dir, fmt.Sprintf("%d.json", f.id))
		write(t, path, "[\n"+strings.Join(entries, ",\n")+"\n]")
		write(t, filepath.Join(dir, "active.dat"), path)
		if f.id > 1 && rapid.Bool().Draw(f.t, "not emptied") { // operations that the checkpoint has
			fmt.Fprintf(&f.log, "{\"op\":\"set\",\"id\":%d}\n%s\n", f.id-1, `{"k":"filebeat::logs::native::1-1","v":{"source":"/old","offset":1}}`)
		}
	}
	for range rapid.IntRange(0, 8).Draw(f.t, "operations") {
		f.operation()
	}
	write(t, filepath.Join(dir, "log.json"), f.log.String())
}

// TestFilebeatsRegistryIsTakenOverWhole: a registry of version 1, of any
// content that Filebeat may write, is opened, closed, and then read by the
// second reader: nothing has changed. What Filebeat 7 can know is exported.
func TestFilebeatsRegistryIsTakenOverWhole(t *testing.T) {
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		dataDir := filepath.Join(t.TempDir(), fmt.Sprint(n))
		f := &theirs{t: rt, want: make(map[string]noted)}
		f.write(t, store(dataDir))
		r := open(t, dataDir)
		other := logState(1<<41, 5)
		r.Commit(other)
		f.want[other.Key] = notedOf(&other)
		states := r.States()
		closeAll(t, r)
		got, err := readNotes(store(dataDir))
		if err != nil {
			rt.Fatal(err)
		}
		compareNotes(rt, got, f.want)
		if aside := setAsideNames(t, store(dataDir)); len(aside) > 0 {
			rt.Fatalf("set aside: %v", aside)
		}
		checkExport(rt, t, states)
	})
}

// checkExport exports States and has the second reader find those of native
// log files, and no others.
func checkExport(rt *rapid.T, t *testing.T, states []State) {
	rt.Helper()
	root := filepath.Join(t.TempDir(), "export")
	left, err := ExportV0(root, states, 0)
	if err != nil {
		rt.Fatal(err)
	}
	want, others := make(map[string]noted), 0
	for _, s := range states {
		if kindOf(s.Key) != kindLog || s.IdentifierName != "native" {
			others++
			continue
		}
		n := notedOf(&s)
		n.ID, n.PrevID, n.Identifier = "", "", ""
		want[fmt.Sprintf("%d-%d-%v", s.Inode, s.Device, s.Meta)] = n
	}
	got, err := readNotedArray(filepath.Join(root, "filebeat", "data.json"))
	if err != nil {
		rt.Fatal(err)
	}
	compareNotes(rt, got, want)
	if len(left) != others {
		rt.Fatalf("%d left out, want %d", len(left), others)
	}
}

// TestArrayOfFilebeat7And6ComesBack: an array of version 0, in its folder or
// as the single file of Filebeat 6, is taken over and exported again: the same
// entries, of duplicates the one that is further.
func TestArrayOfFilebeat7And6ComesBack(t *testing.T) {
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		dataDir := filepath.Join(t.TempDir(), fmt.Sprint(n))
		want := make(map[string]noted)
		entries := []string{}
		for range rapid.IntRange(0, 8).Draw(rt, "entries") {
			inode, device, meta := rapid.Uint64Range(1, 4).Draw(rt, "inode"), rapid.SampledFrom([]uint64{65024, 1<<63 + 1}).Draw(rt, "device"), drawMeta(rt)
			at := drawTime(rt)
			_, zone := at.Zone()
			e := noted{
				Source: "/" + drawText(rt, "source"), Offset: rapid.Int64Range(0, 1<<50).Draw(rt, "offset"), TTL: drawTTL.Draw(rt, "ttl"),
				Type: "log", Unix: at.UnixNano(), Zone: zone, Inode: inode, Dev: device, Meta: meta,
			}
			fields := map[string]any{
				"source": e.Source, "offset": e.Offset, "timestamp": at.Format(time.RFC3339Nano), "ttl": e.TTL, "type": e.Type,
				"FileStateOS": map[string]any{"inode": inode, "device": device}, "meta": meta,
			}
			if meta == nil {
				switch rapid.IntRange(0, 2).Draw(rt, "no meta") {
				case 0:
					delete(fields, "meta")
				case 1:
					fields["meta"] = struct{}{}
				}
			}
			entries = append(entries, object(fields))
			key := fmt.Sprintf("%d-%d-%v", inode, device, meta)
			if old, twice := want[key]; !twice || e.Offset > old.Offset {
				want[key] = e
			}
		}
		array := "[" + strings.Join(entries, ",") + "]"
		if rapid.Bool().Draw(rt, "of 6") {
			write(t, filepath.Join(dataDir, "registry"), array)
		} else {
			write(t, filepath.Join(store(dataDir), "data.json"), array)
			write(t, filepath.Join(store(dataDir), "meta.json"), oldVersion)
		}
		r := open(t, dataDir)
		states := r.States()
		closeAll(t, r)
		if aside := setAsideNames(t, store(dataDir)); len(aside) > 0 {
			rt.Fatalf("set aside: %v", aside)
		}
		root := filepath.Join(dataDir, "export")
		if left, err := ExportV0(root, states, 0); err != nil || len(left) > 0 {
			rt.Fatalf("left out %v, %v", left, err)
		}
		got, err := readNotedArray(filepath.Join(root, "filebeat", "data.json"))
		if err != nil {
			rt.Fatal(err)
		}
		compareNotes(rt, got, want)
		if got, err = readNotes(store(dataDir)); err != nil || len(got) != len(want) {
			rt.Fatalf("%d entries of version 1, want %d: %v", len(got), len(want), err)
		}
	})
}

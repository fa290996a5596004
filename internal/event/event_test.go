package event

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"
)

func sample() *Event {
	return &Event{
		Time: time.Date(2026, 11, 21, 19, 43, 39, 155999999, time.FixedZone("", 3600)),
		Meta: map[string]any{"_id": "g-1"},
		Fields: map[string]any{
			"message": "a", "log": map[string]any{"offset": int64(7), "file": map[string]any{"path": "/x"}},
			"dotted.name": "literal", "dotted": map[string]any{"name": "nested", "more": nil},
		},
	}
}

func TestNamesLeadToFields(t *testing.T) {
	e := sample()
	for key, want := range map[string]any{
		"message": "a", "log.offset": int64(7), "log.file.path": "/x", "dotted.name": "literal", "dotted.more": nil,
		"@timestamp": e.Time, "@metadata._id": "g-1", "@metadata": e.Meta,
	} {
		if got, err := e.Get(key); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, %v; want %v", key, got, err, want)
		}
	}
	for _, key := range []string{"nope", "log.nope", "log.file.nope.deep", "@metadata.nope", "@metadatax", ""} {
		if v, err := e.Get(key); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s is %v, %v", key, v, err)
		}
	}
	if _, err := e.Get("message.inner"); err == nil || err.Error() != `"message": expected map but type is string` {
		t.Errorf("through a text: %v", err)
	}
}

func TestPutMakesLevelsAndDeleteRemoves(t *testing.T) {
	e := &Event{}
	for _, key := range []string{"a.b.c", "@metadata.x.y", "dotted"} {
		if old, err := e.Put(key, 1); err != nil || old != nil {
			t.Fatalf("%s: %v, %v", key, old, err)
		}
		if old, err := e.Put(key, 2); err != nil || old != 1 {
			t.Errorf("%s was %v, %v", key, old, err)
		}
		if err := e.Delete(key); err != nil || e.Has(key) {
			t.Errorf("%s: %v, still there: %v", key, err, e.Has(key))
		}
		if err := e.Delete(key); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s deleted twice: %v", key, err)
		}
	}
	e.Fields["s"] = "text"
	for key, v := range map[string]any{"s.x": 1, "@timestamp": "now", "@metadata": "x"} {
		if _, err := e.Put(key, v); err == nil {
			t.Errorf("%s took %v", key, v)
		}
	}
	for _, key := range []string{"@timestamp", "@metadata"} {
		if err := e.Delete(key); err == nil {
			t.Errorf("%s was deleted", key)
		}
	}
	now := time.Now()
	if _, err := e.Put("@timestamp", now); err != nil || !e.Time.Equal(now) {
		t.Errorf("@timestamp is %v, %v", e.Time, err)
	}
}

func TestMergeCloneAndNulls(t *testing.T) {
	e := sample()
	c := e.Clone()
	Merge(c.Fields, map[string]any{"message": "b", "log": map[string]any{"file": map[string]any{"inode": "1"}}, "new": []any{map[string]any{"n": nil, "x": 1}, nil}}, true)
	if !reflect.DeepEqual(e, sample()) {
		t.Errorf("the clone shares %v", e)
	}
	Merge(c.Fields, map[string]any{"message": "c", "log": map[string]any{"offset": 1}}, false)
	DropNulls(c.Fields)
	want := map[string]any{
		"message": "b", "log": map[string]any{"offset": int64(7), "file": map[string]any{"path": "/x", "inode": "1"}},
		"dotted.name": "literal", "dotted": map[string]any{"name": "nested"}, "new": []any{map[string]any{"x": 1}, nil},
	}
	if !reflect.DeepEqual(c.Fields, want) {
		t.Errorf("got  %v\nwant %v", c.Fields, want)
	}
	if flat := Flatten(c.Fields); flat["log.file.inode"] != "1" || len(flat) != 6 {
		t.Errorf("flat: %v", flat)
	}
}

func TestNestedExpandsDottedNames(t *testing.T) {
	got, err := Nested(map[string]any{"a.b": 1, "a": map[string]any{"c.d": 2}, "x": map[string]any{"y.z": 3}})
	want := map[string]any{"a": map[string]any{"b": 1, "c": map[string]any{"d": 2}}, "x": map[string]any{"y": map[string]any{"z": 3}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, m := range []map[string]any{{"a": 1, "a.b": 2}, {"a.b": 1, "a": map[string]any{"b": 2}}} {
		if got, err := Nested(m); err == nil {
			t.Errorf("%v became %v", m, got)
		}
	}
}

func TestTags(t *testing.T) {
	for _, c := range []struct{ old, want any }{
		{nil, []any{"x", "y"}}, {"a", []any{"a", "x", "y"}}, {[]any{"x"}, []any{"x", "x", "y"}}, {[]string{"b"}, []any{"b", "x", "y"}}, {int64(3), int64(3)},
	} {
		e := &Event{Fields: map[string]any{}}
		if c.old != nil {
			e.Fields["tags"] = c.old
		}
		e.AddTags()
		e.AddTags("x", "y")
		if !reflect.DeepEqual(e.Fields["tags"], c.want) {
			t.Errorf("%v became %v", c.old, e.Fields["tags"])
		}
	}
}

func TestDocument(t *testing.T) {
	e := sample()
	e.Fields = map[string]any{"z": []any{nil, true, 1.5, 1e21, 40.0, uint64(math.MaxUint64)}, "a": "<\"\n\xff", "t": e.Time,
		"d": time.Second, "n": math.NaN(), "s": []string{"x"}, "m": map[string]string{"k": "v"}, "o": map[string]any{}}
	want := `{"@timestamp":"2026-11-21T18:43:39.155Z","@metadata":{"beat":"b","type":"_doc","version":"9","_id":"g-1"},` +
		`"a":"<\"\n\ufffd","d":1000000000,"m":{"k":"v"},"n":null,"o":{},"s":["x"],"t":"2026-11-21T18:43:39.155Z","z":[null,true,1.5,1e+21,40,18446744073709551615]}`
	if got := string(e.AppendJSON(nil, Base{"b", "_doc", "9"}, false)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(AppendJSON(nil, map[string]any{"a": "<&>"}, true)); got != `{"a":"\u003c\u0026\u003e"}` {
		t.Errorf("escaped: %s", got)
	}
}

func TestNumbersFromJSON(t *testing.T) {
	v, n, err := DecodeJSON([]byte(` {"i":9223372036854775807,"big":9223372036854775808,"f":1.0,"e":1e400,"l":[1]} x`))
	want := map[string]any{"i": int64(math.MaxInt64), "big": 9223372036854775808.0, "f": 1.0, "e": "1e400", "l": []any{int64(1)}}
	if err != nil || n != 78 || !reflect.DeepEqual(v, want) {
		t.Errorf("%#v, %d, %v", v, n, err)
	}
	if _, err := OneJSON([]byte(`{} x`)); err == nil {
		t.Error("text behind the value was accepted")
	}
	if v, err := OneJSON([]byte(" [1]\n")); err != nil || !reflect.DeepEqual(v, []any{int64(1)}) {
		t.Errorf("%v, %v", v, err)
	}
}

// Whatever JSON comes in can be written out, and means the same.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5,"x",null,true,{"b":1e400}]}`, `"\ud800"`, `-0`, `{"a":1}{`, `[1e-7,123456789012345678901]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := FromJSON(data)
		if err != nil {
			return
		}
		text := AppendJSON(nil, v, true)
		if !json.Valid(text) {
			t.Fatalf("%q became %q", data, text)
		}
		again, err := FromJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		if second := AppendJSON(nil, again, true); string(second) != string(text) {
			t.Fatalf("%s became %s", text, second)
		}
	})
}

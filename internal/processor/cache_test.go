package processor

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"sluice/internal/event"
)

// cacheSteps compiles processors that share a backend.
func cacheSteps(t *testing.T, env Env, list ...*cache) []step {
	t.Helper()
	var steps []step
	for _, o := range list {
		if err := o.Validate(); err != nil {
			t.Fatal(err)
		}
		s, err := o.compile(env)
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, s)
	}
	return steps
}

func closeAll(t *testing.T, steps []step) {
	t.Helper()
	for _, s := range steps {
		if err := s.(closer).Close(); err != nil {
			t.Error(err)
		}
	}
}

// after runs a step over an event and returns the event's fields.
func after(t *testing.T, s step, text, fault string) string {
	t.Helper()
	e := &event.Event{Fields: fields(t, text)}
	if _, err := s.run(e); (err == nil) != (fault == "") || err != nil && !strings.Contains(err.Error(), fault) {
		t.Errorf("%s: error %v, want %q", text, err, fault)
	}
	return string(event.AppendJSON(nil, e.Fields, false))
}

func trio(backend cacheBackend, ttl time.Duration, capacity int) (put, get, del *cache) {
	b := backend
	b.Capacity = capacity
	put = &cache{Backend: b, Put: &cachePut{"k", "v", ttl}, IgnoreMissing: true}
	get = &cache{Backend: backend, Get: &cacheGet{"k", "x.y"}, IgnoreMissing: true}
	del = &cache{Backend: backend, Delete: &cacheDelete{"k"}, IgnoreMissing: true}
	return put, get, del
}

func TestCacheInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		put, get, del := trio(cacheBackend{Memory: &cacheMemory{t.Name()}}, time.Hour, 2)
		steps := cacheSteps(t, Env{}, put, get, del)
		defer closeAll(t, steps)
		p, g, d := steps[0], steps[1], steps[2]
		for _, text := range []string{`{"k": 1, "v": {"a": 1}}`, `{"k": "b", "v": 2}`} {
			same(t, after(t, p, text, ""), text)
		}
		same(t, after(t, g, `{"k": "1"}`, ""), `{"k": "1", "x": {"y": {"a": 1}}}`)
		same(t, after(t, g, `{"k": "c"}`, "nothing is remembered"), `{"k": "c"}`)
		same(t, after(t, g, `{"k": "b", "x": {"y": 0}}`, "already exists"), `{"k": "b", "x": {"y": 0}}`)
		same(t, after(t, g, `{"k": ["b"]}`, "no text"), `{"k": ["b"]}`)
		same(t, after(t, g, `{"n": 1}`, ""), `{"n": 1}`)
		after(t, p, `{"k": "c", "v": 3}`, "") // the third: the oldest goes
		after(t, g, `{"k": 1}`, "nothing is remembered")
		after(t, d, `{"k": "c"}`, "")
		after(t, g, `{"k": "c"}`, "nothing is remembered")
		time.Sleep(time.Hour)
		after(t, g, `{"k": "b"}`, "nothing is remembered")
	})
}

func TestCacheOptions(t *testing.T) {
	b := cacheBackend{Memory: &cacheMemory{t.Name()}}
	put, get, _ := trio(b, time.Hour, 0)
	put.IgnoreMissing, get.OverwriteKeys, get.IgnoreFailure = false, true, true
	steps := cacheSteps(t, Env{}, put, get)
	defer closeAll(t, steps)
	after(t, steps[0], `{"k": 1}`, "value v: key not found")
	after(t, steps[0], `{"v": 1}`, "key k: key not found")
	after(t, steps[0], `{"k": true, "v": "new"}`, "")
	same(t, after(t, steps[1], `{"k": "true", "x": {"y": 0}}`, ""), `{"k": "true", "x": {"y": "new"}}`)
	after(t, steps[1], `{"k": "nope"}`, "")
}

// What a file cache remembers is there after the next start, unless it is
// outdated.
func TestCacheInAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		env := Env{DataPath: t.TempDir(), Log: zerolog.New(&log)}
		backend := cacheBackend{File: &cacheFile{ID: "ids"}}
		put, get, _ := trio(backend, time.Hour, 0)
		short, _, _ := trio(backend, time.Minute, 0)
		steps := cacheSteps(t, env, put, get, short)
		after(t, steps[0], `{"k": "a", "v": {"n": 1, "f": 1.5, "l": [null]}}`, "")
		after(t, steps[2], `{"k": "b", "v": 1}`, "")
		closeAll(t, steps)

		path := filepath.Join(env.DataPath, "cache_processor", "ids")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append([]byte("broken\n{\"key\": 5}\n"), text...), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		steps = cacheSteps(t, env, get)
		same(t, after(t, steps[0], `{"k": "a"}`, ""), `{"k": "a", "x": {"y": {"n": 1, "f": 1.5, "l": [null]}}}`)
		after(t, steps[0], `{"k": "b"}`, "nothing is remembered")
		closeAll(t, steps)
		if !strings.Contains(log.String(), `"lines":2`) {
			t.Errorf("no warning: %s", log.String())
		}
	})
}

func TestCacheWritesItsFileFromTimeToTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := Env{DataPath: t.TempDir()}
		put, _, _ := trio(cacheBackend{File: &cacheFile{ID: "ids", WriteInterval: time.Minute}}, time.Hour, 0)
		steps := cacheSteps(t, env, put)
		after(t, steps[0], `{"k": "a", "v": 1}`, "")
		path := filepath.Join(env.DataPath, "cache_processor", "ids")
		if _, err := os.Stat(path); err == nil {
			t.Error("written at once")
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), `"key":"a"`) {
			t.Errorf("%s, %v", text, err)
		}
		closeAll(t, steps)
	})
}

func TestCacheFileThatCannotBeRead(t *testing.T) {
	env := Env{DataPath: t.TempDir()}
	if err := os.MkdirAll(filepath.Join(env.DataPath, "cache_processor", "ids"), 0o700); err != nil {
		t.Fatal(err)
	}
	o, _, _ := trio(cacheBackend{File: &cacheFile{ID: "ids"}}, time.Hour, 0)
	_, err := o.compile(env)
	if err == nil || !strings.Contains(err.Error(), "backend.file") {
		t.Error(err)
	}
}

package processor

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"sluice/internal/event"
)

// Remembers a value of one event (put), adds it to others with the same key
// (get), or forgets it (delete). Processors with the same backend and id share
// what they remember. An error leaves the event as it is, and error.message is
// not set. Filebeat: cache.
type cache struct {
	// Backend says where values are kept.
	Backend cacheBackend `config:"backend"`
	// Put remembers a field's value. One of put, get and delete is required.
	Put *cachePut `config:"put"`
	// Get adds the value that is remembered for a key.
	Get *cacheGet `config:"get"`
	// Delete forgets the value of a key.
	Delete *cacheDelete `config:"delete"`
	// IgnoreMissing takes an event without the fields for no error. Default: true.
	IgnoreMissing bool `config:"ignore_missing"`
	// IgnoreFailure keeps all errors out of the debug log. Default: false.
	IgnoreFailure bool `config:"ignore_failure"`
	// OverwriteKeys replaces get.target_field if it is there; else that is an
	// error. Default: false.
	OverwriteKeys bool `config:"overwrite_keys"`

	Common `config:",squash"`
}

// cacheBackend is cache.backend.
type cacheBackend struct {
	// Memory keeps values until the program ends. One of memory and file is
	// required.
	Memory *cacheMemory `config:"memory"`
	// File keeps values in path.data/cache_processor too, from one run of the
	// program to the next.
	File *cacheFile `config:"file"`
	// Capacity is how many values there may be; the oldest makes room. 0 or
	// negative is no limit. The one that stands beside put counts. Default: 0.
	Capacity int `config:"capacity"`
}

// cacheMemory is cache.backend.memory.
type cacheMemory struct {
	// ID is the name of the cache. Required.
	ID string `config:"id"`
}

// cacheFile is cache.backend.file.
type cacheFile struct {
	// ID is the name of the cache and of its file. Required.
	ID string `config:"id"`
	// WriteInterval is the time between writes of the file; 0 writes it only
	// when the program ends. Default: 0.
	WriteInterval time.Duration `config:"write_interval"`
}

// cachePut is cache.put.
type cachePut struct {
	// KeyField is the field with the key. Required.
	KeyField string `config:"key_field"`
	// ValueField is the field to remember. Required.
	ValueField string `config:"value_field"`
	// TTL is how long it is remembered. Required.
	TTL time.Duration `config:"ttl"`
}

// cacheGet is cache.get.
type cacheGet struct {
	// KeyField is the field with the key. Required.
	KeyField string `config:"key_field"`
	// TargetField is the field that takes the value. Required.
	TargetField string `config:"target_field"`
}

// cacheDelete is cache.delete.
type cacheDelete struct {
	// KeyField is the field with the key. Required.
	KeyField string `config:"key_field"`
}

func (o *cache) Validate() error {
	var errs []error
	if b := o.Backend; (b.Memory == nil) == (b.File == nil) {
		errs = append(errs, fault("backend", "wants either memory.id or file.id"))
	} else if id := o.id(); id == "" || id != filepath.Base(id) || strings.HasPrefix(id, ".") {
		errs = append(errs, fault("backend", "%q is no id: write memory.id or file.id, a name without / that does not begin with a dot", id))
	}
	if f := o.Backend.File; f != nil && f.WriteInterval < 0 {
		errs = append(errs, fault("backend.file.write_interval", "%s is negative; use 0 to write only at the end", f.WriteInterval))
	}
	actions := 0
	if p := o.Put; p != nil {
		actions++
		errs = append(errs, required("put.key_field", p.KeyField != "", "host.id"), required("put.value_field", p.ValueField != "", "host.name"))
		if p.TTL <= 0 {
			errs = append(errs, fault("put.ttl", "is required: how long values are remembered, for example 168h"))
		}
	}
	if g := o.Get; g != nil {
		actions++
		errs = append(errs, required("get.key_field", g.KeyField != "", "host.id"), required("get.target_field", g.TargetField != "", "host.name"))
	}
	if d := o.Delete; d != nil {
		actions++
		errs = append(errs, required("delete.key_field", d.KeyField != "", "host.id"))
	}
	if actions != 1 {
		errs = append(errs, fault("", "wants exactly one of put, get and delete"))
	}
	return errors.Join(errs...)
}

func (o *cache) id() string {
	if o.Backend.File != nil {
		return o.Backend.File.ID
	}
	return o.Backend.Memory.ID
}

func (o *cache) compile(env Env) (step, error) {
	path, every := "", time.Duration(0)
	if f := o.Backend.File; f != nil {
		path, every = filepath.Join(env.DataPath, "cache_processor", f.ID), f.WriteInterval
	}
	s, err := openStore(o.id(), path, every, env.Log)
	if err != nil {
		return nil, fault("backend.file", "%s", err)
	}
	if o.Put != nil {
		s.limit(o.Backend.Capacity)
	}
	return &cacheStep{o, s}, nil
}

// cacheStep is a compiled cache.
type cacheStep struct {
	options *cache
	store   *store
}

func (s *cacheStep) Close() error { return s.store.close() }

func (s *cacheStep) run(e *event.Event) (drop bool, err error) {
	switch o := s.options; {
	case o.Put != nil:
		err = s.put(e, o.Put)
	case o.Get != nil:
		err = s.get(e, o.Get)
	default:
		var key string
		if key, err = cacheKey(e, o.Delete.KeyField); err == nil {
			s.store.delete(key)
		}
	}
	if s.options.IgnoreFailure || s.options.IgnoreMissing && errors.Is(err, event.ErrNotFound) {
		err = nil
	}
	return false, err
}

// cacheKey returns a field that is a text, a number or a boolean, as a text.
func cacheKey(e *event.Event, field string) (string, error) {
	v, err := e.Get(field)
	if err != nil {
		return "", fmt.Errorf("cache: key %s: %w", field, err)
	}
	switch v.(type) {
	case nil, []any, []string, map[string]any:
		return "", fmt.Errorf("cache: key %s is a %T, no text", field, v)
	}
	return fmt.Sprint(v), nil
}

func (s *cacheStep) put(e *event.Event, o *cachePut) error {
	key, err := cacheKey(e, o.KeyField)
	if err != nil {
		return err
	}
	v, err := e.Get(o.ValueField)
	if err != nil {
		return fmt.Errorf("cache: value %s: %w", o.ValueField, err)
	}
	s.store.put(key, event.Clone(v), time.Now().Add(o.TTL))
	return nil
}

func (s *cacheStep) get(e *event.Event, o *cacheGet) error {
	key, err := cacheKey(e, o.KeyField)
	if err != nil {
		return err
	}
	v, ok := s.store.get(key)
	if !ok {
		return fmt.Errorf("cache: nothing is remembered for %q", key)
	}
	if !s.options.OverwriteKeys && e.Has(o.TargetField) {
		return fmt.Errorf("cache: target field %s already exists; set overwrite_keys to replace it", o.TargetField)
	}
	if _, err := e.Put(o.TargetField, event.Clone(v)); err != nil {
		return fmt.Errorf("cache: add %s: %w", o.TargetField, err)
	}
	return nil
}

package processor

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"sluice/internal/event"
)

// Hashes fields, whatever the order they are named in. A field that is missing,
// empty, a list or a section is an error: the event stays without a
// fingerprint. (Filebeat loses such events.) Filebeat: fingerprint.
type fingerprint struct {
	// Fields are the names; order and repetition do not matter. Required.
	Fields []string `config:"fields"`
	// IgnoreMissing leaves fields out that are not there. Default: false.
	IgnoreMissing bool `config:"ignore_missing"`
	// TargetField takes the fingerprint; @metadata._id makes it the document's
	// id. Default: fingerprint.
	TargetField string `config:"target_field"`
	// Method is md5, sha1, sha256, sha384, sha512 or xxhash. Default: sha256.
	Method string `config:"method"`
	// Encoding is hex, base32 or base64. Default: hex.
	Encoding string `config:"encoding"`

	Common `config:",squash"`
}

var hashes = map[string]func() hash.Hash{
	"md5": md5.New, "sha1": sha1.New, "sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New,
	"xxhash": func() hash.Hash { return xxhash.New() },
}

var encodings = map[string]func([]byte) string{
	"hex": hex.EncodeToString, "base32": base32.StdEncoding.EncodeToString, "base64": base64.StdEncoding.EncodeToString,
}

func (o *fingerprint) Validate() error {
	errs := []error{required("fields", len(o.Fields) > 0, "[message, log.offset]"), required("target_field", o.TargetField != "", "fingerprint")}
	if hashes[strings.ToLower(o.Method)] == nil {
		errs = append(errs, oneOf("method", o.Method, slices.Sorted(maps.Keys(hashes))...))
	}
	if encodings[strings.ToLower(o.Encoding)] == nil {
		errs = append(errs, oneOf("encoding", o.Encoding, slices.Sorted(maps.Keys(encodings))...))
	}
	return errors.Join(errs...)
}

func (o *fingerprint) compile(Env) (step, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	fields := slices.Clone(o.Fields)
	slices.Sort(fields)
	fields = slices.Compact(fields)
	newHash, encode := hashes[strings.ToLower(o.Method)], encodings[strings.ToLower(o.Encoding)]
	return change(func(e *event.Event) error {
		h := newHash()
		for _, name := range fields {
			if err := o.add(h, e, name); err != nil {
				return fmt.Errorf("compute a fingerprint: %w", err)
			}
		}
		_, _ = io.WriteString(h, "|") // a hash never fails
		if _, err := e.Put(o.TargetField, encode(h.Sum(nil))); err != nil {
			return fmt.Errorf("store the fingerprint in %s: %w", o.TargetField, err)
		}
		return nil
	}), nil
}

func (o *fingerprint) add(h hash.Hash, e *event.Event, name string) error {
	v, missing, err := fetch(e, name, o.IgnoreMissing)
	if err != nil || missing {
		return err
	}
	switch t := v.(type) {
	case map[string]any, []any, []string, map[string]string, nil:
		return fmt.Errorf("field %s is a %T, no single value", name, v)
	case time.Time:
		v = shown(t.UTC())
	}
	_, _ = fmt.Fprintf(h, "|%s|%v", name, v)
	return nil
}

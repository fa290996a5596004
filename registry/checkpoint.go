package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	checkpointTemp = "checkpoint.new"
	activeName     = "active.dat"
)

// checkpointID returns the id of a checkpoint's name, "<id>.json".
func checkpointID(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, ".json")
	if !ok {
		return 0, false
	}
	id, err := strconv.ParseUint(digits, 10, 64)
	return id, err == nil && id <= highestID
}

func checkpointName(id uint64) string { return strconv.FormatUint(id, 10) + ".json" }

// listCheckpoints returns the ids of the folder's checkpoints, ascending.
func listCheckpoints(dir string) ([]uint64, error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var ids []uint64
	for _, e := range names {
		if id, ok := checkpointID(e.Name()); ok && e.Type().IsRegular() && e.Name() == checkpointName(id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// readCheckpoint calls fn with each entry; value is the entry as written, with
// its "_key". It goes on after an entry that fn refuses, and ends at the first
// byte that is not JSON. The error is of the first damage.
func readCheckpoint(r io.Reader, fn func(key string, value []byte) error) error {
	var first error
	err := readArray(r, func(value []byte) error {
		key, err := entryKey(value)
		if err == nil {
			err = fn(key, value)
		}
		if err != nil && first == nil {
			first = err
		}
		return nil
	})
	if first != nil {
		return first
	}
	return err
}

func entryKey(value []byte) (key string, err error) {
	found := false
	err = walkObject(value, func(name string, value []byte) (err error) {
		if name == "_key" {
			found = true
			key, err = unquote(value)
		}
		return err
	})
	if err == nil && !found {
		err = errors.New("an entry has no _key")
	}
	return key, err
}

// readArray calls fn with each element of a JSON array that is an object, and
// holds one at a time in memory.
func readArray(r io.Reader, fn func(value []byte) error) error {
	dec := json.NewDecoder(r)
	t, err := dec.Token()
	if err != nil {
		return arrayError(err)
	}
	if t == nil { // null: a nil array, as Filebeat's encoder may write it
		return nil
	}
	if t != json.Delim('[') {
		return errors.New("is not a JSON array")
	}
	for dec.More() {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return arrayError(err)
		}
		if len(raw) > longestLine {
			return fmt.Errorf("entry is longer than %d bytes", longestLine)
		}
		if err := fn(raw); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return arrayError(err)
	}
	return nil
}

func arrayError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("ends before the array does")
	}
	return err
}

// writeCheckpoint writes states and foreign entries in the form of
// readCheckpoint.
func writeCheckpoint(w io.Writer, states iter.Seq2[*State, *rest], foreign map[string][]byte) error {
	buf := append(make([]byte, 0, 4096), '[')
	separator := "\n"
	for s, r := range states {
		buf = append(buf, separator...)
		buf = appendValue(buf, s, r, true)
		separator = ",\n"
		if _, err := w.Write(buf); err != nil {
			return err
		}
		buf = buf[:0]
	}
	for key, value := range foreign {
		buf = append(buf, separator...)
		buf = appendForeign(buf, key, value)
		separator = ",\n"
		if _, err := w.Write(buf); err != nil {
			return err
		}
		buf = buf[:0]
	}
	buf = append(buf, "\n]"...)
	_, err := w.Write(buf)
	return err
}

// appendForeign appends value, an object, with "_key" in front.
func appendForeign(b []byte, key string, value []byte) []byte {
	b = append(b, `{"_key":`...)
	b = appendString(b, key)
	if i := skipSpace(value, 1); value[i] != '}' {
		b = append(b, ',')
	}
	return append(b, value[1:]...)
}

// withoutKey returns a copy of a checkpoint's entry without its "_key".
func withoutKey(value []byte) []byte {
	out := []byte{'{'}
	_ = walkObject(value, func(name string, value []byte) error {
		if name == "_key" {
			return nil
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = appendString(out, name)
		out = append(out, ':')
		out = append(out, value...)
		return nil
	})
	return append(out, '}')
}

// checkpointPath is the absolute path that active.dat holds.
func checkpointPath(dir string, id uint64) string {
	return filepath.Join(dir, checkpointName(id))
}

package registry

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"sluice/internal/order"
)

const snapshotName = "data.json"

// appendSnapshotEntry appends s in the form of Filebeat 7.6, plus "_key" when
// the key does not follow from inode, device and meta.
func appendSnapshotEntry(b []byte, s *State) []byte {
	b = append(b, `{"source":`...)
	b = appendString(b, s.Source)
	b = append(b, `,"offset":`...)
	b = strconv.AppendInt(b, s.Offset, 10)
	b = append(b, `,"timestamp":"`...)
	b = s.Timestamp.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","ttl":`...)
	b = strconv.AppendInt(b, int64(s.TTL), 10)
	b = append(b, `,"type":`...)
	b = appendString(b, s.Type)
	b = append(b, `,"meta":`...)
	if len(s.Meta) > 0 {
		b = appendMeta(b, s.Meta)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"FileStateOS":`...)
	b = appendStat(b, s)
	if !derivable(s) {
		b = append(b, `,"_key":`...)
		b = appendString(b, s.Key)
	}
	return append(b, '}')
}

// derivable says whether s.Key follows from inode, device and meta.
func derivable(s *State) bool {
	if len(s.Meta) > 0 {
		key, _ := LogKey(nativeID(s.Inode, s.Device), s.Meta)
		return key == s.Key
	}
	var scratch [80]byte
	b := append(scratch[:0], logPrefix...)
	return string(appendNative(b, s.Inode, s.Device)) == s.Key
}

func nativeID(inode, device uint64) string { return string(appendNative(nil, inode, device)) }

func appendNative(b []byte, inode, device uint64) []byte {
	b = append(b, "native::"...)
	b = strconv.AppendUint(b, inode, 10)
	b = append(b, '-')
	return strconv.AppendUint(b, device, 10)
}

// bySource is the order of data.json: for people.
func bySource(a, b *State) int {
	if c := cmp.Compare(a.Source, b.Source); c != 0 {
		return c
	}
	return cmp.Compare(a.Key, b.Key)
}

// writeSnapshot writes states, sorted by bySource, as one JSON array.
func writeSnapshot(w io.Writer, states []*State) error {
	order.By(states, bySource)
	buf := append(make([]byte, 0, 1024), '[')
	for i, s := range states {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendSnapshotEntry(buf, s)
		if _, err := w.Write(buf); err != nil {
			return err
		}
		buf = buf[:0]
	}
	_, err := w.Write(append(buf, ']'))
	return err
}

// readSnapshot returns the states of a data.json, also of Filebeat 6; of two
// with one key the higher offset is kept. After damage it returns what can be
// read, and the first error.
func readSnapshot(r io.Reader) (map[string]loadedState, error) {
	states := make(map[string]loadedState)
	var first error
	err := readArray(r, func(value []byte) error {
		s, more, err := decodeSnapshotEntry(value)
		if err != nil {
			if first == nil {
				first = err
			}
			return nil
		}
		if old, ok := states[s.Key]; !ok || s.Offset > old.state.Offset {
			states[s.Key] = loadedState{state: s, rest: more}
		}
		return nil
	})
	if first != nil {
		return states, first
	}
	return states, err
}

func decodeSnapshotEntry(value []byte) (State, *rest, error) {
	var d decoder
	var key string
	err := walkObject(value, func(name string, value []byte) (err error) {
		if name == "_key" {
			key, err = unquote(value)
		} else {
			err = d.logField(name, value)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return State{}, nil, err
	}
	s := &d.state
	switch {
	case key != "":
		if kindOf(key) == kindForeign {
			return State{}, nil, fmt.Errorf("key %.60q is not a file's", key)
		}
		s.Key = key
	case s.ID != "":
		s.Key = logPrefix + s.ID
	case s.Inode != 0:
		s.Key, s.ID = LogKey(nativeID(s.Inode, s.Device), s.Meta)
	default:
		return State{}, nil, errors.New("an entry has no inode")
	}
	d.finish()
	return *s, d.rest, nil
}

// sameContent says whether the file at path holds exactly what write writes.
func sameContent(path string, write func(w io.Writer) error) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	c := comparer{r: f}
	if write(&c) != nil {
		return false
	}
	n, err := f.Read(make([]byte, 1))
	return n == 0 && errors.Is(err, io.EOF)
}

// comparer is a writer that fails at the first byte that r has otherwise.
type comparer struct {
	r   io.Reader
	buf []byte
}

var errDiffers = errors.New("differs")

func (c *comparer) Write(p []byte) (int, error) {
	c.buf = slices.Grow(c.buf[:0], len(p))[:len(p)]
	if _, err := io.ReadFull(c.r, c.buf); err != nil || !bytes.Equal(c.buf, p) {
		return 0, errDiffers
	}
	return len(p), nil
}

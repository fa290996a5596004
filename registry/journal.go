package registry

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	journalName = "log.json"

	// longestLine bounds a line of log.json and an entry of a checkpoint, in
	// bytes; what is longer is not an entry.
	longestLine = 4 << 20

	// highestID bounds operation ids: a larger one is damage.
	highestID = 1 << 62
)

// op is one operation of log.json. Its slices are valid until the next one.
type op struct {
	id     uint64
	remove bool
	key    string
	value  []byte // an object; nil for remove
}

// appendSet appends a set operation: two lines.
func appendSet(b []byte, id uint64, s *State, r *rest) []byte {
	b = append(b, `{"op":"set","id":`...)
	b = strconv.AppendUint(b, id, 10)
	b = append(b, "}\n{\"k\":"...)
	b = appendString(b, s.Key)
	b = append(b, `,"v":`...)
	b = appendValue(b, s, r, false)
	return append(b, "}\n"...)
}

// appendRemove appends a remove operation: two lines.
func appendRemove(b []byte, id uint64, key string) []byte {
	b = append(b, `{"op":"remove","id":`...)
	b = strconv.AppendUint(b, id, 10)
	b = append(b, "}\n{\"k\":"...)
	b = appendString(b, key)
	return append(b, "}\n"...)
}

// errTorn is the end of a journal inside an operation: a write that a crash
// cut short, or one that is still going on.
var errTorn = errors.New("ends inside an operation")

// errUnended is the end of a journal behind an operation that is whole, but
// without its newline: nothing can be appended as it is.
var errUnended = errors.New("ends without a newline")

// readJournal calls fn with each operation up to the end, the first damage or
// fn's first error. good is the offset after the last operation that fn took
// and that has its newline. err is nil at a clean end, errTorn at a torn one,
// errUnended when only the last newline is missing. Empty lines are passed
// over, as Filebeat does.
func readJournal(r io.Reader, fn func(op) error) (good int64, err error) {
	lines := bufio.NewReaderSize(r, 64<<10)
	var at int64
	var long []byte
	next := func() ([]byte, error) {
		for {
			line, err := readLine(lines, &long)
			at += int64(len(line))
			if err != nil || skipSpace(line, 0) < len(line) {
				return line, err
			}
		}
	}
	for {
		line, err := next()
		if errors.Is(err, io.EOF) && skipSpace(line, 0) == len(line) {
			return at, nil
		}
		if err != nil {
			return good, torn(line, err)
		}
		o, err := parseHead(line)
		if err != nil {
			return good, err
		}
		line, ended := next()
		if ended != nil && !(errors.Is(ended, io.EOF) && json.Valid(line)) {
			return good, torn(line, ended)
		}
		if err := o.parseBody(line); err != nil {
			return good, err
		}
		if err := fn(o); err != nil {
			return good, err
		}
		if ended != nil {
			return good, errUnended
		}
		good = at
	}
}

// torn tells a line without its end from one that was never an operation's.
func torn(line []byte, err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	if bytes.IndexByte(line, 0) >= 0 || (len(line) > 0 && line[0] != '{') {
		return fmt.Errorf("%.40q is not an operation", line)
	}
	return errTorn
}

// readLine reads one line with its newline. Lines longer than the reader's
// buffer are gathered in long.
func readLine(r *bufio.Reader, long *[]byte) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	*long = append((*long)[:0], line...)
	for errors.Is(err, bufio.ErrBufferFull) {
		if len(*long) > longestLine {
			return *long, fmt.Errorf("line is longer than %d bytes", longestLine)
		}
		line, err = r.ReadSlice('\n')
		*long = append(*long, line...)
	}
	return *long, err
}

func parseHead(line []byte) (op, error) {
	var o op
	if !json.Valid(line) {
		return o, fmt.Errorf("%.40q is not an operation", line)
	}
	known := false
	err := walkObject(line, func(name string, value []byte) (err error) {
		switch name {
		case "op":
			var kind string
			kind, err = unquote(value)
			o.remove = kind == "remove"
			known = o.remove || kind == "set"
		case "id":
			o.id, err = parseUint(value)
		}
		return err
	})
	switch {
	case err != nil:
		return o, fmt.Errorf("operation %.60q: %w", line, err)
	case !known:
		return o, fmt.Errorf("%.60q is not a set or remove operation", line)
	case o.id == 0 || o.id > highestID:
		return o, fmt.Errorf("operation %.60q has no usable id", line)
	}
	return o, nil
}

func (o *op) parseBody(line []byte) error {
	if !json.Valid(line) {
		return fmt.Errorf("operation %d: %.40q is not its key and value", o.id, line)
	}
	found := false
	err := walkObject(line, func(name string, value []byte) (err error) {
		switch {
		case strings.EqualFold(name, "k"):
			o.key, err = unquote(value)
			found = true
		case strings.EqualFold(name, "v"):
			o.value = value
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("operation %d: %w", o.id, err)
	}
	if !found {
		return fmt.Errorf("operation %d has no key", o.id)
	}
	if o.remove {
		o.value = nil
		return nil
	}
	if o.value == nil || isNull(o.value) {
		o.value = []byte("{}")
	}
	if o.value[0] != '{' {
		return fmt.Errorf("operation %d: the value is not an object", o.id)
	}
	return nil
}

package registry

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// rest is what Filebeat's value of a file holds beyond State; kept as written,
// each as ,"name":value pairs.
type rest struct {
	value  []byte // fields of the value
	meta   []byte // fields of a filestream's meta
	cursor []byte // fields of a filestream's cursor, true for cursorOffset only

	cursorOffset int64
	zeroCursor   bool // the cursor was {"offset":0}, not null
}

func appendField(b []byte, name string, value []byte) []byte {
	b = append(b, ',')
	b = appendString(b, name)
	b = append(b, ':')
	return append(b, value...)
}

// decodeValue reads the value of a file's entry. raw is a valid JSON object; a
// field "_key" in it is passed over. The error names the field that cannot be
// read.
func decodeValue(key string, raw []byte) (State, *rest, error) {
	d := decoder{state: State{Key: key}}
	field := d.logField
	if kindOf(key) == kindFilestream {
		field = d.filestreamField
		d.state.Type = typeFilestream
	}
	err := walkObject(raw, func(name string, value []byte) error {
		if name == "_key" {
			return nil
		}
		if err := field(name, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return State{}, nil, err
	}
	d.finish()
	return d.state, d.rest, nil
}

type decoder struct {
	state State
	rest  *rest
}

func (d *decoder) more() *rest {
	if d.rest == nil {
		d.rest = new(rest)
	}
	return d.rest
}

func (d *decoder) finish() {
	s := &d.state
	if id := identityOf(s.Key, s.IdentifierName); s.ID == "" || s.ID == id {
		s.ID = id // shares the key's memory
	}
	// Filebeat's checkpoints hold large numbers rounded: the id has them whole.
	if inode, device, ok := nativeOf(s.ID); ok && identifierOf(s.ID) == "native" {
		s.Inode, s.Device = inode, device
	}
	s.complete()
}

// common reads the fields that both kinds have.
func (d *decoder) common(name string, value []byte) (err error) {
	s := &d.state
	switch name {
	case "ttl":
		var n int64
		n, err = parseInt(value)
		s.TTL = time.Duration(n)
	case "generation":
		s.Generation, err = unquote(value)
	case "birth":
		s.Birth, err = parseBirth(value)
	case "prefix_hash":
		s.PrefixHash, err = unquote(value)
	case "prefix_length":
		s.PrefixLen, err = parseOffset(value)
	default:
		if name == "native" && d.place(value) {
			return nil
		}
		r := d.more()
		r.value = appendField(r.value, name, value)
	}
	return err
}

// place reads "<inode>-<device>" of a State that is not known by them.
func (d *decoder) place(value []byte) bool {
	text, err := unquote(value)
	if err != nil || kindOf(d.state.Key) != kindFilestream {
		return false
	}
	inode, device, ok := nativeOf("native::" + text)
	if ok {
		d.state.Inode, d.state.Device = inode, device
	}
	return ok
}

func (d *decoder) logField(name string, value []byte) (err error) {
	s := &d.state
	switch name {
	case "id":
		s.ID, err = unquote(value)
	case "prev_id":
		s.PrevID, err = unquote(value)
	case "identifier_name":
		s.IdentifierName, err = unquote(value)
	case "source":
		s.Source, err = unquote(value)
	case "offset":
		s.Offset, err = parseOffset(value)
	case "timestamp":
		s.Timestamp, err = decodeTime(value)
	case "type":
		s.Type, err = unquote(value)
	case "FileStateOS":
		err = d.stat(value)
	case "meta":
		s.Meta, err = decodeMeta(value)
	default:
		err = d.common(name, value)
	}
	return err
}

func (d *decoder) filestreamField(name string, value []byte) (err error) {
	s := &d.state
	switch name {
	case "updated":
		s.Timestamp, err = decodeTime(value)
	case "cursor":
		err = d.cursor(value)
	case "meta":
		if isNull(value) {
			return nil
		}
		err = walkObject(value, func(name string, value []byte) (err error) {
			switch name {
			case "source":
				s.Source, err = unquote(value)
			case "identifier_name":
				s.IdentifierName, err = unquote(value)
			default:
				r := d.more()
				r.meta = appendField(r.meta, name, value)
			}
			return err
		})
	default:
		err = d.common(name, value)
	}
	return err
}

func (d *decoder) cursor(value []byte) error {
	if isNull(value) {
		return nil
	}
	s := &d.state
	err := walkObject(value, func(name string, value []byte) (err error) {
		if name == "offset" {
			s.Offset, err = parseOffset(value)
			return err
		}
		r := d.more()
		r.cursor = appendField(r.cursor, name, value)
		return nil
	})
	if s.Offset == 0 {
		d.more().zeroCursor = true
	}
	if d.rest != nil {
		d.rest.cursorOffset = s.Offset
	}
	return err
}

// stat reads FileStateOS; other systems' numbers in it are passed over.
func (d *decoder) stat(value []byte) error {
	if isNull(value) {
		return nil
	}
	return walkObject(value, func(name string, value []byte) (err error) {
		switch name {
		case "inode":
			d.state.Inode, err = parseUint(value)
		case "device":
			d.state.Device, err = parseUint(value)
		}
		return err
	})
}

func parseOffset(value []byte) (int64, error) {
	n, err := parseInt(value)
	if err == nil && n < 0 {
		err = fmt.Errorf("%d is negative", n)
	}
	return n, err
}

// parseBirth reads a number, or one in a string: as we write it, since Filebeat
// would round a number of this size when it takes the entry into a checkpoint.
func parseBirth(value []byte) (int64, error) {
	if n := len(value); n > 2 && value[0] == '"' {
		value = value[1 : n-1]
	}
	return parseInt(value)
}

// decodeMeta reads null or a map of strings.
func decodeMeta(value []byte) (map[string]string, error) {
	if isNull(value) {
		return nil, nil
	}
	var m map[string]string
	err := walkObject(value, func(name string, value []byte) error {
		s, err := unquote(value)
		if m == nil {
			m = make(map[string]string)
		}
		m[name] = s
		return err
	})
	return m, err
}

// decodeTime reads [extra, seconds] or an RFC 3339 string.
func decodeTime(value []byte) (time.Time, error) {
	if len(value) > 0 && value[0] == '"' {
		s, err := unquote(value)
		if err != nil {
			return time.Time{}, err
		}
		return parseTimestamp(s)
	}
	inner, ok := bytes.CutPrefix(value, []byte("["))
	inner, ok2 := bytes.CutSuffix(inner, []byte("]"))
	a, b, ok3 := bytes.Cut(inner, []byte(","))
	if !ok || !ok2 || !ok3 {
		return time.Time{}, fmt.Errorf("%.40q is neither [extra, seconds] nor RFC 3339", value)
	}
	extra, err := parseUint(bytes.TrimSpace(a))
	if err != nil {
		return time.Time{}, err
	}
	seconds, err := parseSeconds(bytes.TrimSpace(b))
	if err != nil {
		return time.Time{}, err
	}
	return decodeTimestamp(extra, seconds)
}

// parseSeconds reads Unix seconds in two's complement, or with a sign.
func parseSeconds(b []byte) (uint64, error) {
	if n, err := strconv.ParseInt(string(b), 10, 64); err == nil {
		return uint64(n), nil
	}
	return parseUint(b)
}

// appendValue appends the value of a file's entry; with key also "_key", as in
// a checkpoint. doc.go specifies the fields.
func appendValue(b []byte, s *State, r *rest, key bool) []byte {
	b = append(b, '{')
	if key {
		b = append(b, `"_key":`...)
		b = appendString(b, s.Key)
		b = append(b, ',')
	}
	if r == nil {
		r = &noRest
	}
	if kindOf(s.Key) == kindFilestream {
		b = appendFilestream(b, s, r)
		if s.Inode != 0 && identifierOf(s.ID) != "native" {
			b = append(b, `,"native":"`...)
			b = strconv.AppendUint(b, s.Inode, 10)
			b = append(b, '-')
			b = strconv.AppendUint(b, s.Device, 10)
			b = append(b, '"')
		}
	} else {
		b = appendLog(b, s)
	}
	if s.Generation != "" {
		b = append(b, `,"generation":`...)
		b = appendString(b, s.Generation)
	}
	if s.Birth != 0 {
		b = append(b, `,"birth":"`...)
		b = strconv.AppendInt(b, s.Birth, 10)
		b = append(b, '"')
	}
	if s.PrefixHash != "" || s.PrefixLen != 0 {
		b = append(b, `,"prefix_hash":`...)
		b = appendString(b, s.PrefixHash)
		b = append(b, `,"prefix_length":`...)
		b = strconv.AppendInt(b, s.PrefixLen, 10)
	}
	b = append(b, r.value...)
	return append(b, '}')
}

var noRest rest

func appendLog(b []byte, s *State) []byte {
	b = append(b, `"id":`...)
	b = appendString(b, s.ID)
	b = append(b, `,"prev_id":`...)
	b = appendString(b, s.PrevID)
	b = append(b, `,"identifier_name":`...)
	b = appendString(b, s.IdentifierName)
	b = append(b, `,"source":`...)
	b = appendString(b, s.Source)
	b = append(b, `,"offset":`...)
	b = strconv.AppendInt(b, s.Offset, 10)
	b = append(b, `,"timestamp":`...)
	b = appendTime(b, s.Timestamp)
	b = append(b, `,"ttl":`...)
	b = strconv.AppendInt(b, int64(s.TTL), 10)
	b = append(b, `,"type":`...)
	b = appendString(b, s.Type)
	b = append(b, `,"FileStateOS":`...)
	b = appendStat(b, s)
	if len(s.Meta) > 0 {
		b = append(b, `,"meta":`...)
		b = appendMeta(b, s.Meta)
	}
	return b
}

func appendFilestream(b []byte, s *State, r *rest) []byte {
	b = append(b, `"ttl":`...)
	b = strconv.AppendInt(b, int64(s.TTL), 10)
	b = append(b, `,"updated":`...)
	b = appendTime(b, s.Timestamp)
	if s.Offset == 0 && !r.zeroCursor {
		b = append(b, `,"cursor":null`...)
	} else {
		b = append(b, `,"cursor":{"offset":`...)
		b = strconv.AppendInt(b, s.Offset, 10)
		if s.Offset == r.cursorOffset {
			b = append(b, r.cursor...)
		}
		b = append(b, '}')
	}
	b = append(b, `,"meta":{"source":`...)
	b = appendString(b, s.Source)
	b = append(b, `,"identifier_name":`...)
	b = appendString(b, s.IdentifierName)
	b = append(b, r.meta...)
	return append(b, '}')
}

func appendTime(b []byte, t time.Time) []byte {
	extra, seconds := encodeTimestamp(t)
	b = append(b, '[')
	b = strconv.AppendUint(b, extra, 10)
	b = append(b, ',')
	b = strconv.AppendUint(b, seconds, 10)
	return append(b, ']')
}

func appendStat(b []byte, s *State) []byte {
	b = append(b, `{"inode":`...)
	b = strconv.AppendUint(b, s.Inode, 10)
	b = append(b, `,"device":`...)
	b = strconv.AppendUint(b, s.Device, 10)
	return append(b, '}')
}

func appendMeta(b []byte, m map[string]string) []byte {
	b = append(b, '{')
	if len(m) == 1 {
		for k, v := range m {
			b = appendPair(b, k, v)
		}
		return append(b, '}')
	}
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendPair(b, k, m[k])
	}
	return append(b, '}')
}

func appendPair(b []byte, k, v string) []byte {
	b = appendString(b, k)
	b = append(b, ':')
	return appendString(b, v)
}

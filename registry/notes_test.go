package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A second reader of Filebeat's formats, made from their description and
// nothing else: it shares no code with the package. What it reads is what a
// Filebeat would have.

// noted is one file's entry as the description has it.
type noted struct {
	Source     string
	Offset     int64
	TTL        int64
	Type       string
	Unix       int64 // of the timestamp, nanoseconds
	Zone       int   // of the timestamp, seconds east of UTC
	Inode, Dev uint64
	ID, PrevID string
	Identifier string
	Meta       map[string]string
	NullCursor bool
}

// readNotes reads a folder of version 1: the highest checkpoint, and the
// operations behind it, which must follow each other.
func readNotes(dir string) (map[string]noted, error) {
	var meta struct{ Version string }
	if err := readJSON(filepath.Join(dir, "meta.json"), &meta); err != nil || meta.Version != "1" {
		return nil, fmt.Errorf("version %q, %w", meta.Version, err)
	}
	table := make(map[string]map[string]any)
	last, err := readNotedCheckpoint(dir, table)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(dir, "log.json"))
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	for {
		var head struct {
			Op string
			ID uint64
		}
		if err := dec.Decode(&head); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		var body struct {
			K string
			V map[string]any
		}
		if err := dec.Decode(&body); err != nil {
			return nil, err
		}
		if head.ID <= last {
			continue
		}
		if head.ID != last+1 {
			return nil, fmt.Errorf("operation %d follows %d", head.ID, last)
		}
		last = head.ID
		if delete(table, body.K); head.Op == "set" {
			table[body.K] = body.V
		}
	}
	out := make(map[string]noted)
	for key, value := range table {
		if !strings.HasPrefix(key, "filebeat::logs::") && !strings.HasPrefix(key, "filestream::") {
			continue
		}
		if out[key], err = note(key, value); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	return out, nil
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return dec.Decode(v)
}

func readNotedCheckpoint(dir string, table map[string]map[string]any) (last uint64, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		id, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(name), ".json"), 10, 64)
		if err == nil {
			last = max(last, id)
		}
	}
	if last == 0 {
		return 0, nil
	}
	path := filepath.Join(dir, fmt.Sprintf("%d.json", last))
	var entries []map[string]any
	if err := readJSON(path, &entries); err != nil {
		return 0, err
	}
	if active, err := os.ReadFile(filepath.Join(dir, "active.dat")); err != nil || string(active) != path {
		return 0, fmt.Errorf("active.dat says %q, %w", active, err)
	}
	for _, e := range entries {
		key, _ := e["_key"].(string)
		delete(e, "_key")
		table[key] = e
	}
	return last, nil
}

// note reads one value, and refuses what makes Filebeat drop a state: an
// object that it does not know.
func note(key string, v map[string]any) (n noted, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v in %v", p, v)
		}
	}()
	for name, value := range v {
		if _, nested := value.(map[string]any); nested && name != "FileStateOS" && name != "meta" && name != "cursor" {
			return n, fmt.Errorf("the field %s is an object", name)
		}
	}
	n.TTL = whole(v["ttl"])
	if strings.HasPrefix(key, "filestream::") {
		meta := v["meta"].(map[string]any)
		n.Source, n.Identifier = meta["source"].(string), meta["identifier_name"].(string)
		n.Unix, n.Zone = moment(v["updated"])
		if cursor, ok := v["cursor"].(map[string]any); ok {
			n.Offset = whole(cursor["offset"])
		} else {
			n.NullCursor = true
		}
		return n, nil
	}
	n.Source, n.Offset, n.Type = v["source"].(string), whole(v["offset"]), v["type"].(string)
	n.Unix, n.Zone = moment(v["timestamp"])
	n.ID, n.PrevID, n.Identifier = v["id"].(string), v["prev_id"].(string), v["identifier_name"].(string)
	stat := v["FileStateOS"].(map[string]any)
	n.Inode, n.Dev = unsigned(stat["inode"]), unsigned(stat["device"])
	if meta, ok := v["meta"].(map[string]any); ok {
		n.Meta = make(map[string]string)
		for name, value := range meta {
			n.Meta[name] = value.(string)
		}
	}
	return n, nil
}

func whole(v any) int64 {
	f, ok := new(big.Float).SetPrec(80).SetString(v.(json.Number).String())
	n, exact := f.Int64()
	if !ok || exact != big.Exact {
		panic(fmt.Sprintf("%v is no whole number", v))
	}
	return n
}

func unsigned(v any) uint64 {
	n, err := strconv.ParseUint(v.(json.Number).String(), 10, 64)
	if err != nil {
		f := must(v.(json.Number).Float64())
		return uint64(f)
	}
	return n
}

// moment reads [extra, seconds]: nanoseconds, zone in minutes << 32, version
// 0 << 56; a zone of -1 is UTC. A text is RFC 3339.
func moment(v any) (unix int64, zone int) {
	if text, ok := v.(string); ok {
		at := must(time.Parse(time.RFC3339Nano, text))
		_, zone = at.Zone()
		return at.UnixNano(), zone
	}
	pair := v.([]any)
	extra, seconds := unsigned(pair[0]), unsigned(pair[1])
	if len(pair) != 2 || extra>>56 != 0 {
		panic(fmt.Sprintf("timestamp %v", v))
	}
	zone = int(int16(extra>>32)) * 60
	if zone == -60 {
		zone = 0
	}
	return int64(seconds)*int64(time.Second) + int64(extra&math.MaxUint32), zone
}

// readNotedArray reads the array of version 0, as it is written: no two
// entries of one file.
func readNotedArray(path string) (map[string]noted, error) {
	var entries []struct {
		Source      string
		Offset      int64
		Timestamp   time.Time
		TTL         int64
		Type        string
		Meta        map[string]string
		FileStateOS struct{ Inode, Device uint64 }
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&entries); err != nil {
		return nil, err
	}
	out := make(map[string]noted)
	for _, e := range entries {
		_, zone := e.Timestamp.Zone()
		key := fmt.Sprintf("%d-%d-%v", e.FileStateOS.Inode, e.FileStateOS.Device, e.Meta)
		if _, twice := out[key]; twice {
			return nil, fmt.Errorf("%s is there twice", key)
		}
		out[key] = noted{
			Source: e.Source, Offset: e.Offset, TTL: e.TTL, Type: e.Type, Unix: e.Timestamp.UnixNano(), Zone: zone,
			Inode: e.FileStateOS.Inode, Dev: e.FileStateOS.Device, Meta: e.Meta,
		}
	}
	return out, nil
}

package golden

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// event is one event as JSON, numbers as they are written.
type event map[string]any

// volatile fields change from run to run.
var volatile = []string{
	"@timestamp", "agent.id", "agent.ephemeral_id", "agent.version", "agent.hostname", "ecs.version",
	"@metadata.version", "@metadata._id", "log.file.inode", "log.file.device_id", "log.file.fingerprint",
}

// outputFiles are the files in out that events were written to.
func outputFiles(out string) []string {
	a, err1 := filepath.Glob(filepath.Join(out, "*.ndjson"))
	b, err2 := filepath.Glob(filepath.Join(out, "events*"))
	if err1 != nil || err2 != nil {
		panic("a constant pattern is bad")
	}
	files := append(a, b...)
	slices.Sort(files)
	return slices.Compact(files)
}

// readEvents returns the events in out. A line that is no JSON object may be
// one that was still being written.
func readEvents(out string) (events []event, err error) {
	for _, path := range outputFiles(out) {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		some, _ := parseEvents(text)
		events = append(events, some...)
	}
	return events, nil
}

// countEvents counts the whole lines in out: cheap enough to be asked often.
func countEvents(out string) int {
	n := 0
	for _, path := range outputFiles(out) {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // just rotated away
		}
		for line := range bytes.Lines(text) {
			if line[len(line)-1] == '\n' && len(bytes.TrimSpace(line)) > 0 {
				n++
			}
		}
	}
	return n
}

// parseEvents reads one JSON object a line; bad counts the other lines.
func parseEvents(text []byte) (events []event, bad int) {
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		e, err := parseEvent(line)
		if err != nil {
			bad++
			continue
		}
		events = append(events, e)
	}
	return events, bad
}

func parseEvent(line []byte) (event, error) {
	if !utf8.Valid(line) {
		return nil, errors.New("is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var e event
	if err := d.Decode(&e); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) || e == nil {
		return nil, errors.New("is not one object")
	}
	return e, nil
}

// normalise drops the volatile fields but those in keep, and puts $CASE and
// $HOST where the case's folder and the host's name are.
func normalise(events []event, folder string, keep []string) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	short, _, _ := strings.Cut(host, ".")
	for _, e := range events {
		for _, field := range volatile {
			if !slices.Contains(keep, field) {
				drop(e, field)
			}
		}
		for name, v := range e {
			e[name] = neutral(v, folder, host, short)
		}
	}
	sortEvents(events)
	return nil
}

func drop(e event, field string) {
	node := map[string]any(e)
	parts := strings.Split(field, ".")
	for _, name := range parts[:len(parts)-1] {
		node, _ = node[name].(map[string]any)
	}
	delete(node, parts[len(parts)-1])
}

func neutral(v any, folder, host, short string) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = neutral(member, folder, host, short)
		}
	case []any:
		for i, member := range v {
			v[i] = neutral(member, folder, host, short)
		}
	case string:
		s := strings.ReplaceAll(v, folder, "$CASE")
		if s == host || s == short {
			return "$HOST"
		}
		return s
	}
	return v
}

// sortEvents sorts by file, offset, and then by all there is.
func sortEvents(events []event) {
	type sortable struct {
		path, all string
		offset    float64
		event     event
	}
	list := make([]sortable, 0, len(events))
	for _, e := range events {
		s := sortable{all: string(canonical(nil, map[string]any(e))), offset: -1, event: e}
		log, _ := e["log"].(map[string]any)
		file, _ := log["file"].(map[string]any)
		s.path, _ = file["path"].(string)
		if n, ok := log["offset"].(json.Number); ok {
			s.offset, _ = n.Float64()
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b sortable) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.offset, b.offset), cmp.Compare(a.all, b.all))
	})
	for i, s := range list {
		events[i] = s.event
	}
}

// canonical appends v as JSON in which equal values have equal bytes: fields
// sorted, numbers (1, 1.0, 1e0) in one form.
func canonical(b []byte, v any) []byte {
	switch v := v.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		b = append(b, '{')
		for i, name := range names {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = append(canonical(b, name), ": "...)
			b = canonical(b, v[name])
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i, member := range v {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = canonical(b, member)
		}
		return append(b, ']')
	case json.Number:
		return append(b, canonicalNumber(string(v))...)
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // nil, bool or string
	}
	return append(b, text...)
}

// canonicalNumber keeps integers exact and takes others as floating-point
// numbers of 64 bits.
func canonicalNumber(text string) string {
	if n, ok := new(big.Int).SetString(text, 10); ok {
		return n.String()
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	n, accuracy := big.NewFloat(f).Int(nil)
	if accuracy == big.Exact {
		return n.String()
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// compare says what differs between the events, the first one spelled out.
func compare(have, want []event) (problems []string) {
	if len(have) != len(want) {
		problems = append(problems, fmt.Sprintf("%d events, expected %d", len(have), len(want)))
	}
	for i := range max(len(have), len(want)) {
		h, w := "nothing", "nothing"
		if i < len(have) {
			h = string(canonical(nil, map[string]any(have[i])))
		}
		if i < len(want) {
			w = string(canonical(nil, map[string]any(want[i])))
		}
		if h != w {
			const most = 1500
			return append(problems, fmt.Sprintf("event %d\n    have %.*s\n    want %.*s", i, most, h, most, w))
		}
	}
	return problems
}

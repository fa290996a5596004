package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sampleFile is a log file that a sample's registry knows.
type sampleFile struct {
	name   string // below /var/log/gw
	inode  string // in the sample
	offset int
}

// A sample is the registry of a real Filebeat, with the configuration that
// made it. lines says whose lines come: type of the input and file. keys are
// the keys that a Filebeat continues with; NATIVE(file), FINGERPRINT(file) and
// DIR stand for what is found out.
type sample struct {
	name, store string // folder, and that of the store in it
	into        string // where its store goes, below path.data
	files       []sampleFile
	lines       []string
	keys        map[string]string // → file
	kept        []string          // keys of states that no input claims
}

const samples = "../../registry/testdata/samples"

func takenOver() []sample {
	v0 := sample{
		name: "v0-7.7.0-data.json", store: "registry/filebeat", into: "registry/filebeat",
		files: []sampleFile{{"a.log", "10535713", 9}, {"b.log", "10535729", 7}, {"c.log", "10535820", 0}, {"d.json", "10535825", 23}},
		lines: []string{"log a.log", "log b.log", "log c.log", "log d.json"},
		keys: map[string]string{
			"filebeat::logs::NATIVE(a.log)": "a.log", "filebeat::logs::NATIVE(b.log)": "b.log",
			"filebeat::logs::NATIVE(c.log)": "c.log", "filebeat::logs::NATIVE(d.json)": "d.json",
		},
	}
	v6 := v0 // its registry is the array's file
	v6.store, v6.into = "registry/filebeat/data.json", "registry"
	after := sample{
		name: "v1-after-migration-7.7-to-9.0", store: "registry/filebeat", into: "registry/filebeat",
		files: []sampleFile{{"a.log", "10535713", 12}, {"b.log", "10535729", 7}, {"c.log", "10535820", 0}, {"d.json", "10535825", 23}},
		lines: []string{"log a.log"},
		keys:  map[string]string{"filebeat::logs::NATIVE(a.log)": "a.log"},
		kept:  []string{"filebeat::logs::NATIVE(b.log)", "filebeat::logs::NATIVE(c.log)", "filebeat::logs::NATIVE(d.json)"},
	}
	second := after
	second.name = "v1-second-start"
	return []sample{v0, v6, after, second, {
		name: "v1-9.0.0-log.json", store: "registry/filebeat", into: "registry/filebeat",
		files: []sampleFile{{"a.log", "10536927", 9}, {"b.log", "10536928", 7}, {"c.log", "10536929", 0}, {"d.json", "10536930", 23}},
		lines: []string{"log a.log", "log b.log", "log c.log", "log d.json", "filestream a.log", "filestream b.log"},
		keys: map[string]string{
			"filebeat::logs::NATIVE(a.log)": "a.log", "filebeat::logs::NATIVE(b.log)": "b.log",
			"filebeat::logs::NATIVE(c.log)": "c.log", "filebeat::logs::path::DIR/d.json": "d.json",
			"filestream::fs1::NATIVE(a.log)": "a.log", "filestream::fs2-fingerprint-free::NATIVE(b.log)": "b.log",
		},
	}, {
		name: "v1-9.0.0-identities", store: ".", into: "registry/filebeat",
		files: []sampleFile{{"m.log", "10585652", 2111}, {"fp.log", "-", 62893}, {"p.log", "-", 2111}, {"f.log", "10585700", 2111}, {"cid/c.log", "10585704", 76}},
		lines: []string{"log m.log", "filestream fp.log", "filestream p.log", "filestream f.log", "container c.log"},
		keys: map[string]string{
			"filebeat::logs::inode_marker::INODE(m.log)-marker-1\n": "m.log",
			"filestream::fp::FINGERPRINT(fp.log)":                   "fp.log",
			"filestream::pth::path::DIR/p.log":                      "p.log",
			"filestream::.global::FINGERPRINT(f.log)":               "f.log", // as Filebeat 9 goes on with it
			"filebeat::logs::ea745ab688be85a9-NATIVE(cid/c.log)":    "cid/c.log",
		},
	}}
}

// TestTakeOver starts sluice on the registries of real Filebeats: what comes
// is what lies behind each offset, no more and no less, and the Filebeat that
// takes the folder back finds each file at its end. Then it starts again.
func TestTakeOver(t *testing.T) {
	for _, s := range takenOver() {
		t.Run(s.name+" in "+filepath.Base(s.into), func(t *testing.T) {
			m, out := newMachine(t), newShipped(t, nil)
			for _, f := range s.files {
				first := ""
				if f.offset > 0 {
					first = old(f.offset)
				}
				if strings.HasPrefix(f.name, "cid/") {
					first = docker("stdout", strings.Repeat("x", 76-len(docker("stdout", "")))) // one line
				}
				_, text := freshOf(f.name, 0, 20)
				m.write(m.log1(f.name), first+text)
			}
			m.install(s)
			m.configure(s.name, out.addr)
			keys := map[string]string{}
			for key, file := range s.keys {
				keys[m.expand(key)] = m.log1(file)
			}
			m.start("-E", "filebeat.registry.flush=200ms", "-E", "queue.mem.flush.timeout=100ms")
			m.settled(out, linesOf(s, 0, 20), keys)
			for _, key := range s.kept {
				entries, err := m.entries()
				if e, ok := entries[m.expand(key)]; !ok || err != nil || e.ttl != -2 {
					t.Errorf("%s is %+v: %v %v", key, e, ok, err)
				}
			}
			for _, f := range s.files {
				_, text := freshOf(f.name, 20, 23)
				m.append(m.log1(f.name), text)
			}
			m.start("-E", "filebeat.registry.flush=200ms", "-E", "queue.mem.flush.timeout=100ms")
			m.settled(out, linesOf(s, 20, 23), keys)
			m.exports(keys)
		})
	}
}

// exports checks what "sluice registry export" makes for Filebeat 7.0 to 7.8:
// the native log files among keys, each at its end.
func (m *machine) exports(keys map[string]string) {
	m.t.Helper()
	dir := m.path("export")
	if out, err := exec.Command(binary, "registry", "export", "--format", "filebeat-7", "--registry", filepath.Join(m.data, "registry"), dir).CombinedOutput(); err != nil {
		m.t.Fatalf("export: %v\n%s", err, out)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "filebeat/meta.json")); err != nil || string(b) != `{"version": "0"}` {
		m.t.Errorf("meta.json is %q, %v", b, err)
	}
	var list []struct {
		Source      string
		Offset, TTL int64
		Meta        map[string]string
		FileStateOS struct{ Inode, Device uint64 }
	}
	b, err := os.ReadFile(filepath.Join(dir, "filebeat/data.json"))
	if err != nil {
		m.t.Fatal(err)
	}
	if err := json.Unmarshal(b, &list); err != nil {
		m.t.Fatal(err)
	}
	offsets := map[string]int64{}
	for _, e := range list {
		if e.TTL != -2 {
			offsets[fmt.Sprintf("native::%d-%d %s", e.FileStateOS.Inode, e.FileStateOS.Device, e.Source)] = e.Offset
		}
	}
	want := map[string]int64{}
	for key, path := range keys {
		if strings.HasPrefix(key, "filebeat::logs::") && strings.HasSuffix(key, native(m.t, path)) {
			info, err := os.Stat(path)
			if err != nil {
				m.t.Fatal(err)
			}
			want[native(m.t, path)+" "+path] = info.Size()
		}
	}
	if !maps.Equal(offsets, want) {
		m.t.Errorf("exported %v, want %v", offsets, want)
	}
}

// log1 is the path of a file in the folder of the logs.
func (m *machine) log1(name string) string { return filepath.Join(m.path("var/log/gw"), name) }

// docker is a line of a container's log as Docker writes it.
func docker(stream, text string) string {
	return fmt.Sprintf("{\"log\":%q,\"stream\":%q,\"time\":\"2026-11-21T19:42:02.04Z\"}\n", text+"\n", stream)
}

// freshOf returns new lines of a file: what is sent, and what is written.
func freshOf(name string, from, to int) (lines []string, text string) {
	lines, text = fresh(filepath.Base(name), from, to)
	var b strings.Builder
	for _, line := range lines {
		switch {
		case strings.HasPrefix(name, "cid/"):
			b.WriteString(docker("stdout", line))
		case strings.HasSuffix(name, ".json"):
			fmt.Fprintf(&b, "{\"message\":%q}\n", line)
		}
	}
	if b.Len() > 0 {
		text = b.String()
	}
	return lines, text
}

func linesOf(s sample, from, to int) map[string][]string {
	want := map[string][]string{}
	for _, key := range s.lines {
		_, name, _ := strings.Cut(key, " ")
		want[key], _ = fresh(name, from, to)
	}
	return want
}

var placeholder = regexp.MustCompile(`(NATIVE|FINGERPRINT|INODE)\(([^)]*)\)`)

// expand fills in what a key says of a file.
func (m *machine) expand(key string) string {
	key = strings.ReplaceAll(key, "DIR", m.path("var/log/gw"))
	return placeholder.ReplaceAllStringFunc(key, func(s string) string {
		p := placeholder.FindStringSubmatch(s)
		switch p[1] {
		case "FINGERPRINT":
			return fingerprint(m.t, m.log1(p[2]))
		case "INODE":
			id := strings.TrimPrefix(native(m.t, m.log1(p[2])), "native::")
			inode, _, _ := strings.Cut(id, "-")
			return inode
		}
		return native(m.t, m.log1(p[2]))
	})
}

// install copies a sample's registry, with the paths, inodes, device and
// fingerprint of the files that are there.
func (m *machine) install(s sample) {
	m.t.Helper()
	pairs := []string{"/var/log/gw", m.path("var/log/gw"), "/var/lib/filebeat", m.data}
	for _, f := range s.files {
		if f.inode == "-" {
			continue
		}
		id := strings.TrimPrefix(native(m.t, m.log1(f.name)), "native::")
		inode, device, _ := strings.Cut(id, "-")
		pairs = append(pairs, f.inode, inode, "65024", device)
	}
	if s.name == "v1-9.0.0-identities" {
		pairs = append(pairs, "fingerprint::ae526db2e22eef9559df877dc0d4bb4ae986084a9edbe3411075047a7a1ea5e7", fingerprint(m.t, m.log1("fp.log")))
		m.write(m.path("var/tmp/marker"), "marker-1\n")
	}
	rewrite := strings.NewReplacer(pairs...)
	from := filepath.Join(samples, s.name, s.store)
	files := []string{"."}
	if entries, err := os.ReadDir(from); err == nil {
		files = nil
		for _, e := range entries {
			if e.Type().IsRegular() && e.Name() != "filebeat.yml" {
				files = append(files, e.Name())
			}
		}
	}
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			m.t.Fatal(err)
		}
		m.write(filepath.Join(m.data, s.into, name), rewrite.Replace(string(text)))
	}
}

var fileOutput = regexp.MustCompile(`(?m)^output\.file:.*\n(  .*\n)*`)

// configure takes a sample's configuration: only the paths and the output are
// others.
func (m *machine) configure(name, addr string) {
	m.t.Helper()
	if name == "v1-second-start" { // it has that of the start before
		name = "v1-after-migration-7.7-to-9.0"
	}
	text, err := os.ReadFile(filepath.Join(samples, name, "filebeat.yml"))
	if err != nil {
		m.t.Fatal(err)
	}
	conf := strings.NewReplacer("/var/log/gw", m.path("var/log/gw"), "/var/tmp", m.path("var/tmp")).Replace(string(text))
	m.write(m.conf, fileOutput.ReplaceAllString(conf, "")+fmt.Sprintf("output.logstash.hosts: [%q]\n", addr))
}

// TestTakeOverUnderAnotherIdentity: a.log is known under one key, and the
// configuration asks for another: another id or none, another file_identity,
// another type of input. Not a line comes twice.
func TestTakeOverUnderAnotherIdentity(t *testing.T) {
	const filestream, logs = "filestream", "log"
	for name, c := range map[string]struct {
		was   string
		input string // options beside paths
		is    string
	}{
		"the id changed":              {"filestream::one::NATIVE(a.log)", "{type: filestream, id: two, file_identity.native: ~", "filestream::two::NATIVE(a.log)"},
		"the id is missing":           {"filestream::one::NATIVE(a.log)", "{type: filestream, file_identity.native: ~", "filestream::.global::NATIVE(a.log)"},
		"an id was given":             {"filestream::.global::NATIVE(a.log)", "{type: filestream, id: one, file_identity.native: ~", "filestream::one::NATIVE(a.log)"},
		"8 to 9":                      {"filestream::one::NATIVE(a.log)", "{type: filestream, id: one", "filestream::one::FINGERPRINT(a.log)"},
		"the same fingerprint":        {"filestream::one::FINGERPRINT(a.log)", "{type: filestream, id: one", "filestream::one::FINGERPRINT(a.log)"},
		"id and identity":             {"filestream::one::NATIVE(a.log)", "{type: filestream, id: two", "filestream::two::FINGERPRINT(a.log)"},
		"path to fingerprint":         {"filestream::one::path::DIR/a.log", "{type: filestream, id: one", "filestream::one::FINGERPRINT(a.log)"},
		"path to native":              {"filestream::one::path::DIR/a.log", "{type: filestream, id: one, file_identity.native: ~", "filestream::one::NATIVE(a.log)"},
		"fingerprint to native":       {"filestream::one::FINGERPRINT(a.log)", "{type: filestream, id: one, file_identity.native: ~", "filestream::one::NATIVE(a.log)"},
		"fingerprint to path":         {"filestream::one::FINGERPRINT(a.log)", "{type: filestream, id: one, file_identity.path: ~", "filestream::one::path::DIR/a.log"},
		"native to path":              {"filestream::one::NATIVE(a.log)", "{type: filestream, id: one, file_identity.path: ~", "filestream::one::path::DIR/a.log"},
		"another fingerprint, new id": {"filestream::one::FINGERPRINT(a.log)", "{type: filestream, id: two, file_identity.fingerprint: ~", "filestream::two::FINGERPRINT(a.log)"},
		"log, native to path":         {"filebeat::logs::NATIVE(a.log)", "{type: log, file_identity.path: ~", "filebeat::logs::path::DIR/a.log"},
		"log, path to native":         {"filebeat::logs::path::DIR/a.log", "{type: log", "filebeat::logs::NATIVE(a.log)"},
		"log, native to marker":       {"filebeat::logs::NATIVE(a.log)", "{type: log, file_identity.inode_marker.path: MARKER", "filebeat::logs::inode_marker::INODE(a.log)-disk-1\n"},
		"log, another marker":         {"filebeat::logs::inode_marker::INODE(a.log)-disk-0\n", "{type: log, file_identity.inode_marker.path: MARKER", "filebeat::logs::inode_marker::INODE(a.log)-disk-1\n"},
		"filestream with marker":      {"filestream::one::inode_marker::INODE(a.log)-disk-1\n", "{type: filestream, id: one, file_identity.inode_marker.path: MARKER", "filestream::one::inode_marker::INODE(a.log)-disk-1\n"},
		"log becomes filestream":      {"filebeat::logs::NATIVE(a.log)", "{type: filestream, id: one", "filestream::one::FINGERPRINT(a.log)"},
		"log becomes it, take_over":   {"filebeat::logs::NATIVE(a.log)", "{type: filestream, id: one, take_over: true", "filestream::one::FINGERPRINT(a.log)"},
		"filestream becomes log":      {"filestream::one::FINGERPRINT(a.log)", "{type: log", "filebeat::logs::NATIVE(a.log)"},
	} {
		t.Run(name, func(t *testing.T) {
			m, out := newMachine(t), newShipped(t, nil)
			path, marker := m.log1("a.log"), m.path("marker")
			lines, text := fresh("a.log", 0, 10)
			m.write(path, old(2100)+text)
			m.write(marker, "disk-1\n")
			m.register(map[string]string{c.was: path}, 2100)
			m.write(m.conf, fmt.Sprintf("filebeat.inputs:\n- %s, paths: [%q]}\noutput.logstash.hosts: [%q]\n", strings.ReplaceAll(c.input, "MARKER", strconv.Quote(marker)), path, out.addr))
			kind := filestream
			if strings.Contains(c.input, "type: log") {
				kind = logs
			}
			keys := map[string]string{m.expand(c.is): path}
			m.start("-E", "filebeat.registry.flush=200ms", "-E", "queue.mem.flush.timeout=100ms")
			m.settled(out, map[string][]string{kind + " a.log": lines}, keys)
			if entries, err := m.entries(); err != nil || len(entries) != 1 {
				t.Errorf("%v, %v", entries, err)
			}
		})
	}
}

// streams are what the hashes of meta stand for, before 9 and later in it.
var streams = map[string]string{
	"ea745ab688be85a9": "stdout", "1b59052b95e61943": "stdout", "d1307a69d7b00e1d": "stderr", "d35e05a633229937": "stderr",
}

// register makes a registry of version 1 in which each file is sent up to
// offset.
func (m *machine) register(files map[string]string, offset int) {
	m.t.Helper()
	var b strings.Builder
	id := 0
	for key, path := range files {
		id++
		key = m.expand(key)
		var st syscall.Stat_t
		if err := syscall.Stat(path, &st); err != nil {
			m.t.Fatal(err)
		}
		_, identity, _ := strings.Cut(key, "::")
		_, identity, _ = strings.Cut(identity, "::")
		name, _, _ := strings.Cut(identity[strings.LastIndex(identity[:strings.Index(identity, "::")], "-")+1:], "::")
		value := map[string]any{
			"ttl": -1, "updated": []int64{59873181, 1795290122}, "cursor": map[string]int{"offset": offset},
			"meta": map[string]string{"source": path, "identifier_name": name},
		}
		if strings.HasPrefix(key, "filebeat::logs::") {
			value = map[string]any{
				"id": identity, "prev_id": "", "identifier_name": name, "source": path, "offset": offset, "type": "log",
				"timestamp": []int64{17548788, 1795290128}, "ttl": -1, "FileStateOS": map[string]uint64{"inode": st.Ino, "device": uint64(st.Dev)},
			}
			if stream := streams[strings.Split(identity, "-")[0]]; stream != "" {
				value["meta"], value["type"] = map[string]string{"stream": stream}, "container"
			}
		}
		body, err := json.Marshal(map[string]any{"k": key, "v": value})
		if err != nil {
			m.t.Fatal(err)
		}
		fmt.Fprintf(&b, "{\"op\":\"set\",\"id\":%d}\n%s\n", id, body)
	}
	m.write(filepath.Join(m.data, "registry/filebeat/log.json"), b.String())
	m.write(filepath.Join(m.data, "registry/filebeat/meta.json"), `{"version":"1"}`)
}

// TestTakeOverOfContainers: both streams of a container's log have States of
// their own, in either type of input.
func TestTakeOverOfContainers(t *testing.T) {
	for name, c := range map[string]struct {
		keys          [2]string // of stdout, stderr
		kind, options string
	}{
		"container":          {[2]string{"filebeat::logs::ea745ab688be85a9-NATIVE(cid/c.log)", "filebeat::logs::d1307a69d7b00e1d-NATIVE(cid/c.log)"}, "container", "type: container, stream: %s"},
		"container, later 9": {[2]string{"filebeat::logs::1b59052b95e61943-NATIVE(cid/c.log)", "filebeat::logs::d35e05a633229937-NATIVE(cid/c.log)"}, "container", "type: container, stream: %s"},
		"filestream":         {[2]string{"filestream::stdout::NATIVE(cid/c.log)-stdout", "filestream::stderr::NATIVE(cid/c.log)-stderr"}, "filestream", "type: filestream, id: %[1]s, file_identity.native: ~, parsers: [container: {stream: %[1]s}]"},
	} {
		t.Run(name, func(t *testing.T) {
			m, out := newMachine(t), newShipped(t, nil)
			path := m.log1("cid/c.log")
			sent := docker("stdout", "old") + docker("stderr", "old")
			m.write(path, sent+docker("stderr", "new 1")+docker("stdout", "new 2")+docker("stderr", "new 3"))
			m.register(map[string]string{c.keys[0]: path, c.keys[1]: path}, len(sent))
			conf := "filebeat.inputs:\n"
			for _, stream := range []string{"stdout", "stderr"} {
				conf += fmt.Sprintf("- {"+c.options, stream) + fmt.Sprintf(", paths: [%q]}\n", path)
			}
			m.write(m.conf, conf+fmt.Sprintf("output.logstash.hosts: [%q]\n", out.addr))
			keys := map[string]string{m.expand(c.keys[0]): path, m.expand(c.keys[1]): path}
			m.start("-E", "filebeat.registry.flush=200ms", "-E", "queue.mem.flush.timeout=100ms")
			eventually(t, "three lines have come", func() bool { return out.total() >= 3 })
			eventually(t, "both are at the end", func() bool { return m.behind(keys) == "" })
			m.stop()
			got := out.take()[c.kind+" c.log"]
			seen := map[string]int{}
			for _, line := range got {
				seen[strings.TrimSuffix(line, "\n")]++
			}
			if len(got) != 3 || seen["new 1"] != 1 || seen["new 2"] != 1 || seen["new 3"] != 1 {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestTakeOverOfATruncatedFile: a file that is shorter than its offset was
// begun anew, and is sent whole, as Filebeat does.
func TestTakeOverOfATruncatedFile(t *testing.T) {
	for key, input := range map[string]string{
		"filebeat::logs::NATIVE(a.log)":  "type: log",
		"filestream::one::NATIVE(a.log)": "type: filestream, id: one, file_identity.native: ~",
	} {
		t.Run(input, func(t *testing.T) {
			m, out := newMachine(t), newShipped(t, nil)
			path := m.log1("a.log")
			lines, text := fresh("a.log", 0, 10)
			m.write(path, text)
			m.register(map[string]string{key: path}, 5000)
			m.write(m.conf, fmt.Sprintf("filebeat.inputs: [{%s, paths: [%q]}]\noutput.logstash.hosts: [%q]\n", input, path, out.addr))
			kind, _, _ := strings.Cut(strings.TrimPrefix(input, "type: "), ",")
			m.start("-E", "filebeat.registry.flush=200ms", "-E", "queue.mem.flush.timeout=100ms")
			m.settled(out, map[string][]string{kind + " a.log": lines}, map[string]string{m.expand(key): path})
		})
	}
}

// TestTakeOverCollectsWhatFilebeatCollects: States of filestream inputs that
// are gone end with their TTL; those of log inputs stay, as in Filebeat.
func TestTakeOverCollectsWhatFilebeatCollects(t *testing.T) {
	m, out := newMachine(t), newShipped(t, nil)
	path := m.log1("a.log")
	_, text := fresh("a.log", 0, 1)
	m.write(path, text)
	elsewhere := m.path("opt/gone.log")
	m.write(elsewhere, text)
	m.register(map[string]string{"filestream::one::NATIVE(a.log)": path, "filestream::gone::native::9-9": elsewhere, "filebeat::logs::native::9-9": elsewhere}, len(text))
	journal := filepath.Join(m.data, "registry/filebeat/log.json")
	b, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	m.write(journal, strings.ReplaceAll(string(b), `"ttl":-1`, `"ttl":0`))
	m.write(m.conf, fmt.Sprintf("filebeat.inputs: [{type: filestream, id: one, file_identity.native: ~, prospector.scanner.check_interval: 100ms, paths: [%q]}]\noutput.logstash.hosts: [%q]\n", path, out.addr))
	m.start("-E", "filebeat.registry.flush=100ms", "-E", "filebeat.registry.cleanup_interval=100ms")
	eventually(t, "what nobody claims is gone", func() bool {
		entries, err := m.entries()
		_, there := entries["filestream::gone::native::9-9"]
		return err == nil && !there
	})
	m.stop()
	entries, err := m.entries()
	claimed := entries[m.expand("filestream::one::NATIVE(a.log)")].ttl == -1
	_, logs := entries["filebeat::logs::native::9-9"]
	if err != nil || !claimed || !logs || out.total() > 0 {
		t.Errorf("left are %v, %v; %d lines came", entries, err, out.total())
	}
}

// TestRunningFilebeatIsRefused: its lock is held by a process that is no
// sluice; the start ends at once and says by which.
func TestRunningFilebeatIsRefused(t *testing.T) {
	m := newMachine(t)
	lock := filepath.Join(m.data, "filebeat.lock")
	m.write(lock, "")
	theirs, err := os.Open(lock)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	if err := syscall.Flock(int(theirs.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	m.write(m.conf, "filebeat.inputs: [{type: log, paths: [/nowhere]}]\noutput.logstash.hosts: [localhost]\n")
	begin := time.Now()
	m.start()
	err = m.cmd.Wait()
	m.cmd = nil
	if took := time.Since(begin); err == nil || took > 10*time.Second {
		t.Errorf("it ended with %v after %v", err, took)
	}
	if said := m.log.String(); !strings.Contains(said, m.data+" is in use by another sluice or Filebeat (filebeat.lock is locked by ") || !strings.Contains(said, fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("it said %s", said)
	}
	if _, err := os.Stat(filepath.Join(m.data, "registry")); err == nil {
		t.Error("it has made a registry all the same")
	}
}

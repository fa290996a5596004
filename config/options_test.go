package config

import (
	"fmt"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// optionRow is an option of Filebeat's reference; testdata/options.txt explains.
type optionRow struct {
	line           int
	name, mark     string
	def, ours, why string // Filebeat's default, and ours where it differs
	value          string
	proofs         []string
	around         string // the configuration, with OPTION
}

// with is the row's configuration with a value for the option; empty: without it.
func (r *optionRow) with(value string) string {
	if value == "" {
		return strings.ReplaceAll(r.around, "OPTION", "")
	}
	return strings.ReplaceAll(r.around, "OPTION", r.name+": "+value)
}

func (r *optionRow) String() string { return fmt.Sprintf("options.txt:%d: %s", r.line, r.name) }

func readOptions(t *testing.T) (rows []*optionRow) {
	t.Helper()
	data, err := os.ReadFile("testdata/options.txt")
	if err != nil {
		t.Fatal(err)
	}
	around, begun := "", false
	for i, line := range strings.Split(string(data), "\n") {
		if text, ok := strings.CutPrefix(line, "> "); ok {
			if !begun {
				around = ""
			}
			around, begun = around+text+"\n", true
			continue
		}
		begun = false
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		cells := strings.Split(line, " |")
		if len(cells) != 5 {
			t.Fatalf("options.txt:%d: %d cells, want 5", i+1, len(cells))
		}
		for j := range cells {
			cells[j] = strings.TrimSpace(cells[j])
		}
		r := &optionRow{line: i + 1, name: cells[0], mark: cells[1], def: cells[2], value: cells[3], proofs: strings.Fields(cells[4]), around: around}
		if def, ours, differs := strings.Cut(r.def, " => "); differs {
			r.def = def
			r.ours, r.why, _ = strings.Cut(ours, ": ")
		}
		rows = append(rows, r)
	}
	return rows
}

// decoded is a configuration without what depends on its text, and its warnings.
func decoded(t *testing.T, r *optionRow, value string) (Config, []string) {
	t.Helper()
	c, err := Parse("f.yml", []byte(r.with(value)))
	if err != nil {
		t.Errorf("%s: with %q: %v", r, value, err)
		return Config{}, nil
	}
	warnings := c.Warnings
	c.Warnings, c.root, c.source = nil, nil, source{}
	return *c, warnings
}

func TestEveryOptionOfTheReference(t *testing.T) {
	rows := readOptions(t)
	if len(rows) < 250 {
		t.Fatalf("only %d options", len(rows))
	}
	proved := proofs(t)
	for _, r := range rows {
		switch r.mark {
		case "*", "+":
			checkKnown(t, r)
		case "0":
			checkWithoutEffect(t, r)
		case "x":
			checkRefused(t, r)
		case "-":
		default:
			t.Errorf("%s: mark %q", r, r.mark)
		}
		if len(r.proofs) == 0 && strings.Contains("*+-", r.mark) {
			t.Errorf("%s: nothing proves it", r)
		}
		for _, p := range r.proofs {
			if !proved(p) {
				t.Errorf("%s: there is no %s", r, p)
			}
		}
	}
}

// checkKnown sees that the option is decoded, and has the documented default.
func checkKnown(t *testing.T, r *optionRow) {
	t.Helper()
	if r.value != "-" {
		other, said := decoded(t, r, r.value)
		for _, w := range said {
			if strings.Contains(w, "no effect") {
				t.Errorf("%s: %s", r, w)
			}
		}
		if r.def == "required" {
			if _, err := Parse("f.yml", []byte(r.with(""))); err == nil && r.name != "id" {
				t.Errorf("%s: it may be missing", r)
			}
			return
		}
		if _, err := Parse("f.yml", []byte(r.with(""))); err != nil && r.def == "-" {
			return // one of several is needed
		}
		without, _ := decoded(t, r, "")
		if reflect.DeepEqual(other, without) && r.name != "allow_deprecated_use" && r.name != "filebeat.registry.backend" {
			t.Errorf("%s: %s changes nothing", r, r.value)
		}
	}
	if r.def == "-" || r.def == "required" {
		return
	}
	without, _ := decoded(t, r, "")
	theirs, _ := decoded(t, r, r.def)
	same := reflect.DeepEqual(theirs, without)
	switch {
	case r.ours == "" && !same:
		t.Errorf("%s: the default is not %s", r, r.def)
	case r.ours != "" && r.why == "":
		t.Errorf("%s: no reason for another default", r)
	case r.ours != "" && same:
		t.Errorf("%s: the default is %s: it is no difference", r, r.def)
	case r.ours != "":
		if ours, _ := decoded(t, r, r.ours); !reflect.DeepEqual(ours, without) {
			t.Errorf("%s: the default is not %s", r, r.ours)
		}
	}
}

// checkWithoutEffect wants exactly one warning that names the option, or the
// section that has no effect, and none for a value that asks for nothing.
func checkWithoutEffect(t *testing.T, r *optionRow) {
	t.Helper()
	_, before := decoded(t, r, "")
	_, after := decoded(t, r, r.value)
	after = slices.DeleteFunc(after, func(w string) bool {
		return !strings.Contains(w, "has no effect") && slices.ContainsFunc(before, func(b string) bool { return tail(b) == tail(w) })
	})
	if len(after) != 1 || !strings.Contains(after[0], "has no effect: ") {
		t.Errorf("%s: warnings %q, want one", r, after)
		return
	}
	named := strings.Split(after[0], ": ")[1]
	part := r.name
	for part != "" && named != part && !strings.HasSuffix(named, "."+part) {
		part = part[:max(0, strings.LastIndexByte(part, '.'))]
	}
	if part == "" {
		t.Errorf("%s: the warning is about %s", r, named)
	}
	if r.def == "-" || r.def == "required" || strings.HasPrefix(r.name, "queue.disk") {
		return
	}
	if _, silent := decoded(t, r, r.def); len(silent) > len(before) {
		t.Errorf("%s: a warning for the default: %q", r, silent)
	}
}

// tail is a warning without its place.
func tail(w string) string { _, text, _ := strings.Cut(w, ": "); return text }

// checkRefused wants exactly one line that names the option and says that it
// is not supported.
func checkRefused(t *testing.T, r *optionRow) {
	t.Helper()
	_, err := Parse("f.yml", []byte(r.with(r.value)))
	if err == nil {
		t.Errorf("%s: it is accepted", r)
		return
	}
	section, _, _ := strings.Cut(r.name, ".")
	if text := err.Error(); strings.Contains(text, "\n") || !strings.Contains(text, "not supported by sluice: ") || !strings.Contains(text, section) {
		t.Errorf("%s: %s", r, text)
	}
}

// proofs finds the tests of the module; the returned function says whether one
// of that name exists.
func proofs(t *testing.T) func(name string) bool {
	t.Helper()
	tests := make(map[string]map[string]bool)
	ofFolder := func(dir string) map[string]bool {
		if tests[dir] != nil {
			return tests[dir]
		}
		names := make(map[string]bool)
		files, _ := filepath.Glob(filepath.Join("..", dir, "*_test.go"))
		for _, path := range files {
			file, err := goparser.ParseFile(token.NewFileSet(), path, nil, goparser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
					names[fn.Name.Name] = true
				}
			}
		}
		tests[dir] = names
		return names
	}
	return func(name string) bool {
		if c, ok := strings.CutPrefix(name, "golden:"); ok {
			return exists("../internal/golden/testdata/" + c + "/filebeat.yml")
		}
		if script, ok := strings.CutPrefix(name, "script:"); ok {
			return exists("../cmd/sluice/testdata/script/" + script + ".txtar")
		}
		dir, fn, _ := strings.Cut(name, ".")
		return strings.HasPrefix(fn, "Test") && ofFolder(dir)[fn]
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Every encoding of Filebeat's documentation, and names that only the WHATWG
// list has. Golden cases (inputs/enc-…) read files of most of them.
func TestEveryEncodingIsKnown(t *testing.T) {
	names := strings.Fields(`plain nop utf-8 utf8 unicode-1-1-utf-8 utf-16-bom utf-16le-bom utf-16be-bom gbk
		iso8859-1 iso8859-2 iso8859-3 iso8859-4 iso8859-5 iso8859-6 iso8859-6e iso8859-6i iso8859-7 iso8859-8 iso8859-8e iso8859-8i
		iso8859-9 iso8859-10 iso8859-13 iso8859-14 iso8859-15 iso8859-16
		cp437 cp850 cp852 cp855 cp858 cp860 cp862 cp863 cp865 cp866 ebcdic-037 ebcdic-1040 ebcdic-1047 koi8r koi8u macintosh macintosh-cyrillic
		windows1250 windows1251 windows1252 windows1253 windows1254 windows1255 windows1256 windows1257 windows1258 windows874
		shift_jis euc-kr euc-jp big5 gb18030 utf-16le utf-16be latin1 iso-2022-jp hz-gb-2312`)
	for _, name := range names {
		if got := faultsOf(t, "filebeat.inputs: [{type: log, paths: [/x], encoding: "+name+"}]\n"); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := faultsOf(t, "filebeat.inputs: [{type: log, paths: [/x], encoding: utf-42}]\n"); !strings.Contains(got, `filebeat.inputs.0.encoding: "utf-42" is unknown`) {
		t.Errorf("an unknown one: %s", got)
	}
}

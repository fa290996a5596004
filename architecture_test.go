// Package sluice_test holds the rules of the whole tree.
package sluice_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mayImport is the import table of ARCHITECTURE.md: what each package may
// import of ours. The sources are parsed rather than listed by the go
// command, whose answer can come from the test cache.
var mayImport = map[string][]string{
	"internal/durable":      {},
	"internal/tlsconfig":    {},
	"internal/deflate":      {},
	"internal/order":        {},
	"internal/failover":     {},
	"internal/event":        {},
	"internal/syslog":       {},
	"internal/monitor":      {"internal/order"},
	"internal/formatstring": {"internal/event"},
	"internal/keystore":     {"internal/durable"},
	"internal/logfile":      {"internal/durable", "internal/order"},
	"internal/parser":       {"internal/event", "internal/syslog"},
	"internal/processor":    {"internal/durable", "internal/event", "internal/formatstring", "internal/syslog", "internal/order"},
	"internal/localout":     {"internal/event", "internal/formatstring", "internal/logfile"},
	"internal/pki":          {"internal/durable"},
	"internal/setup":        {"config", "deploy/server", "elasticsearch", "logstash", "internal/durable", "internal/keystore", "internal/pki", "internal/tlsconfig", "systemd"},
	"systemd":               {},
	"deploy/server":         {},
	"firmware/sketch":       {},
	"firmware/avr":          {"firmware/sketch"},
	"firmware/esp8266":      {"firmware/sketch"},
	"registry":              {"internal/durable", "internal/order"},
	"recorder":              {"internal/durable", "internal/tlsconfig", "internal/order"},
	"logstash":              {"internal/tlsconfig", "internal/deflate", "internal/failover"},
	"elasticsearch":         {"internal/deflate", "internal/event", "internal/failover", "internal/formatstring", "internal/processor", "internal/tlsconfig"},
	"tailer":                {"registry", "internal/durable", "internal/event", "internal/formatstring", "internal/parser", "internal/processor", "internal/tlsconfig"},
	"cleaner":               {"registry", "internal/durable", "internal/order"},
	"config":                {"registry", "recorder", "logstash", "elasticsearch", "tailer", "cleaner", "internal/tlsconfig", "internal/keystore", "internal/localout", "internal/logfile", "internal/monitor", "internal/parser", "internal/processor", "internal/order"},
	"internal/gateway":      {"config", "registry", "recorder", "logstash", "elasticsearch", "tailer", "cleaner", "internal/durable", "internal/localout", "internal/monitor"},
	"internal/demo":         {"config", "internal/gateway", "registry", "recorder", "logstash", "tailer", "cleaner", "internal/tlsconfig"},
	"cmd/sluice":            {"config", "internal/gateway", "internal/demo", "internal/pki", "internal/setup", "registry", "recorder", "tailer", "cleaner", "internal/durable", "internal/keystore", "internal/logfile", "internal/monitor", "internal/order"},
}

// beside are folders whose code is no part of the program: tests, benchmarks, packaging.
var beside = []string{"bench", "deploy", "internal/e2e", "internal/esnode", "internal/nspawn"}

type source struct {
	path, pkg string
	file      *ast.File
	text      []byte
	set       *token.FileSet
}

func sources(t *testing.T) (all []source) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "tools") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		s := source{path: path, pkg: filepath.ToSlash(filepath.Dir(path)), text: text, set: token.NewFileSet()}
		s.file, err = parser.ParseFile(s.set, path, text, parser.ParseComments)
		all = append(all, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d sources found: the test looks at the wrong folder", len(all))
	}
	return all
}

// owner returns the package of the table that a folder belongs to: helpers
// of a package's tests and generators lie below it.
func owner(pkg string) string {
	for p := pkg; p != "."; p = filepath.Dir(p) {
		if _, ok := mayImport[p]; ok {
			return p
		}
	}
	return ""
}

func TestImportsFollowTheTable(t *testing.T) {
	for _, s := range sources(t) {
		own := owner(s.pkg)
		if own == "" {
			if !slices.ContainsFunc(beside, func(dir string) bool { return strings.HasPrefix(s.pkg, dir) }) {
				t.Errorf("%s: package %s is not in the import table", s.path, s.pkg)
			}
			continue
		}
		for _, imp := range s.file.Imports {
			path, ours := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), "sluice/")
			if !ours || owner(path) == own {
				continue
			}
			if !slices.Contains(mayImport[own], owner(path)) {
				t.Errorf("%s imports %s, which the table forbids for %s", s.path, path, own)
			}
		}
	}
}

// ARCHITECTURE.md shows the same table.
func TestArchitectureTableIsTrue(t *testing.T) {
	doc, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for pkg, imports := range mayImport {
		list := "–"
		if len(imports) > 0 {
			list = "`" + strings.Join(imports, "`, `") + "`"
		}
		if row := fmt.Sprintf("| `%s` | %s |", pkg, list); !bytes.Contains(doc, []byte(row)) {
			t.Errorf("ARCHITECTURE.md lacks the row %s", row)
		}
	}
}

// Growth is the enemy: a file under about 500 lines, a function under about 60.
func TestFilesAndFunctionsStaySmall(t *testing.T) {
	const fileLines, funcLines = 500, 75
	for _, s := range sources(t) {
		if n := bytes.Count(s.text, []byte("\n")); n > fileLines {
			t.Errorf("%s has %d lines, more than %d: split it by nouns", s.path, n, fileLines)
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				if n := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line; n > funcLines {
					t.Errorf("%s: function %s has %d lines, more than %d", s.path, f.Name.Name, n, funcLines)
				}
			}
		}
	}
}

func TestEveryPackageIsExplained(t *testing.T) {
	explained := map[string]bool{}
	for _, s := range sources(t) {
		explained[s.pkg] = explained[s.pkg] || s.file.Doc != nil && len(s.file.Doc.Text()) > 100
	}
	for pkg, ok := range explained {
		if !ok && pkg != "." {
			t.Errorf("package %s has no package comment that a newcomer could start from", pkg)
		}
	}
}

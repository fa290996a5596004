// Package docs_test keeps the guide true. Its shell blocks are run in their order in
// a booted container (run_test.go), and what they print is held against the page;
// its YAML is read as a configuration; its commands, flags, links and error texts
// are looked up. The pages about Elasticsearch are run against real nodes
// (elastic_test.go), by make test-elasticsearch.
//
// In a page,
//
//   - a block "sh" is run, unless its first line begins with "# needs real
//     hardware" or "# needs the product";
//   - a block "text" right behind one shows lines of its output, in order; … stands
//     for anything;
//   - a block "yaml" is a configuration;
//   - code that begins with "sluice " is a command line.
package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"sluice/config"
)

// build makes the program that the guide is about, once for all tests.
var build = sync.OnceValues(func() (string, error) {
	dir, err := scratch()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, "sluice"), "sluice/cmd/sluice")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return filepath.Join(dir, "sluice"), cmd.Run()
})

func program(t *testing.T) string {
	t.Helper()
	path, err := build()
	must(t, err)
	return path
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// Every link leads to a file that is there, and to a heading in it.
func TestLinks(t *testing.T) {
	for _, name := range pages(t) {
		n := 0
		for _, m := range link.FindAllStringSubmatch(outside(page(t, name)), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			n++
			path, anchor, _ := strings.Cut(m[1], "#")
			if path == "" {
				path = name
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: link to %s: %v", name, m[1], err)
			} else if anchor != "" && !slices.Contains(anchors(page(t, path)), anchor) {
				t.Errorf("%s: link to %s: %s has no such heading", name, m[1], path)
			}
		}
		if n == 0 && slices.Contains(ourPages, name) {
			t.Errorf("%s links to nothing", name)
		}
	}
}

// anchors are the headings of a page as links name them.
func anchors(text string) (all []string) {
	drop := regexp.MustCompile(`[^\pL\pN _-]`)
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(outside(text), -1) {
		all = append(all, strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return all
}

// The index names every page, and the pages it names are there (TestLinks).
func TestIndex(t *testing.T) {
	index := page(t, "README.md")
	for _, name := range pages(t) {
		if name != "README.md" && !strings.Contains(index, "]("+name) {
			t.Errorf("README.md does not lead to %s", name)
		}
	}
}

// A shell block is run by a test, or says that it can't be.
func TestEveryBlockIsRunOrMarked(t *testing.T) {
	// vpn.md has a test of its own; migration.md has the commands of filebeat.md; the
	// server's pages need a node.
	elsewhere := map[string]string{
		"vpn.md": "../deploy/vpn/guide_test.go", "filebeat.md": "migration.md", "coverage.md": "serverpages_test.go",
		"elasticsearch.md": "elastic_test.go", "server.md": "elastic_test.go", "dashboards.md": "elastic_test.go", "backup.md": "elastic_test.go",
	}
	for _, name := range pages(t) {
		if where := elsewhere[name]; where != "" {
			if text, err := os.ReadFile(where); err != nil || !strings.Contains(string(text), name) {
				t.Errorf("%s is said to be tested by %s: %v", name, where, err)
			}
			continue
		}
		if !slices.Contains(ourPages, name) {
			t.Errorf("%s is run by no test; put it into ourPages", name)
		}
		for _, b := range blocks(t, name) {
			switch b.Kind {
			case "sh", "text", "yaml", "json", "logstash":
			default:
				t.Errorf("%s:%d: a block of kind %q; shell is sh, output is text", name, b.Line, b.Kind)
			}
		}
	}
}

// What the guide shows is accepted as it stands, without a warning.
func TestConfigurations(t *testing.T) {
	t.Setenv("MQTT_PASSWORD", "secret")
	t.Setenv("ELASTIC_API_KEY", "id:key")
	t.Setenv("CREDENTIALS_DIRECTORY", t.TempDir())
	n := 0
	for _, name := range pages(t) {
		for _, b := range blocks(t, name) {
			if b.Kind != "yaml" {
				continue
			}
			n++
			cfg, err := config.Parse(name, []byte(b.Text))
			if err != nil {
				t.Errorf("%s:%d: %v", name, b.Line, err)
			} else if len(cfg.Warnings) > 0 {
				t.Errorf("%s:%d: warnings %q", name, b.Line, cfg.Warnings)
			}
		}
	}
	if n < 4 {
		t.Errorf("only %d configurations found", n)
	}
}

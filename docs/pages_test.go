package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// gatewayPages are run in this order on one machine: each goes on with what the
// ones before have left. migrationPages begin on a machine of the report.
var (
	gatewayPages   = []string{"README.md", "devices.md", "gateway.md", "sizing.md", "security.md", "troubleshooting.md"}
	migrationPages = []string{"migration.md"}
	ourPages       = slices.Concat(gatewayPages, migrationPages)
)

// hardware and product mark a block that can't be run here, in its first line.
const (
	hardware = "# needs real hardware"
	product  = "# needs the product"
)

// block is a fenced part of a page.
type block struct {
	Page string
	Line int    // of the fence
	Kind string // what stands behind the fence
	File string // where its text belongs, which may stand behind the kind
	Text string
	Want string // of a shell block: what the text block behind it shows
}

// dry tells whether the block needs what no test has.
func (b block) dry() bool {
	return strings.HasPrefix(b.Text, hardware) || strings.HasPrefix(b.Text, product)
}

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pages are all of this folder.
func pages(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range ourPages {
		if !slices.Contains(all, name) {
			t.Fatalf("%s is missing", name)
		}
	}
	return all
}

var fence = regexp.MustCompile("^( *)```(.*)$")

// blocks returns the fenced blocks of a page; a text block that follows a shell
// block at once is what that prints.
func blocks(t *testing.T, name string) (all []block) {
	t.Helper()
	var open *block
	indent, shell := "", -1
	for i, line := range strings.Split(page(t, name), "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case m == nil && open == nil:
			if strings.TrimSpace(line) != "" {
				shell = -1
			}
		case m == nil:
			open.Text += strings.TrimPrefix(line, indent) + "\n"
		case open == nil:
			open, indent = &block{Page: name, Line: i + 1}, m[1]
			open.Kind, open.File, _ = strings.Cut(m[2], " ")
		default:
			if open.Kind == "text" && shell >= 0 {
				all[shell].Want = open.Text
			}
			all, shell = append(all, *open), -1
			if open.Kind == "sh" {
				shell = len(all) - 1
			}
			open = nil
		}
	}
	if open != nil {
		t.Errorf("%s:%d: the block has no end", name, open.Line)
	}
	return all
}

// outside is a page without its blocks.
func outside(text string) string {
	return regexp.MustCompile("(?ms)^ *```.*?^ *```$").ReplaceAllString(text, "")
}

// missing returns the first line of want that the output lacks, or "". Lines come in
// order, … stands for anything, and a line may go on.
func missing(output, want string) string {
	output = squeeze(output)
	for line := range strings.Lines(squeeze(want)) {
		line = strings.TrimSpace(line)
		if line == "" || line == "…" {
			continue
		}
		var parts []string
		for _, part := range strings.Split(line, "…") {
			parts = append(parts, regexp.QuoteMeta(part))
		}
		at := regexp.MustCompile(`(?m)^ ?` + strings.Join(parts, `.*`)).FindStringIndex(output)
		if at == nil {
			return line
		}
		output = output[at[1]:]
	}
	return ""
}

// squeeze makes one blank of several, since the width of a table depends on its rows.
func squeeze(text string) string { return regexp.MustCompile(`[ \t]+`).ReplaceAllString(text, " ") }

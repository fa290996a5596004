package docs_test

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// command is one of the program, as its help tells.
type command struct {
	inner map[string]*command
	flags []string // its own and the global ones, with dashes
}

var (
	innerLine = regexp.MustCompile(`^  ([a-z][a-z-]*) +\S`)
	flagLine  = regexp.MustCompile(`^ +(?:(-\w), )?(--[\w.-]+)`)
)

// explore asks a command for its help, and those in it.
func explore(t *testing.T, program string, path ...string) *command {
	t.Helper()
	out, err := exec.Command(program, append(path, "--help")...).Output()
	if err != nil {
		t.Fatalf("sluice %s --help: %v", strings.Join(path, " "), err)
	}
	c, section := &command{inner: map[string]*command{}}, ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, "\n")
		if strings.HasSuffix(line, ":") && !strings.HasPrefix(line, " ") {
			section = line
			continue
		}
		if m := innerLine.FindStringSubmatch(line); m != nil && section == "Available Commands:" {
			c.inner[m[1]] = explore(t, program, append(slices.Clone(path), m[1])...)
		} else if m := flagLine.FindStringSubmatch(line); m != nil && strings.HasSuffix(section, "Flags:") {
			c.flags = append(c.flags, m[1], m[2])
		}
	}
	return c
}

// fault walks a command line down the tree.
func (c *command) fault(words []string) string {
	at, all, value := c, []string{"sluice"}, false
	var flags []string
	for _, word := range words {
		word = strings.Trim(word, `"',.;:()`)
		switch {
		case regexp.MustCompile(`^[|&;<>#]|^\d?>`).MatchString(word):
			return at.flagFault(all, flags)
		case strings.HasPrefix(word, "-"):
			name, _, _ := strings.Cut(word, "=")
			flags, value = append(flags, name), !strings.Contains(word, "=")
		case at.inner[word] != nil:
			at, value = at.inner[word], false
			all = append(all, word)
		case len(at.inner) > 0 && !value && regexp.MustCompile(`^[a-z]+$`).MatchString(word):
			return strings.Join(all, " ") + " has no command " + word
		default:
			value = false
		}
	}
	return at.flagFault(all, flags)
}

func (c *command) flagFault(path, flags []string) string {
	for _, name := range flags {
		if name != "-" && !slices.Contains(c.flags, name) {
			return strings.Join(path, " ") + " has no flag " + name
		}
	}
	return ""
}

// commandLines are those of the program on a page: in its shell blocks, and in its
// text as code.
func commandLines(t *testing.T, name string) (all [][]string) {
	t.Helper()
	code := regexp.MustCompile("`(sluice [^`]*)`")
	in := regexp.MustCompile(`(?:^|[|&;(]\s*|sudo |ssh \S+ )(sluice .*)$`)
	for _, m := range code.FindAllStringSubmatch(outside(page(t, name)), -1) {
		all = append(all, strings.Fields(m[1])[1:])
	}
	for _, b := range blocks(t, name) {
		if b.Kind != "sh" {
			continue
		}
		text := strings.ReplaceAll(b.Text, "\\\n", " ")
		for line := range strings.Lines(text) {
			line, _, _ = strings.Cut(line, " # ")
			if m := in.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
				all = append(all, strings.Fields(m[1])[1:])
			}
		}
	}
	return all
}

// Every command and flag that a page names exists.
func TestCommands(t *testing.T) {
	tree := explore(t, program(t))
	n := 0
	for _, name := range append(pages(t), "../README.md", "../systemd/README.md") {
		for _, words := range commandLines(t, name) {
			n++
			if fault := tree.fault(words); fault != "" {
				t.Errorf("%s: sluice %s: %s", name, strings.Join(words, " "), fault)
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d command lines found", n)
	}
	for _, wrong := range []string{"setup nosuch", "registry list --nosuch", "nosuch", "tailer --older-than 1h"} {
		if tree.fault(strings.Fields(wrong)) == "" {
			t.Errorf("sluice %s is taken for right", wrong)
		}
	}
}

package docs_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// speakers are the files that hold the texts of a section of troubleshooting.md;
// every other section is about the program itself.
var speakers = map[string][]string{
	"Mosquitto": {"mosquitto", "mosquitto_pub", "/usr/lib/*/libmosquitto.so.1", "/usr/lib/*/libssl.so.3", "/usr/lib/*/libc.so.6"},
	"OpenVPN":   {"openvpn", "/usr/lib/*/libssl.so.3", "/usr/lib/*/libcrypto.so.3"},
	"systemd":   {"systemctl", "/usr/lib/systemd/systemd", "/usr/lib/*/systemd/libsystemd-*.so"},
}

// voice returns what the files of a section hold; nil without one of them.
func voice(t *testing.T, section string) (all []byte) {
	t.Helper()
	files := speakers[section]
	if files == nil {
		files = []string{program(t)}
	}
	for _, name := range files {
		found, _ := filepath.Glob(name)
		if !filepath.IsAbs(name) {
			path, err := exec.LookPath(name)
			if err != nil {
				return nil
			}
			found = []string{path}
		}
		for _, file := range found {
			text, err := os.ReadFile(file)
			must(t, err)
			all = append(all, text...)
		}
	}
	return all
}

// lacks returns a part of a text that nobody says; … stands for what changes.
func lacks(said []byte, text string) string {
	longest := 0
	for _, part := range strings.Split(text, "…") {
		longest = max(longest, len(part))
		if len(strings.TrimSpace(part)) >= 4 && !bytes.Contains(said, []byte(part)) {
			return part
		}
	}
	if longest < 10 {
		return text + " (too little to be looked for)"
	}
	return ""
}

// Each text in the first column of troubleshooting.md can be said by the program it
// is ascribed to.
func TestErrorTexts(t *testing.T) {
	code := regexp.MustCompile("`([^`]+)`")
	section, n := "", 0
	var said []byte
	for line := range strings.Lines(page(t, "troubleshooting.md")) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			section = strings.TrimSpace(title)
			said = voice(t, section)
			continue
		}
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		if said == nil {
			if section = "NOT TESTED: the texts of " + section + ", which is not installed here"; os.Getenv("CI") == "true" {
				t.Fatal(section)
			}
			t.Skip(section)
		}
		first := strings.SplitN(line, " | ", 2)[0]
		for _, m := range code.FindAllStringSubmatch(first, -1) {
			n++
			if part := lacks(said, m[1]); part != "" {
				t.Errorf("%s: nobody says %q", section, part)
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d texts found", n)
	}
}

// What other pages quote, *"like this"*, is said by some program.
func TestQuotedTexts(t *testing.T) {
	said := voice(t, "")
	for section := range speakers {
		said = append(said, voice(t, section)...)
	}
	for _, name := range []string{"/usr/lib/*/libc.so.6", "/usr/lib/*/libapt-p*.so.*"} {
		found, _ := filepath.Glob(name)
		for _, file := range found {
			text, err := os.ReadFile(file)
			must(t, err)
			said = append(said, text...)
		}
	}
	n := 0
	for _, name := range ourPages {
		for _, m := range regexp.MustCompile(`(?s)\*"([^"]+)"\*`).FindAllStringSubmatch(page(t, name), -1) {
			n++
			if part := lacks(said, strings.Join(strings.Fields(m[1]), " ")); part != "" {
				t.Errorf("%s: nobody says %q", name, part)
			}
		}
	}
	if n < 5 {
		t.Errorf("only %d texts found", n)
	}
}

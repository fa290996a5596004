package docs_test

import (
	"strings"
	"testing"
)

// The guide's test is as good as what it takes for a match.
func TestWhatIsMissing(t *testing.T) {
	const output = "write  /etc/a  (644 root:root)\n  OFFSET   SIZE  SOURCE\n     430    430  /spool/mqtt-1.log\nactive\n"
	for want, missed := range map[string]string{
		"":                                    "",
		"write /etc/a (644 root:root)\n":      "",
		"write /etc/a\nactive\n":              "",
		"… … /spool/…\n":                      "",
		"430 … /spool/mqtt-1.log\nactive\n":   "",
		"OFFSET SIZE\n\nactive\n":             "",
		"active\nwrite /etc/a\n":              "write /etc/a",
		"write /etc/b\n":                      "write /etc/b",
		"/etc/a\n":                            "/etc/a", // not a line's beginning
		"430 … /spool/mqtt-2.log\n":           "430 … /spool/mqtt-2.log",
		"active\nactive\n":                    "active",
		"write …(600 root:root)\n":            "write …(600 root:root)",
		"…\nactive\n":                         "",
		"write /etc/a (644 root:root) more\n": "write /etc/a (644 root:root) more",
	} {
		if got := missing(output, want); got != missed {
			t.Errorf("of %q it misses %q, not %q", want, got, missed)
		}
	}
}

func TestAnchors(t *testing.T) {
	all := strings.Join(anchors("# A b\n```sh\n# no heading\n```\n## From mosquitto_sub and rotatelogs\n### The broker's queue\n## 2. Install the package\n"), " ")
	if want := "a-b from-mosquitto_sub-and-rotatelogs the-brokers-queue 2-install-the-package"; all != want {
		t.Errorf("anchors %q, not %q", all, want)
	}
}

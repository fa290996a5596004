package setup

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestKeptFiles(t *testing.T) {
	k := kept{Path: "/etc/f", Text: []byte("# c\na\nb\n"), Mode: 0o640}
	older := kept{Text: []byte("a\n")}.content()
	edit := func(content []byte, line string) []byte { return append(bytes.Clone(content), line...) }
	for name, c := range map[string]struct {
		there     []byte
		overwrite bool
		want      []byte // of the file
		beside    bool   // there is a .new
		said      string
	}{
		"missing":                       {nil, false, k.content(), false, "write  /etc/f  (640 root:root)\n"},
		"as it was":                     {k.content(), false, k.content(), false, "same   /etc/f"},
		"a copy by hand":                {k.Text, false, k.Text, false, "same   /etc/f"},
		"of an older setup":             {older, false, k.content(), false, "write  /etc/f  (640 root:root)  old: /etc/f.bak-"},
		"edited, nothing new":           {edit(k.content(), "mine\n"), false, edit(k.content(), "mine\n"), false, "(edited by hand; nothing new from setup)"},
		"edited, of an older setup":     {edit(older, "mine\n"), false, edit(older, "mine\n"), true, "keep   /etc/f: it was edited by hand; setup's own is /etc/f.new (--overwrite puts it in place, after a backup). It has these lines in addition:\n       + b\n"},
		"by hand":                       {[]byte("mine: secret\n"), false, []byte("mine: secret\n"), true, "\n       + a\n       + b\n"},
		"edited, overwritten":           {edit(older, "mine\n"), true, k.content(), false, "old: /etc/f.bak-"},
		"the first line alone is there": {[]byte(keptMark + "\n"), false, []byte(keptMark + "\n"), true, "keep"},
	} {
		root := t.TempDir()
		file := filepath.Join(root, "etc/f")
		if c.there != nil {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, c.there, 0o640); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		s := &Session{Root: root, Out: &out, Now: func() time.Time { return time.Unix(1, 0) }}
		k.Overwrite = c.overwrite
		if err := s.Apply(t.Context(), k); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, _ := os.ReadFile(file); !bytes.Equal(got, c.want) {
			t.Errorf("%s: the file has %q", name, got)
		}
		beside, err := os.ReadFile(file + ".new")
		if (err == nil) != c.beside || c.beside && !bytes.Equal(beside, k.content()) {
			t.Errorf("%s: beside it is %q, %v", name, beside, err)
		}
		if !strings.Contains(out.String(), c.said) || strings.Contains(out.String(), "secret") {
			t.Errorf("%s: said %q", name, out.String())
		}
		again := &Session{Root: root, Out: &out, Now: s.Now}
		if err := again.Apply(t.Context(), k); err != nil || again.Changed() {
			t.Errorf("%s: again: %v, changed %v", name, err, again.Changed())
		}
	}
}

func TestWhatIsNoLongerNeededGoes(t *testing.T) {
	for name, c := range map[string]struct {
		there []byte
		stays bool
		said  string
	}{
		"made by setup": {kept{Text: []byte("a\n")}.content(), false, "remove /f  (why)  old: /f.bak-"},
		"edited":        {append(kept{Text: []byte("a\n")}.content(), 'x'), true, "keep   /f"},
		"by hand":       {[]byte("a\n"), true, "keep   /f"},
		"missing":       {nil, false, "same   /f is not there"},
	} {
		root := t.TempDir()
		if c.there != nil {
			if err := os.WriteFile(root+"/f", c.there, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		s := &Session{Root: root, Out: &out}
		if err := s.Apply(t.Context(), gone{"/f", "why"}); err != nil || !strings.HasPrefix(out.String(), c.said) {
			t.Errorf("%s: %v, said %q", name, err, out.String())
		}
		if _, err := os.Stat(root + "/f"); (err == nil) != c.stays {
			t.Errorf("%s: %v", name, err)
		}
		if backups, _ := filepath.Glob(root + "/f.bak-*"); len(backups) == 1 == (c.stays || c.there == nil) {
			t.Errorf("%s: backups %q", name, backups)
		}
	}
}

func TestLastWords(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "",
		"one\ntwo\none\n\nthree ": "one; two; three",
		"a\nsluice recorder starts version=1\nb\nc\nsluice recorder starts version=1\n": "b; c",
		"sluice recorder stopped\na: b\n":                                               "a: b",
		"a\nsluice recorder starts version=1\nb\n":                                      "b",
		"1\n2\n3\n4\n5\n6\n7\n8\n9\n":                                                   "2; 3; 4; 5; 6; 7; 8; 9",
	} {
		if got := lastWords(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// guide are the papers of a package beside docs/*.md, which keep their names, and
// what they are called in the one folder that they share there.
var guide = map[string]string{
	"deploy/package/README.md": "packages.md",
	"systemd/README.md":        "units.md",
}

var link = regexp.MustCompile(`\[([^\]\n]*)\]\(([^)\s]+)\)`)

// pages puts the guide into the stage's folder doc. Links lead to where things are in
// the package; what is only in the source is named as that.
func (r *release) pages() error {
	if err := os.MkdirAll(filepath.Join(r.stage, "doc"), 0o755); err != nil {
		return err
	}
	names := map[string]string{}
	for from, to := range guide {
		names[from] = to
	}
	found, err := filepath.Glob("docs/*.md")
	if err != nil {
		return err
	}
	for _, from := range found {
		names[from] = filepath.Base(from)
	}
	for from, to := range names {
		text, readErr := os.ReadFile(from)
		err = errors.Join(err, readErr, r.put("doc/"+to, relink(text, from, names)))
	}
	return err
}

// relink changes the links of the page at from.
func relink(text []byte, from string, names map[string]string) []byte {
	return link.ReplaceAllFunc(text, func(found []byte) []byte {
		m := link.FindSubmatch(found)
		target, anchor, _ := strings.Cut(string(m[2]), "#")
		if target == "" || strings.Contains(target, "://") {
			return found
		}
		file := path.Join(path.Dir(from), target)
		to, ok := names[file]
		switch {
		case !ok:
			return fmt.Appendf(nil, "%s (%s in the source)", m[1], file)
		case anchor != "":
			to += "#" + anchor
		}
		return fmt.Appendf(nil, "[%s](%s)", m[1], to)
	})
}

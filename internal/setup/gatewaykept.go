package setup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"sluice/internal/durable"
)

// kept is a file that setup makes and a person may edit: from then on it is left
// alone, and what setup would write is put beside it, as Path.new. Its first line,
// a comment, has the hash of the others, by which an edit is seen.
type kept struct {
	Path  string
	Text  []byte // without the first line
	Mode  fs.FileMode
	Owner Owner
	// Overwrite replaces an edited file, too, after a backup.
	Overwrite bool
}

const keptMark = "# Made by sluice setup. SHA-256 of the lines below: "

func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func (k kept) content() []byte {
	return append([]byte(keptMark+hashOf(k.Text)+"\n"), k.Text...)
}

// splitKept returns the hash of the first line, and the others; without such a
// line, no hash and all.
func splitKept(content []byte) (hash string, text []byte) {
	first, rest, _ := bytes.Cut(content, []byte("\n"))
	hash, marked := strings.CutPrefix(string(first), keptMark)
	if !marked {
		return "", content
	}
	return strings.TrimSpace(hash), rest
}

// edited tells whether a file is not as setup has written it.
func edited(content []byte) bool {
	hash, text := splitKept(content)
	return hash != hashOf(text)
}

func (k kept) file() File {
	return File{Path: k.Path, Content: k.content(), Mode: k.Mode, Owner: k.Owner}
}

func (k kept) do(ctx context.Context, s *Session) (report, error) {
	old, err := s.ReadFile(k.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return k.file().do(ctx, s)
	}
	if err != nil {
		return report{}, err
	}
	hash, text := splitKept(old)
	switch {
	case bytes.Equal(text, k.Text): // also a copy by hand, without the first line
		f := k.file()
		f.Content = old
		return f.do(ctx, s)
	case hash == hashOf(text), k.Overwrite:
		return k.file().do(ctx, s)
	case hash == hashOf(k.Text):
		r, err := File{Path: k.Path, Content: old, Mode: k.Mode, Owner: k.Owner}.do(ctx, s)
		r.line += "  (edited by hand; nothing new from setup)"
		return r, err
	}
	return k.beside(ctx, s, text)
}

// beside leaves an edited file alone. Of the differences only what setup would
// write is shown: an edited file may hold secrets.
func (k kept) beside(ctx context.Context, s *Session, edited []byte) (report, error) {
	f := k.file()
	f.Path, f.NoBackup = k.Path+".new", true
	r, err := f.do(ctx, s)
	if err != nil {
		return report{}, err
	}
	var more strings.Builder
	for _, line := range added(edited, k.Text) {
		more.WriteString("\n       + " + line)
	}
	r.verb = "keep"
	r.line = fmt.Sprintf("%s: it was edited by hand; setup's own is %s (--overwrite puts it in place, after a backup). It has these lines in addition:%s", k.Path, f.Path, more.String())
	return r, nil
}

// added returns the lines of text, without comments, that old does not have.
func added(old, text []byte) (lines []string) {
	has := slices.Collect(strings.Lines(string(old)))
	for line := range strings.Lines(string(text)) {
		if bare := strings.TrimSpace(line); bare != "" && bare[0] != '#' && !slices.Contains(has, line) {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	return lines
}

// gone is a file of setup's own that is no longer needed. It is not there
// afterwards, but for a backup; one that was edited by hand stays.
type gone struct {
	Path, Why string
}

func (g gone) do(_ context.Context, s *Session) (report, error) {
	path := s.Path(g.Path)
	r := report{verb: "remove", line: g.Path + "  (" + g.Why + ")"}
	old, info, err := File{}.existing(path)
	switch {
	case err != nil:
		return report{}, err
	case info == nil:
		return report{verb: "same", line: g.Path + " is not there  (" + g.Why + ")"}, nil
	case edited(old):
		return report{verb: "keep", line: g.Path + "  (" + g.Why + ", but it was edited by hand: remove it yourself)"}, nil
	}
	r.changed = true
	backup := g.Path + ".bak-" + s.now().UTC().Format(backupTime)
	r.line += "  old: " + backup
	if s.DryRun {
		return r, nil
	}
	if err := copyFile(s.Path(backup), old, info); err != nil {
		return report{}, err
	}
	if err := os.Remove(path); err != nil {
		return report{}, err
	}
	return r, durable.SyncDir(parent(path))
}

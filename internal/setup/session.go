package setup

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// commandTimeout bounds a command of a step that has none of its own.
const commandTimeout = 2 * time.Minute

// Session does the steps of a setup.
type Session struct {
	// Root is the folder that stands for /; empty: / itself.
	Root string
	// DryRun prints what would be done.
	DryRun bool
	// Out gets a line for each step.
	Out io.Writer
	// Now is the clock for the names of backups; nil: time.Now.
	Now func() time.Time

	changed bool
}

// Begin fails where the steps could not be done at all.
func (s *Session) Begin() error {
	if s.DryRun || s.Root != "" || os.Geteuid() == 0 {
		return nil
	}
	return errors.New("setup writes system files and must run as root: use sudo, or see with --dry-run what it would do")
}

// Changed tells whether a step has changed something, or would have.
func (s *Session) Changed() bool { return s.changed }

// Apply does the steps in order, and stops at the first that fails.
func (s *Session) Apply(ctx context.Context, steps ...Step) error {
	for _, step := range steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.apply(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) apply(ctx context.Context, step Step) error {
	r, err := step.do(ctx, s)
	if err != nil {
		return err
	}
	s.changed = s.changed || r.changed
	text := fmt.Sprintf("%-6s %s\n", r.verb, r.line)
	if s.DryRun && r.changed {
		text = fmt.Sprintf("would %s %s\n%s", r.verb, r.line, r.detail)
	}
	if _, err := io.WriteString(s.Out, text); err != nil {
		return fmt.Errorf("print the steps: %w", err)
	}
	return nil
}

// Path returns where a path of the machine is: below Root.
func (s *Session) Path(path string) string {
	if s.Root == "" {
		return path
	}
	return filepath.Join(s.Root, path)
}

// ReadFile reads a file of the machine. Its errors are those of os.ReadFile.
func (s *Session) ReadFile(path string) ([]byte, error) {
	return os.ReadFile(s.Path(path))
}

func (s *Session) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

func (n Note) do(context.Context, *Session) (report, error) {
	return report{verb: "note", line: string(n)}, nil
}

func (c Check) do(ctx context.Context, s *Session) (report, error) {
	if s.DryRun || s.Root != "" {
		return report{verb: "skip", line: "check: " + c.What}, nil
	}
	said, err := c.Try(ctx)
	if err != nil {
		return report{}, fmt.Errorf("check: %s: %w", c.What, err)
	}
	return report{verb: "check", line: c.What + ": " + said}, nil
}

func (c Command) do(ctx context.Context, s *Session) (report, error) {
	line := strings.Join(c.Args, " ")
	if c.Why != "" {
		line += "   # " + c.Why
	}
	switch {
	case c.IfChanged && !s.changed:
		return report{verb: "same", line: line}, nil
	case s.DryRun:
		return report{verb: "run", line: line, changed: true}, nil
	case s.Root != "":
		return report{verb: "skip", line: line}, nil
	}
	if err := s.run(ctx, c); err != nil {
		return report{}, err
	}
	return report{verb: "run", line: line, changed: true}, nil
}

// run runs a command; its error has the last line that the command printed.
func (s *Session) run(ctx context.Context, c Command) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, commandTimeout))
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Env = append(append(os.Environ(), "LC_ALL=C"), c.Env...)
	cmd.Stdin = bytes.NewReader(c.Stdin)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return fmt.Errorf("%s: %w: %s", strings.Join(c.Args, " "), err, last)
	}
	return fmt.Errorf("%s: %w", strings.Join(c.Args, " "), err)
}

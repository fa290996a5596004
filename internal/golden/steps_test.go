package golden

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// steps says for each case whose files change while sluice runs how they do:
// its steps.py in Go.
var steps = map[string]func(r *run){
	"config/config-inputs-reload-adds": func(r *run) {
		r.events(1)
		r.write("conf/.new", strings.ReplaceAll(r.read("conf/1.yml"), "a.log", "b.log"))
		r.chmod("conf/.new", 0o600)
		r.rename("conf/.new", "conf/2.yml")
		r.events(2)
	},
	"config/strict-perms-group-writable-include": func(r *run) {
		r.events(1)
		r.write("conf/.new", strings.ReplaceAll(r.read("conf/1.yml"), "a.log", "b.log"))
		r.chmod("conf/.new", 0o666)
		r.rename("conf/.new", "conf/2.yml")
		r.pause(2500 * time.Millisecond)
	},
	"inputs/files-hard-links": func(r *run) {
		r.append("n.txt", "one\ntwo\n")
		r.do(os.Link(r.path("n.txt"), r.path("b.txt")))
		r.rename("n.txt", "a.log")
		r.events(2)
		r.rename("b.txt", "b.log")
		r.pause(time.Second)
	},
	"inputs/files-ignore-older-then-append": func(r *run) {
		for name, age := range map[string]time.Duration{"old": 2 * time.Hour, "new": 5 * time.Second} {
			r.append(name+".tmp", name+" one\n"+name+" two\n")
			then := time.Now().Add(-age)
			r.do(os.Chtimes(r.path(name+".tmp"), then, then))
			r.rename(name+".tmp", name+".log")
		}
		r.events(4)
		r.pause(800 * time.Millisecond)
		r.append("old.log", "old three\n")
		r.events(6)
		r.pause(time.Second)
	},
	"inputs/files-tail-files-log": func(r *run) {
		r.pause(2 * time.Second)
		r.append("a.log", "added\n")
		r.events(1)
		r.pause(500 * time.Millisecond)
	},
	"inputs/life-close-renamed": func(r *run) {
		r.events(2)
		r.rename("a.log", "a.log.1")
		r.pause(1500 * time.Millisecond)
		r.append("a.log.1", "late line in the old file\n")
		r.append("a.log", "new one\n")
		r.events(4)
		r.pause(700 * time.Millisecond)
	},
	"inputs/life-close-timeout": func(r *run) {
		r.events(2)
		r.pause(time.Second)
		r.append("a.log", "two\n")
		r.events(4)
		r.pause(800 * time.Millisecond)
		r.append("a.log", "three\n")
		r.events(6)
	},
	"inputs/life-copytruncate-log": func(r *run) {
		r.events(2)
		r.pause(500 * time.Millisecond)
		r.append("a.log.1", r.read("a.log"))
		r.truncate("a.log")
		r.pause(time.Second)
		r.append("a.log", "x\n")
		r.events(3)
		r.append("a.log", "longer than before the truncation\n")
		r.events(4)
	},
	"inputs/life-created-after-start": func(r *run) {
		r.pause(time.Second)
		r.append("a.log", "one\ntwo\n")
		r.events(4)
		r.append("b.log", "")
		r.pause(500 * time.Millisecond)
		r.append("b.log", "grown\n")
		r.events(6)
	},
	"inputs/life-delete-recreate": func(r *run) {
		r.events(4)
		r.do(os.Remove(r.path("a.log")))
		r.pause(2 * time.Second)
		r.append("a.log", "three\nfour\nfive\n")
		r.events(10)
	},
	"inputs/life-half-multibyte": func(r *run) {
		r.events(2)
		r.append("a.log", "gr\xc3")
		r.pause(400 * time.Millisecond)
		r.append("a.log", "\xbcn\r")
		r.pause(400 * time.Millisecond)
		r.append("a.log", "\nthird\r\n")
		r.events(6)
	},
	"inputs/life-late-folder": func(r *run) {
		r.pause(800 * time.Millisecond)
		r.do(os.MkdirAll(r.path("x/y"), 0o755))
		r.pause(500 * time.Millisecond)
		r.append("x/y/deep.log", "deep\n")
		r.events(2)
		r.append("x/flat.log", "flat\n")
		r.events(4)
	},
	"inputs/life-overwrite-longer": func(r *run) {
		r.events(4)
		r.overwrite("a.log", "cccccccc\ndddddddd\n", os.O_WRONLY)
		r.events(6)
		r.pause(500 * time.Millisecond)
	},
	"inputs/life-path-identity-fs": func(r *run) {
		r.events(2)
		r.rename("a.log", "a.log.1")
		r.pause(1500 * time.Millisecond)
		r.append("a.log", "1\n2\n3\n")
		r.events(7)
		r.pause(500 * time.Millisecond)
	},
	"inputs/life-rename-rotation-fs": func(r *run) {
		r.events(1)
		r.append("a.log", "two\n")
		r.events(2)
		r.rename("a.log", "a.log.1")
		r.append("a.log.1", "three, after the rename\n")
		r.events(3)
		r.append("a.log", "new one\nnew two\n")
		r.events(5)
		r.rename("a.log.1", "a.log.2")
		r.rename("a.log", "a.log.1")
		r.append("a.log", "newest\n")
		r.events(6)
	},
	"inputs/life-replace-by-rename": func(r *run) {
		r.events(4)
		r.append("tmp", "one\ntwo\nthree\n")
		r.rename("tmp", "a.log")
		r.events(10)
	},
	"inputs/life-truncate-half-line": func(r *run) {
		r.events(2)
		r.pause(500 * time.Millisecond)
		r.truncate("a.log")
		r.pause(time.Second)
		r.append("a.log", "n\n")
		r.events(4)
	},
	"inputs/life-truncate-shorter-fs": func(r *run) {
		r.events(3)
		r.pause(500 * time.Millisecond)
		r.overwrite("a.log", "new\n", os.O_WRONLY|os.O_TRUNC)
		r.events(4)
		r.append("a.log", "more\n")
		r.events(5)
	},
}

// path of a file in the case's input.
func (r *run) path(name string) string { return filepath.Join(r.in, name) }

func (r *run) do(err error) {
	if err != nil {
		r.fail(err)
	}
}

func (r *run) read(name string) string {
	text, err := os.ReadFile(r.path(name))
	r.do(err)
	return string(text)
}

// append writes text to the end of a file, in one write; it may be a new file.
func (r *run) append(name, text string) {
	r.overwrite(name, text, os.O_WRONLY|os.O_APPEND|os.O_CREATE)
}

func (r *run) overwrite(name, text string, flags int) {
	f, err := os.OpenFile(r.path(name), flags, 0o644)
	if err != nil {
		r.fail(err)
		return
	}
	_, err = io.WriteString(f, text)
	r.do(err)
	r.do(f.Close())
}

func (r *run) write(name, text string) {
	r.overwrite(name, text, os.O_WRONLY|os.O_TRUNC|os.O_CREATE)
}

func (r *run) rename(from, to string) { r.do(os.Rename(r.path(from), r.path(to))) }

func (r *run) truncate(name string) { r.do(os.Truncate(r.path(name), 0)) }

func (r *run) chmod(name string, perm os.FileMode) { r.do(os.Chmod(r.path(name), perm)) }

// steps returns what changes the case's files, nil if nothing does. The
// steps.py of a case that is not of testdata is run as it is, if that can be.
func (c testCase) steps() (play func(r *run), skip string) {
	script := filepath.Join(c.dir, "steps.py")
	if !exists(script) {
		return nil, ""
	}
	python, err := exec.LookPath("python3")
	if c.outside && err == nil {
		return func(r *run) { r.do(r.playPython(python, script)) }, ""
	}
	if steps[c.name] == nil {
		return nil, "its steps are in steps.py only, and there is no python3"
	}
	return steps[c.name], ""
}

// driver runs a steps.py: it prints each goal and waits for a line.
const driver = `
import importlib.util, sys
sys.dont_write_bytecode = True
spec = importlib.util.spec_from_file_location("steps", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
for goal in module.steps(sys.argv[2], sys.argv[3]):
    print(repr(goal), flush=True)
    sys.stdin.readline()
`

func (r *run) playPython(python, script string) error {
	cmd := exec.Command(python, "-c", driver, script, r.in, r.out)
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		return fmt.Errorf("%v, %v", err1, err2)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	for goals := bufio.NewScanner(out); goals.Scan(); {
		if n, err := strconv.Atoi(goals.Text()); err == nil {
			r.events(n)
		} else if seconds, err := strconv.ParseFloat(goals.Text(), 64); err == nil {
			r.pause(time.Duration(seconds * float64(time.Second)))
		} else {
			return fmt.Errorf("%s: goal %q", script, goals.Text())
		}
		if _, err := io.WriteString(in, "\n"); err != nil {
			return err
		}
	}
	return cmd.Wait()
}

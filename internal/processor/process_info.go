package processor

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// procFS is the folder proc.
type procFS struct{ folder string }

var errNoProcess = errors.New("there is no such process")

// ticks are the units of times in stat, in 1/s; Linux has had this number on
// all of its machines for long.
const ticks = 100

func (p procFS) path(pid int64, name string) string {
	return filepath.Join(p.folder, strconv.FormatInt(pid, 10), name)
}

// read returns the fields of process that are known, by their dotted names.
func (p procFS) read(pid int64, env bool) (map[string]any, error) {
	stat, err := os.ReadFile(p.path(pid, "stat"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoProcess
	}
	if err != nil {
		return nil, err
	}
	known := map[string]any{"process.pid": pid}
	p.readStat(known, stat)
	if text, err := os.ReadFile(p.path(pid, "cmdline")); err == nil && len(text) > 0 {
		args := splitNull(text)
		known["process.args"] = args
		words := make([]string, len(args))
		for i, a := range args {
			words[i] = a.(string)
		}
		known["process.title"] = strings.Join(words, " ")
	}
	if exe, err := os.Readlink(p.path(pid, "exe")); err == nil {
		known["process.executable"] = strings.TrimSuffix(exe, " (deleted)")
	}
	if id := p.owner(pid); id != "" {
		known["process.owner.id"] = id
		if u, err := user.LookupId(id); err == nil {
			known["process.owner.name"] = u.Username
		}
	}
	if env {
		if text, err := os.ReadFile(p.path(pid, "environ")); err == nil {
			known[processEnv] = environment(text)
		}
	}
	return known, nil
}

// readStat reads PID (NAME) STATE PPID …; the name may hold anything.
func (p procFS) readStat(known map[string]any, stat []byte) {
	from, to := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if from < 0 || to < from {
		return
	}
	known["process.name"] = string(stat[from+1 : to])
	words := strings.Fields(string(stat[to+1:])) // from field 3 on
	if len(words) > 1 {
		if parent, err := strconv.ParseInt(words[1], 10, 64); err == nil {
			known["process.parent.pid"] = parent
		}
	}
	const startTime = 22 - 3
	boot, ok := p.bootTime()
	if len(words) <= startTime || !ok {
		return
	}
	if n, err := strconv.ParseInt(words[startTime], 10, 64); err == nil {
		known["process.start_time"] = boot.Add(time.Duration(n) * (time.Second / ticks))
	}
}

// bootTime reads the line btime of stat.
func (p procFS) bootTime() (time.Time, bool) {
	text, err := os.ReadFile(filepath.Join(p.folder, "stat"))
	if err != nil {
		return time.Time{}, false
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "btime "); ok {
			seconds, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			return time.Unix(seconds, 0).UTC(), err == nil
		}
	}
	return time.Time{}, false
}

// owner returns the effective user's number.
func (p procFS) owner(pid int64) string {
	text, err := os.ReadFile(p.path(pid, "status"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Uid:"); ok {
			if ids := strings.Fields(rest); len(ids) > 1 {
				return ids[1]
			}
		}
	}
	return ""
}

// cgroups returns the paths of a process's control groups.
func (p procFS) cgroups(pid int64) (paths []string) {
	text, err := os.ReadFile(p.path(pid, "cgroup"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		if parts := strings.SplitN(strings.TrimRight(line, "\n"), ":", 3); len(parts) == 3 {
			paths = append(paths, parts[2])
		}
	}
	return paths
}

// splitNull splits texts that end in a zero byte.
func splitNull(text []byte) (list []any) {
	for part := range bytes.SplitSeq(bytes.TrimRight(text, "\x00"), []byte{0}) {
		list = append(list, string(part))
	}
	return list
}

// environment reads NAME=value texts.
func environment(text []byte) map[string]any {
	m := make(map[string]any)
	for _, entry := range splitNull(text) {
		if name, value, ok := strings.Cut(entry.(string), "="); ok {
			m[name] = value
		}
	}
	return m
}

package tailer

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// recursiveDepth is how many folder levels a ** stands for, as in Filebeat.
const recursiveDepth = 8

// expandGlob writes a ** that stands between slashes as zero to eight single
// levels (recursive_glob); without recursive it is the same as *.
func expandGlob(pattern string, recursive bool) []string {
	pattern = filepath.Clean(pattern)
	if abs, err := filepath.Abs(pattern); err == nil {
		pattern = abs
	}
	if !recursive {
		return []string{pattern}
	}
	before, after, found := cutRecursive(pattern)
	if !found {
		return []string{pattern}
	}
	var globs []string
	for levels := range recursiveDepth + 1 {
		globs = append(globs, filepath.Clean(before+strings.Repeat("/*", levels)+after))
	}
	return globs
}

// cutRecursive splits a pattern at its last component that is **.
func cutRecursive(pattern string) (before, after string, found bool) {
	const component = "/**"
	for to := len(pattern); ; {
		i := strings.LastIndex(pattern[:to], component)
		if i < 0 {
			return pattern, "", false
		}
		if rest := pattern[i+len(component):]; rest == "" || rest[0] == '/' {
			return pattern[:i], rest, true
		}
		to = i
	}
}

// globFolder is the folder below which a glob's matches lie.
func globFolder(pattern string) string {
	dir := filepath.Dir(pattern)
	for strings.ContainsAny(dir, `*?[\`) {
		dir = filepath.Dir(dir)
	}
	return dir
}

// matches says whether a path is one of the input's.
func (in *input) matches(path string) bool {
	for _, g := range in.globs {
		if ok, _ := filepath.Match(g, path); ok {
			return in.wantsPath(path)
		}
	}
	return false
}

// wantsTarget says whether the name filters admit the file that a symbolic link
// stands for: the filestream input asks them again for its own path.
func (in *input) wantsTarget(path string) bool {
	if in.typ != TypeFilestream || !in.symlinks || len(in.includePaths)+len(in.excludePaths) == 0 {
		return true
	}
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return true // no link, or gone since
	}
	target, err := filepath.EvalSymlinks(path)
	return err == nil && in.wantsPath(target)
}

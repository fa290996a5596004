package processor

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sluice/internal/event"
)

const containerID = "b5285682fba7449c86452b89a800609440ecc88a7ba5f2d38bedfb85409b30b1"

// fakeProc makes a folder with proc, in which process 42 runs in a container.
func fakeProc(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	stat := "42 (my (odd) name) S 7 " + strings.Repeat("0 ", 17) + "250 0\n"
	for name, text := range map[string]string{
		"stat": "cpu 1\nbtime 1000\nprocesses 5\n", "42/stat": stat, "42/cmdline": "/bin/x\x00-a b\x00\x00", "42/environ": "HOME=/\x00A=b=c\x00",
		"42/status": "Name:\tx\nUid:\t1\t0\t0\t0\n", "42/cgroup": "1:name=systemd:/\n0::/system.slice/docker-" + containerID + ".scope\n", "43/stat": "43",
	} {
		path := filepath.Join(root, "proc", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/bin/x (deleted)", filepath.Join(root, "proc/42/exe")); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestProcessMetadata(t *testing.T) {
	root := fakeProc(t)
	all := `"args": ["/bin/x", "-a b", ""], "executable": "/bin/x", "name": "my (odd) name", "owner": {"id": "0", "name": "root"}, "parent": {"pid": 7}, "pid": 42, "start_time": "1970-01-01T00:16:42.500Z", "title": "/bin/x -a b "`
	all = strings.NewReplacer(`, ""]`, "]", `-a b "`, `-a b"`).Replace(all)
	for name, c := range map[string]struct {
		set           func(o *addProcessMetadata)
		before, after string
		err           string
	}{
		"all": {nil, `{"process": {"pid": 42}}`, `{"container": {"id": "` + containerID + `"}, "process": {` + all + `}}`, ""},
		"target, a text as id, the second field": {func(o *addProcessMetadata) { o.Target, o.MatchPIDs = "t", []string{"nope", "p"} }, `{"p": "42"}`,
			`{"p": "42", "t": {"container": {"id": "` + containerID + `"}, "process": {` + all + `}}}`, ""},
		"some, and the environment": {func(o *addProcessMetadata) {
			o.IncludeFields, o.RestrictedFields = []string{"process.env", "process.owner"}, true
		}, `{"process": {"pid": 42}}`, `{"process": {"env": {"A": "b=c", "HOME": "/"}, "owner": {"id": "0", "name": "root"}, "pid": 42}}`, ""},
		"a field is there": {func(o *addProcessMetadata) { o.IncludeFields = []string{"process.name", "process.parent"} }, `{"process": {"pid": 42, "name": "x"}}`,
			`{"process": {"name": "x", "parent": {"pid": 7}, "pid": 42}}`, "process.name already exists"},
		"overwritten": {func(o *addProcessMetadata) { o.IncludeFields, o.OverwriteKeys = []string{"process.name"}, true }, `{"process": {"pid": 42, "name": "x"}}`,
			`{"process": {"name": "my (odd) name", "pid": 42}}`, ""},
		"prefix": {func(o *addProcessMetadata) {
			o.IncludeFields, o.CgroupPrefixes = []string{"container"}, []string{"/system.slice"}
		}, `{"process": {"pid": 42}}`, `{"container": {"id": "docker-` + containerID + `.scope"}, "process": {"pid": 42}}`, ""},
		"regex": {func(o *addProcessMetadata) {
			o.IncludeFields, o.CgroupRegex = []string{"container"}, "docker-(.{5})"
		}, `{"process": {"pid": 42}}`, `{"container": {"id": "b5285"}, "process": {"pid": 42}}`, ""},
		"hardly anything known": {func(o *addProcessMetadata) { o.MatchPIDs = []string{"p"} }, `{"p": 43}`, `{"p": 43, "process": {"pid": 43}}`, ""},
		"gone":                  {nil, `{"process": {"pid": 44}}`, `{"process": {"pid": 44}}`, "no such process"},
		"no id":                 {nil, `{"process": {"pid": "x"}}`, `{"process": {"pid": "x"}}`, "no process id"},
		"missing":               {nil, `{"a": 1}`, `{"a": 1}`, ""},
		"missing, an error":     {func(o *addProcessMetadata) { o.IgnoreMissing = false }, `{"a": 1}`, `{"a": 1}`, "process.pid"},
	} {
		t.Run(name, func(t *testing.T) {
			o := with(t, "add_process_metadata", func(o *addProcessMetadata) {
				o.MatchPIDs, o.HostPath = []string{"process.pid"}, root
				if c.set != nil {
					c.set(o)
				}
			})
			after, _, err := run(t, o, c.before)
			same(t, after, c.after)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

// The real proc has the test itself.
func TestProcessMetadataOfThisProcess(t *testing.T) {
	o := with(t, "add_process_metadata", func(o *addProcessMetadata) { o.MatchPIDs = []string{"p"} })
	after, _, err := run(t, o, fmt.Sprintf(`{"p": %d}`, os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f := fields(t, after)
	for key, want := range map[string]any{"process.executable": exe, "process.parent.pid": int64(os.Getppid()), "process.owner.id": strconv.Itoa(os.Geteuid())} {
		if v, _ := event.Get(f, key); v != want {
			t.Errorf("%s is %v, want %v", key, v, want)
		}
	}
}

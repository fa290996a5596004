package monitor

import (
	"bufio"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// about is the answer of /.
func (m *Monitor) about() map[string]any {
	uid := strconv.Itoa(os.Getuid())
	return map[string]any{
		"beat":             m.info.Beat,
		"binary_arch":      runtime.GOARCH,
		"build_commit":     m.info.Commit,
		"build_time":       buildTime(),
		"elastic_licensed": false,
		"ephemeral_id":     m.info.EphemeralID,
		"gid":              strconv.Itoa(os.Getgid()),
		"hostname":         hostname(),
		"name":             m.info.Name,
		"uid":              uid,
		"username":         userName(uid),
		"uuid":             m.info.UUID,
		"version":          m.info.Version,
	}
}

// state is the answer of /state.
func (m *Monitor) state(n *Numbers) map[string]any {
	names := []string{}
	for _, in := range n.Inputs {
		names = append(names, in.Type)
	}
	return map[string]any{
		"beat":       map[string]any{"name": m.info.Name},
		"host":       host(),
		"input":      map[string]any{"count": len(names), "names": names},
		"management": map[string]any{"enabled": false},
		"module":     map[string]any{"count": 0, "names": []string{}},
		"output":     map[string]any{"batch_size": m.info.BatchSize, "clients": m.info.Clients, "name": m.info.OutputType},
		"queue":      map[string]any{"name": "mem"},
		"service":    map[string]any{"id": m.info.UUID, "name": m.info.Beat, "version": m.info.Version},
	}
}

// inputs are the objects of /inputs/, of one type if it is given.
func (n *Numbers) inputs(kind string) []map[string]any {
	list := []map[string]any{}
	for i := range n.Inputs {
		in := &n.Inputs[i]
		if kind != "" && in.Type != kind {
			continue
		}
		list = append(list, map[string]any{
			"input":                   in.Type,
			"id":                      in.name(i),
			"bytes_processed_total":   in.Bytes,
			"events_processed_total":  in.Events,
			"messages_read_total":     in.Events + in.Filtered,
			"files_active":            max(0, in.Opened-in.Closed),
			"files_opened_total":      in.Opened,
			"files_closed_total":      in.Closed,
			"processing_errors_total": in.Errors,
			"processing_time":         map[string]any{"histogram": in.Processing.summary(1).object()},
		})
	}
	return list
}

// dataset are the objects of /inputs/ by their ids.
func (n *Numbers) dataset() map[string]any {
	all := make(map[string]any)
	for _, in := range n.inputs("") {
		all[in["id"].(string)] = in
	}
	return all
}

// name is the input's id; one without gets its type and number in the
// configuration.
func (in *Input) name(i int) string {
	if in.ID != "" {
		return in.ID
	}
	return in.Type + "-" + strconv.Itoa(i)
}

// host describes the machine as /state does.
func host() map[string]any {
	release := osRelease("/etc/os-release")
	system := map[string]any{
		"family": release["ID"], "kernel": "", "name": release["NAME"], "platform": release["ID"], "version": release["VERSION"],
	}
	if like, _, _ := strings.Cut(release["ID_LIKE"], " "); like != "" {
		system["family"] = like
	}
	arch := runtime.GOARCH
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		system["kernel"], arch = unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:])
	}
	id, _ := os.ReadFile("/etc/machine-id") // empty where there is none
	return map[string]any{"architecture": arch, "hostname": hostname(), "id": strings.TrimSpace(string(id)), "os": system}
}

// osRelease reads the NAME=value lines of a file; empty if it isn't there.
func osRelease(path string) map[string]string {
	all := make(map[string]string)
	f, err := os.Open(path)
	if err != nil {
		return all
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, value, ok := strings.Cut(s.Text(), "="); ok {
			all[name] = strings.Trim(value, `"'`)
		}
	}
	return all
}

// userName looks a user up in the system's file; the number stands for one
// that isn't there.
func userName(uid string) string {
	f, err := os.Open("/etc/passwd")
	if err != nil {
		return uid
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if fields := strings.Split(s.Text(), ":"); len(fields) > 2 && fields[2] == uid {
			return fields[0]
		}
	}
	return uid
}

// hostname is the machine's name; empty if it has none.
func hostname() string {
	name, _ := os.Hostname()
	return name
}

// buildTime is when the source was committed, as the compiler has noted it.
func buildTime() string {
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, s := range build.Settings {
			if s.Key == "vcs.time" {
				return s.Value
			}
		}
	}
	return "unknown"
}

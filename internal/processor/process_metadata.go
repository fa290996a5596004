package processor

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"sluice/internal/event"
)

// Adds what the system knows of a running process. A process that is gone, and
// any other error, leaves the event as it is, or with those fields that could
// be added. Filebeat: add_process_metadata.
type addProcessMetadata struct {
	// MatchPIDs are the fields to look into for a process id; the first that is
	// there counts. Required.
	MatchPIDs []string `config:"match_pids"`
	// Target is the field under which process and container go. Default: the
	// top level.
	Target string `config:"target"`
	// IncludeFields are the fields to add, or the sections that hold them.
	// Default: all but process.env.
	IncludeFields []string `config:"include_fields"`
	// IgnoreMissing takes an event without a process id for no error. Default:
	// true.
	IgnoreMissing bool `config:"ignore_missing"`
	// OverwriteKeys replaces fields that are there; else that is an error, and
	// the other fields are added. Default: false.
	OverwriteKeys bool `config:"overwrite_keys"`
	// RestrictedFields adds process.env, which may hold secrets. Default: false.
	RestrictedFields bool `config:"restricted_fields"`
	// HostPath is the folder that holds proc. Default: /.
	HostPath string `config:"host_path"`
	// CgroupPrefixes are beginnings of a control group's path; the last part of
	// such a path is the container's id. Default: none.
	CgroupPrefixes []string `config:"cgroup_prefixes"`
	// CgroupRegex is a regular expression (RE2) with one group, the container's
	// id, for a control group's path; not together with cgroup_prefixes.
	// Default: one that finds ids of 64 hexadecimal digits.
	CgroupRegex string `config:"cgroup_regex"`
	// CgroupCacheExpireTime is how long a process's container is remembered;
	// 0 reads it anew for each event. Default: 30s.
	CgroupCacheExpireTime time.Duration `config:"cgroup_cache_expire_time"`

	Common `config:",squash"`
}

// processFields are the fields that can be added.
var processFields = []string{
	"container.id", "process.args", "process.env", "process.executable", "process.name", "process.owner.id",
	"process.owner.name", "process.parent.pid", "process.pid", "process.start_time", "process.title",
}

const processEnv = "process.env"

// defaultCgroup finds the ids of Docker, containerd, CRI-O and Podman.
const defaultCgroup = `[-/]([0-9a-f]{64})(?:\.scope)?(?:/container)?$`

func (o *addProcessMetadata) Validate() error {
	errs := []error{required("match_pids", len(o.MatchPIDs) > 0, "[process.pid]")}
	for i, name := range o.IncludeFields {
		option := "include_fields." + strconv.Itoa(i)
		switch {
		case name == processEnv && !o.RestrictedFields:
			errs = append(errs, fault(option, "process.env may hold secrets; set restricted_fields: true to add it"))
		case !slices.ContainsFunc(processFields, func(f string) bool { return covers(name, f) }):
			errs = append(errs, oneOf(option, name, processFields...))
		}
	}
	if len(o.CgroupPrefixes) > 0 && o.CgroupRegex != "" {
		errs = append(errs, fault("cgroup_regex", "stands beside cgroup_prefixes; use one of them"))
	}
	if re, err := compileRegexp(o.CgroupRegex); err != nil {
		errs = append(errs, inside("cgroup_regex", err))
	} else if o.CgroupRegex != "" && re.NumSubexp() != 1 {
		errs = append(errs, fault("cgroup_regex", "has %d groups; exactly one is wanted, around the container's id", re.NumSubexp()))
	}
	if o.CgroupCacheExpireTime < 0 {
		errs = append(errs, fault("cgroup_cache_expire_time", "%s is negative; use 0 for no cache", o.CgroupCacheExpireTime))
	}
	return errors.Join(errs...)
}

// covers says that a field is this one, or lies in this section.
func covers(name, field string) bool {
	return name == field || strings.HasPrefix(field, name+".")
}

func (o *addProcessMetadata) compile(Env) (step, error) {
	pattern := o.CgroupRegex
	if pattern == "" {
		pattern = defaultCgroup
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fault("cgroup_regex", "%s", err)
	}
	s := &processStep{options: o, proc: procFS{strings.TrimSuffix(o.HostPath, "/") + "/proc"}, cgroup: re, containers: make(map[int64]container)}
	for _, field := range processFields {
		wanted := len(o.IncludeFields) == 0 || slices.ContainsFunc(o.IncludeFields, func(name string) bool { return covers(name, field) })
		if wanted && (field != processEnv || o.RestrictedFields) {
			s.fields = append(s.fields, field)
		}
	}
	return s, nil
}

// processStep is a compiled add_process_metadata.
type processStep struct {
	options *addProcessMetadata
	proc    procFS
	cgroup  *regexp.Regexp
	fields  []string

	mu         sync.Mutex
	containers map[int64]container
}

// container is a container's id that is remembered.
type container struct {
	id    string
	until time.Time
}

func (s *processStep) run(e *event.Event) (drop bool, err error) {
	pid, err := s.pid(e)
	if err != nil || pid == 0 {
		return false, err
	}
	known, err := s.proc.read(pid, slices.Contains(s.fields, processEnv))
	if err != nil {
		return false, fmt.Errorf("read the metadata of process %d: %w", pid, err)
	}
	if id := s.container(pid); id != "" {
		known["container.id"] = id
	}
	prefix := s.options.Target
	if prefix != "" {
		prefix += "."
	}
	var errs []error
	for _, field := range s.fields {
		v, ok := known[field]
		if !ok {
			continue
		}
		old, err := e.Get(prefix + field)
		if err == nil && !s.options.OverwriteKeys {
			if field != "process.pid" || fmt.Sprint(old) != fmt.Sprint(v) {
				errs = append(errs, fmt.Errorf("target field %s%s already exists; set overwrite_keys to replace it", prefix, field))
			}
			continue
		}
		if _, err := e.Put(prefix+field, v); err != nil {
			errs = append(errs, fmt.Errorf("add %s%s: %w", prefix, field, err))
		}
	}
	return false, errors.Join(errs...)
}

// pid finds the process id; 0 without an error if there is none.
func (s *processStep) pid(e *event.Event) (int64, error) {
	for _, name := range s.options.MatchPIDs {
		v, err := e.Get(name)
		if err != nil {
			continue
		}
		n, ok := integer(v)
		switch v := v.(type) {
		case string:
			n, err = strconv.ParseInt(v, 10, 64)
			ok = err == nil
		case float64:
			n, ok = int64(v), v == float64(int64(v))
		}
		if !ok || n <= 0 || n > 1<<31 {
			return 0, fmt.Errorf("%s is %v, no process id", name, v)
		}
		return n, nil
	}
	if s.options.IgnoreMissing {
		return 0, nil
	}
	return 0, fmt.Errorf("none of the fields %s is there", strings.Join(s.options.MatchPIDs, ", "))
}

// container returns the id of a process's container; "" if it has none.
func (s *processStep) container(pid int64) string {
	if !slices.Contains(s.fields, "container.id") {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if c, ok := s.containers[pid]; ok && now.Before(c.until) {
		return c.id
	}
	id := ""
	for _, path := range s.proc.cgroups(pid) {
		if id = s.containerOf(path); id != "" {
			break
		}
	}
	if expire := s.options.CgroupCacheExpireTime; expire > 0 {
		const most = 10000
		if len(s.containers) >= most {
			clear(s.containers)
		}
		s.containers[pid] = container{id, now.Add(expire)}
	}
	return id
}

func (s *processStep) containerOf(path string) string {
	for _, prefix := range s.options.CgroupPrefixes {
		if strings.HasPrefix(path, prefix) {
			return path[strings.LastIndexByte(path, '/')+1:]
		}
	}
	if len(s.options.CgroupPrefixes) > 0 {
		return ""
	}
	if m := s.cgroup.FindStringSubmatch(path); m != nil {
		return m[1]
	}
	return ""
}

package monitor

import (
	"bytes"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is what the system says about this process and the machine. What it
// doesn't say is 0.
type process struct {
	user, system           time.Duration // CPU time
	next, alloc, total, in int64         // Go's memory: next collection, live, allocated since the start, taken from the system
	rss                    int64
	goroutines             int64
	open, soft, hard       int64 // file handles
	load                   [3]float64
	cores                  int64
}

// memory are the runtime's names of next, alloc, total and in.
var memory = []string{"/gc/heap/goal:bytes", "/memory/classes/heap/objects:bytes", "/gc/heap/allocs:bytes", "/memory/classes/total:bytes"}

// readProcess asks the system. Unlike runtime.ReadMemStats it stops nothing.
func readProcess() process {
	p := process{goroutines: int64(runtime.NumGoroutine()), cores: int64(runtime.NumCPU()), rss: residentBytes(), open: openHandles(), load: loadAverage()}
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &usage) == nil {
		p.user, p.system = time.Duration(usage.Utime.Nano()), time.Duration(usage.Stime.Nano())
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		const largest = 1<<63 - 1 // no limit
		p.soft, p.hard = int64(min(limit.Cur, largest)), int64(min(limit.Max, largest))
	}
	samples := make([]metrics.Sample, len(memory))
	for i, name := range memory {
		samples[i].Name = name
	}
	metrics.Read(samples)
	for i, to := range []*int64{&p.next, &p.alloc, &p.total, &p.in} {
		if samples[i].Value.Kind() == metrics.KindUint64 {
			*to = int64(samples[i].Value.Uint64())
		}
	}
	return p
}

// residentBytes is the memory that the process holds.
func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// openHandles counts the open files, sockets and so on.
func openHandles() int64 {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return 0
	}
	return int64(len(names) - 1) // without the folder's own
}

// loadAverage is the machine's load over 1, 5 and 15 minutes.
func loadAverage() (load [3]float64) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return load
	}
	fields := strings.Fields(string(text))
	for i := range min(len(load), len(fields)) {
		load[i], _ = strconv.ParseFloat(fields[i], 64) // 0 if it is none
	}
	return load
}

// Package child runs the processes that a benchmark measures, and reads what
// they use from the system: CPU time, memory, wake-ups, bytes written. All of
// it is read from the process itself, so that nothing of the benchmark's own
// is counted, and no child outlives the benchmark.
package child

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a process may take to end after SIGTERM.
const patience = 20 * time.Second

// Process is a running program.
type Process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
	err  error
}

// Usage is what a process used since its start; a process can't lower any of
// it but Resident.
type Usage struct {
	// CPU is user and system time of all threads, ended ones included.
	CPU time.Duration
	// Peak and Resident are VmHWM and VmRSS, in bytes. (ru_maxrss of a fresh
	// child would count what its parent held when it forked.)
	Peak, Resident int64
	// Wakeups are voluntary context switches of all threads: how often one of
	// them had gone to sleep.
	Wakeups int64
	// Dirtied is what the process changed in files, in bytes of whole folios of
	// the page cache (write_bytes of /proc/PID/io): 4 KiB for a short line at the
	// end of a small file, but up to 1 MiB for a byte within a large one. What
	// the file system writes besides (its journal) is not in it.
	Dirtied int64
}

// Since returns the usage after before. Peak and Resident stay.
func (u Usage) Since(before Usage) Usage {
	u.CPU -= before.CPU
	u.Wakeups -= before.Wakeups
	u.Dirtied -= before.Dirtied
	return u
}

// Plus adds the usage of another process of the same pipeline.
func (u Usage) Plus(o Usage) Usage {
	return Usage{u.CPU + o.CPU, u.Peak + o.Peak, u.Resident + o.Resident, u.Wakeups + o.Wakeups, u.Dirtied + o.Dirtied}
}

// Start starts cmd. Its output goes to the file log unless cmd says otherwise.
// It is killed when this process dies, however that happens.
func Start(log string, cmd *exec.Cmd) (*Process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close() // the child has its own
	if cmd.Stdout == nil {
		cmd.Stdout = f
	}
	if cmd.Stderr == nil {
		cmd.Stderr = f
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Log returns what the process has written to its log so far.
func (p *Process) Log() string {
	text, _ := os.ReadFile(p.log) // no log: nothing to show
	return string(text)
}

// Stop asks the process to end and waits for it; after 20 s it is killed. It
// returns the CPU time of the whole life of the process, and an error with the
// log when the process failed.
func (p *Process) Stop() (cpu time.Duration, err error) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // already over: Wait has told
	select {
	case <-p.done:
		err = p.err
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.done
		err = fmt.Errorf("did not end within %s of SIGTERM and was killed", patience)
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM {
		err = nil // a program without a handler
	}
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", filepath.Base(p.cmd.Path), err, p.Log())
	}
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime(), err
}

// Kill ends processes at once, as kill -9 of their group does, and waits for them.
func Kill(processes ...*Process) {
	for _, p := range processes {
		_ = p.cmd.Process.Kill() // it may have ended
	}
	for _, p := range processes {
		<-p.done
	}
}

// Usage reads what the process has used so far.
func (p *Process) Usage() (u Usage, err error) {
	select {
	case <-p.done:
		return u, fmt.Errorf("%s has ended: %w\n%s", filepath.Base(p.cmd.Path), p.err, p.Log())
	default:
	}
	pid := p.cmd.Process.Pid
	var ts unix.Timespec
	// The CPU clock of another process, as clock_getcpuclockid(3) makes it:
	// nanoseconds, where /proc/PID/stat has hundredths of a second.
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return u, fmt.Errorf("read the CPU clock of process %d: %w", pid, err)
	}
	u.CPU = time.Duration(ts.Nano())
	proc := fmt.Sprintf("/proc/%d", pid)
	memory, err := fields(proc + "/status")
	if err != nil {
		return u, err
	}
	u.Peak, u.Resident = memory["VmHWM"]<<10, memory["VmRSS"]<<10
	io, err := fields(proc + "/io")
	if err != nil {
		return u, err
	}
	u.Dirtied = io["write_bytes"]
	threads, err := filepath.Glob(proc + "/task/*/status") // the process' own file has the first thread's only
	if err != nil {
		return u, err
	}
	for _, t := range threads {
		if one, err := fields(t); err == nil { // else the thread has just ended
			u.Wakeups += one["voluntary_ctxt_switches"]
		}
	}
	return u, nil
}

// fields reads the numbers of lines "name: number".
func fields(path string) (map[string]int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	all := make(map[string]int64)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		var n int64
		if _, err := fmt.Sscan(value, &n); err == nil {
			all[name] = n
		}
	}
	return all, nil
}

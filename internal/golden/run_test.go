package golden

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// result of one run of a case.
type result struct {
	problems []string // what differs
	pauses   bool     // its steps depend on how fast the machine is
	folder   string   // kept
	skip     string   // why it was not run
	err      error    // of the runner
}

// giveUps counts what was waited for in vain: when nothing works the whole
// shall not take an hour.
var giveUps atomic.Int32

// patience is how long to wait for something that should happen.
func patience() time.Duration {
	if giveUps.Load() > 10 {
		return min(*deadline, 5*time.Second)
	}
	return *deadline
}

// poll is how often a run looks whether what it waits for has happened.
const poll = 20 * time.Millisecond

// run is one process of a case.
type run struct {
	testCase
	work, in, out string
	cmd           *exec.Cmd
	exited        chan struct{} // closed when cmd has ended

	slow   float64 // pauses take that many times as long
	pauses bool
	err    error // the first of a step
}

// run runs the case with binary; slow stretches its pauses.
func (c testCase) run(binary string, slow float64) (res result) {
	work, err := os.MkdirTemp("", "golden.")
	if err != nil {
		return result{err: err}
	}
	r := &run{testCase: c, work: work, in: filepath.Join(work, "in"), out: filepath.Join(work, "out"), slow: slow, exited: make(chan struct{})}
	defer func() {
		if *keep {
			res.folder = work
		} else if err := os.RemoveAll(work); err != nil && res.err == nil {
			res.err = err
		}
	}()
	play, skip := c.steps()
	if skip != "" {
		return result{skip: skip}
	}
	if err := r.start(binary); err != nil {
		return result{err: err}
	}
	r.waitReady()
	if play != nil {
		play(r)
	}
	r.settle()
	hung := r.stop()
	if r.err != nil {
		return result{err: r.err, pauses: r.pauses}
	}
	problems, err := r.problems()
	if hung {
		problems = append(problems, fmt.Sprintf("did not stop within %v of SIGTERM", patience()))
	}
	return result{problems: problems, pauses: r.pauses, err: err}
}

// start makes the case's folder and starts the binary.
func (r *run) start(binary string) error {
	if err := r.copyInput(r.in); err != nil {
		return err
	}
	if err := os.Mkdir(r.out, 0o755); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(r.dir, "filebeat.yml"))
	if err != nil {
		return err
	}
	conf := filepath.Join(r.work, "filebeat.yml")
	filled := strings.NewReplacer("${CASE}", r.in, "${OUT}", r.out).Replace(string(text))
	if err := os.WriteFile(conf, []byte(filled), 0o600); err != nil {
		return err
	}
	stderr, err := os.Create(filepath.Join(r.work, "stderr"))
	if err != nil {
		return err
	}
	defer stderr.Close() // the process has its own
	r.cmd = exec.Command(binary, "-c", conf, "--path.home", r.work, "--path.data", filepath.Join(r.work, "data"),
		"--path.logs", filepath.Join(r.work, "logs"), "-e")
	r.cmd.Args = append(r.cmd.Args, r.expect.Args...)
	r.cmd.Stderr = stderr
	r.cmd.Env = append(os.Environ(), "CASE="+r.in, "OUT="+r.out)
	for name, value := range r.expect.Env {
		r.cmd.Env = append(r.cmd.Env, name+"="+value)
	}
	if err := r.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = r.cmd.Wait() // the exit status is read from ProcessState
		close(r.exited)
	}()
	return nil
}

// waitReady waits until the registry is open or the process has ended, and
// takes from that how slow the machine is.
func (r *run) waitReady() {
	const usual = 300 * time.Millisecond // with four at a time
	begin := time.Now()
	r.waitFor(patience(), func() bool { return exists(filepath.Join(r.work, "data", "registry", "filebeat", "meta.json")) })
	r.slow *= min(max(float64(time.Since(begin))/float64(usual), 1), 10)
}

// waitFor asks done until it says true, the process has ended, or the time is
// over; it says which: whether done.
func (r *run) waitFor(most time.Duration, done func() bool) bool {
	end := time.Now().Add(most)
	for time.Now().Before(end) {
		if done() {
			return true
		}
		select {
		case <-r.exited:
			return done()
		case <-time.After(poll):
		}
	}
	return done()
}

// events waits until n events are out.
func (r *run) events(n int) {
	if !r.waitFor(patience(), func() bool { return countEvents(r.out) >= n }) {
		giveUps.Add(1)
	}
}

// pause lets the binary run for some time in which no event is expected.
func (r *run) pause(d time.Duration) {
	r.pauses = true
	r.let(time.Duration(float64(d) * r.slow))
}

// let waits that long, or until the process has ended.
func (r *run) let(d time.Duration) {
	select {
	case <-r.exited:
	case <-time.After(d):
	}
}

// settle waits for the events that should be, and then for those that should
// not be.
func (r *run) settle() {
	if r.expect.Exit != 0 {
		if !r.waitFor(patience(), func() bool { return false }) && r.cmd.ProcessState == nil {
			giveUps.Add(1)
		}
		return
	}
	quiet := 700 * time.Millisecond
	if len(r.wanted) > 0 {
		r.events(len(r.wanted))
	} else {
		quiet = 2500 * time.Millisecond
	}
	r.let(max(quiet, time.Duration(r.expect.Wait*float64(time.Second))))
}

// stop ends the process as a service manager does, and waits for its end.
func (r *run) stop() (hung bool) {
	select {
	case <-r.exited:
		return false
	default:
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.fail(err)
	}
	select {
	case <-r.exited:
		return false
	case <-time.After(patience()):
	}
	if err := r.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.fail(err)
	}
	<-r.exited
	return true
}

// problems compares what the process left with what is expected.
func (r *run) problems() ([]string, error) {
	events, err := readEvents(r.out)
	if err != nil {
		return nil, err
	}
	if err := normalise(events, r.in, r.expect.Keep); err != nil {
		return nil, err
	}
	stderr, err := os.ReadFile(filepath.Join(r.work, "stderr"))
	if err != nil {
		return nil, err
	}
	var problems []string
	if code := r.cmd.ProcessState.ExitCode(); code != r.expect.Exit {
		problems = append(problems, fmt.Sprintf("exit status %d (%v), expected %d", code, r.cmd.ProcessState, r.expect.Exit))
	}
	problems = append(problems, compare(events, r.wanted)...)
	for _, phrase := range r.expect.Stderr {
		if !regexp.MustCompile(phrase).Match(stderr) {
			problems = append(problems, fmt.Sprintf("stderr lacks /%s/", phrase))
		}
	}
	if len(problems) > 0 {
		const most = 1500
		problems = append(problems, fmt.Sprintf("stderr ends with:\n%s", stderr[max(0, len(stderr)-most):]))
	}
	return problems, nil
}

func (r *run) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

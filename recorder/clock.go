package recorder

import (
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ClockConfig says what is done while the machine's clock is not right yet: a
// Raspberry Pi before the 5 has no battery for it, and starts with the time of
// its last stop until a time server answers.
type ClockConfig struct {
	// Hold keeps records back, on disk, that were recorded before the clock was
	// synchronised: when it is, the tailer corrects their times and ships them.
	// auto holds on boards without a hardware clock, true on every machine
	// whose clock is not synchronised, false never. Default: auto.
	Hold string `config:"hold"`
	// Wait is how long after the machine's start such records are held; then
	// they are shipped with the times that they have, and say so. For a site
	// without a time server. Default: 10m.
	Wait time.Duration `config:"wait"`
}

// The values of hold.
const (
	holdAuto  = "auto"
	holdTrue  = "true"
	holdFalse = "false"
)

// filled puts defaults in the place of zero values.
func (c ClockConfig) filled() ClockConfig {
	switch strings.ToLower(c.Hold) {
	case "", holdAuto:
		c.Hold = holdAuto
	case holdTrue, "yes", "on", "y":
		c.Hold = holdTrue
	case holdFalse, "no", "off", "n":
		c.Hold = holdFalse
	}
	if c.Wait == 0 {
		c.Wait = defaultClockWait
	}
	return c
}

const defaultClockWait = 10 * time.Minute

func (c ClockConfig) validate(f *faults) {
	c = c.filled()
	if c.Hold != holdAuto && c.Hold != holdTrue && c.Hold != holdFalse {
		f.add("clock.hold", "%q is not known; use auto, true or false", c.Hold)
	}
	f.span("clock.wait", c.Wait, time.Second, 30*24*time.Hour)
}

// reading is one look at the clock.
type reading struct {
	monotonic time.Duration // since the machine's start
	synced    bool          // by the kernel's word
}

// clock tells the time in the ways that a record keeps: by the wall clock, and
// since the machine's start, which no one can set. It is safe for concurrent
// use.
type clock struct {
	boot string // the kernel's id of this start of the machine; "" if it tells none
	hold bool   // records of before the synchronisation are held

	origin time.Time     // carries Go's monotonic reading
	since  time.Duration // CLOCK_MONOTONIC at origin

	mu     sync.Mutex
	looked time.Duration // when synced was asked
	synced bool

	ask func() bool // the kernel; tests have their own
}

// syncPeriod is how often the kernel is asked whether its clock is
// synchronised, at most.
const syncPeriod = time.Second

// newClock reads the machine's clock.
func newClock(cfg ClockConfig) *clock {
	c := &clock{boot: readLine("/proc/sys/kernel/random/boot_id"), ask: synchronised, looked: -syncPeriod}
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err == nil {
		c.since = time.Duration(ts.Nano())
	}
	c.origin = time.Now()
	switch cfg.Hold {
	case holdTrue:
		c.hold = true
	case holdAuto, "":
		c.hold = isBoard() && !hasHardwareClock()
	}
	return c
}

// synchronised asks the kernel (adjtimex) whether something keeps its clock
// right; it says "not" until the first answer of a time server, and again after
// hours without one. A kernel that does not tell (a sandbox) counts as right.
func synchronised() bool {
	var tx unix.Timex
	state, err := unix.Adjtimex(&tx)
	return err != nil || state != unix.TIME_ERROR && tx.Status&unix.STA_UNSYNC == 0
}

// isBoard says whether the machine is described by a device tree, as ARM boards
// are. PCs and their virtual machines have a clock of their own or their host's.
func isBoard() bool {
	_, err := os.Stat("/proc/device-tree/compatible")
	return err == nil
}

// hasHardwareClock says whether the kernel took its time from one at the start.
func hasHardwareClock() bool {
	entries, _ := os.ReadDir("/sys/class/rtc")
	for _, e := range entries {
		if readLine("/sys/class/rtc/"+e.Name()+"/hctosys") == "1" {
			return true
		}
	}
	return false
}

func readLine(path string) string {
	b, _ := os.ReadFile(path)
	return strings.TrimSpace(string(b))
}

// monotonic is when t was, since the machine's start. t must come from
// time.Now: what was done to the wall clock since then has no effect on it.
func (c *clock) monotonic(t time.Time) time.Duration { return c.since + t.Sub(c.origin) }

// read tells about the moment t, which is now or was a moment ago.
func (c *clock) read(t time.Time) reading {
	r := reading{monotonic: c.monotonic(t)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.monotonic-c.looked >= syncPeriod {
		c.looked, c.synced = r.monotonic, c.ask()
	}
	r.synced = c.synced
	return r
}

// stamp notes in a record what the clock was.
func (c *clock) stamp(r *Record) {
	if c == nil || c.boot == "" || r.Boot != "" {
		return
	}
	now := c.read(r.Time)
	r.Boot, r.Monotonic, r.Synced = c.boot, now.monotonic, now.synced
}

// start is when the machine started, by a wall clock that showed wall when
// monotonic had passed since. It changes only when the clock is set: what a time
// server does gently, it does to the monotonic clock as well.
func start(wall time.Time, monotonic time.Duration) time.Time {
	return wall.Round(0).Add(-monotonic)
}

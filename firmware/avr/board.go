package avr

import (
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options are how a board is when it starts.
type Options struct {
	// Port is the path of the serial port: a link, made by Start, that vanishes
	// with Unplug and leads to another terminal after Replug.
	Port string
	// Speed is how much faster than a real board it runs at most. Default: 10, a
	// third of what one core can do.
	Speed float64
	// KeepOnOpen leaves the chip running when somebody opens the port. A Uno, and
	// so the board without it, is reset by that.
	KeepOnOpen bool
	// BootLoader hides from the sketch why the chip started, as the boot loader of
	// most Unos does.
	BootLoader bool
}

// Modes of the sensor.
const (
	OK     = "ok"
	Dead   = "dead"   // no answer
	BadSum = "badsum" // a bit has turned
	Short  = "short"  // the answer breaks off
	Zero   = "zero"   // 40 zeros, whose checksum is right
	Quick  = "quick"  // the shortest pulses that the data sheet allows
	Slow   = "slow"   // the longest
)

// Stat is what a board has counted since its start.
type Stat struct {
	// Clock is the time on the board; Asleep how much of it the chip slept. They
	// stand still while it is unplugged.
	Clock, Asleep time.Duration
	// Hung is how long the last Hang took, up to the reset that ended it.
	Hung time.Duration
	// Resets counts those of every kind, power-on among them.
	Resets int
	// Sent and Received are bytes that the chip's UART sent and received, Dropped
	// those of Sent that the reader was too slow for. What is sent while the port
	// is not open is in Sent only.
	Sent, Received, Dropped int
	// Asked counts how often the sensor was asked, Early how often less than 2 s
	// after the time before.
	Asked, Early int
}

// Board is a running board. Its methods may be called by several goroutines.
type Board struct {
	port     string
	firmware Firmware

	cmd    *exec.Cmd
	errors bytes.Buffer // complete after ended

	mu      sync.Mutex // one command at a time
	in      io.WriteCloser
	answers chan string
	ended   chan struct{}
	err     error // of the program, after ended
}

// answerTimeout is how long the board may take to obey on a busy machine.
const answerTimeout = 30 * time.Second

// Start plugs a board in. The sketch begins at once, as after power-on.
func Start(f Firmware, o Options) (*Board, error) {
	if o.Speed == 0 {
		o.Speed = 10
	}
	args := []string{"-f", f.ELF, "-m", f.chip, "-l", o.Port, "-x", fmt.Sprint(o.Speed)}
	if o.KeepOnOpen {
		args = append(args, "-n")
	}
	if o.BootLoader {
		args = append(args, "-b")
	}
	b := &Board{
		port: o.Port, firmware: f,
		cmd:     exec.Command(f.Runner, args...),
		answers: make(chan string, 16), ended: make(chan struct{}),
	}
	b.cmd.Stderr = &b.errors
	in, err := b.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("avr board: %w", err)
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("avr board: %w", err)
	}
	b.in = in
	if err := b.cmd.Start(); err != nil {
		return nil, fmt.Errorf("avr board: %w", err)
	}
	go b.listen(out)
	// It says ok once it is plugged in.
	if _, err := b.answer(); err != nil {
		b.Kill()
		return nil, err
	}
	return b, nil
}

// listen hands on the answers and waits for the program's end.
func (b *Board) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		b.answers <- lines.Text()
	}
	b.err = b.cmd.Wait()
	close(b.ended)
}

// Port is the path to open.
func (b *Board) Port() string { return b.port }

// Env sets what the sensor measures: percent and °C, in steps of 0.1.
func (b *Board) Env(humidity, temperature float64) error {
	return b.do("env %g %g", humidity, temperature)
}

// DHT sets how the sensor behaves: one of the above.
func (b *Board) DHT(mode string) error { return b.do("dht %s", mode) }

// Supply sets the board's supply in millivolts.
func (b *Board) Supply(millivolts int) error { return b.do("supply %d", millivolts) }

// Unplug takes the port away, and the power with it.
func (b *Board) Unplug() error { return b.do("unplug") }

// Replug plugs the board in again.
func (b *Board) Replug() error { return b.do("replug") }

// Reset presses the button.
func (b *Board) Reset() error { return b.do("reset") }

// Hang stops the program where it is. Only a reset, the watchdog's for example,
// gets it going again.
func (b *Board) Hang() error { return b.do("hang") }

// Freeze stops the board with everything in it: the port stays and says nothing. It
// obeys nothing but Thaw until then.
func (b *Board) Freeze() error { return b.signal(syscall.SIGSTOP) }

// Thaw lets a frozen board go on; of the time between it knows nothing.
func (b *Board) Thaw() error { return b.signal(syscall.SIGCONT) }

func (b *Board) signal(s syscall.Signal) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("avr board: %s: %w", s, err)
	}
	return nil
}

// Baud lets the chip send and receive at this rate, whatever the sketch believes;
// 0 sets it right again.
func (b *Board) Baud(rate int) error { return b.do("baud %d", rate) }

// SetMillis sets what the sketch's millis() is, a number of milliseconds that
// wraps after 2³²−1.
func (b *Board) SetMillis(ms uint32) error { return b.poke("timer0_millis", ms) }

// SetMicros sets what the sketch's micros() is, in steps of 1,024 µs.
func (b *Board) SetMicros(us uint32) error { return b.poke("timer0_overflow_count", us/1024) }

// poke writes one of the 32-bit counters of the Arduino core.
func (b *Board) poke(symbol string, value uint32) error {
	file, err := elf.Open(b.firmware.ELF)
	if err != nil {
		return fmt.Errorf("avr board: %w", err)
	}
	defer func() { _ = file.Close() }()
	symbols, err := file.Symbols()
	if err != nil {
		return fmt.Errorf("avr board: %s: %w", b.firmware.ELF, err)
	}
	for _, s := range symbols {
		if s.Name == symbol {
			return b.do("poke %#x %d", s.Value, value)
		}
	}
	return fmt.Errorf("avr board: %s has no variable %s", b.firmware.ELF, symbol)
}

// Stat returns what the board has counted.
func (b *Board) Stat() (Stat, error) {
	text, err := b.command("stat")
	if err != nil {
		return Stat{}, err
	}
	var s Stat
	var clock, asleep, hung int64
	_, err = fmt.Sscanf(text, "ok sim_ms=%d asleep_ms=%d hung_ms=%d resets=%d sent=%d received=%d dropped=%d asked=%d early=%d",
		&clock, &asleep, &hung, &s.Resets, &s.Sent, &s.Received, &s.Dropped, &s.Asked, &s.Early)
	if err != nil {
		return Stat{}, fmt.Errorf("avr board: stat: %q: %w", text, err)
	}
	s.Clock, s.Asleep, s.Hung = milliseconds(clock), milliseconds(asleep), milliseconds(hung)
	return s, nil
}

func milliseconds(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// Stop unplugs the board for good. It returns an error when the program has ended by
// itself, or has printed one.
func (b *Board) Stop() error {
	_, err := b.command("quit")
	if err != nil && !errors.Is(err, errEnded) {
		b.Kill()
		return err
	}
	<-b.ended
	if b.err != nil {
		return fmt.Errorf("avr board: %w: %s", b.err, b.errors.String())
	}
	if b.errors.Len() > 0 {
		return fmt.Errorf("avr board: %s", b.errors.String())
	}
	return nil
}

// Kill ends the board without a trace but its link, as a crash of the machine's USB
// would.
func (b *Board) Kill() {
	_ = b.cmd.Process.Kill()
	<-b.ended
}

var errEnded = errors.New("the program has ended")

func (b *Board) do(format string, args ...any) error {
	_, err := b.command(format, args...)
	return err
}

// command sends a line and returns the answer.
func (b *Board) command(format string, args ...any) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	line := fmt.Sprintf(format, args...)
	if _, err := io.WriteString(b.in, line+"\n"); err != nil {
		return "", fmt.Errorf("avr board: %s: %w", line, errEnded)
	}
	text, err := b.answer()
	if err != nil {
		return "", fmt.Errorf("%w (%s)", err, line)
	}
	return text, nil
}

func (b *Board) answer() (string, error) {
	select {
	case text := <-b.answers:
		if problem, bad := strings.CutPrefix(text, "error "); bad {
			return "", fmt.Errorf("avr board: %s", problem)
		}
		return text, nil
	case <-b.ended:
		return "", fmt.Errorf("avr board: %w: %s", errEnded, b.errors.String())
	case <-time.After(answerTimeout):
		return "", errors.New("avr board: no answer")
	}
}

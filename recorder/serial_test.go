package recorder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// reads starts a recorder of one device, to which no port is ever quiet.
func reads(t *testing.T, port string, change func(*SerialConfig)) *running {
	t.Helper()
	c := serialConfig(tempDir(t), port)
	if change != nil {
		change(&c.Serial[0])
	}
	return readsAll(t, c)
}

func readsAll(t *testing.T, c Config) *running {
	t.Helper()
	r, log := quietRecorder(t, c)
	for _, l := range r.lines {
		l.source.(*serialSource).quiet = time.Hour
	}
	return launch(t, r, log)
}

// all stops the recorder and returns what it has recorded, without the events
// of its start and stop.
func (x *running) all() []string {
	x.t.Helper()
	must(x.t, x.halt())
	lines := shortLines(x.t, x.cfg.Spool.Path)
	if len(lines) < 2 || lines[0] != "<back>" && lines[0] != "<gap>" || lines[len(lines)-1] != "<gap>" {
		x.t.Fatalf("the lines are not between two events: %q", lines)
	}
	return lines[1 : len(lines)-1]
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("recorded\n%q\nwant\n%q", got, want)
	}
}

func TestSerialLinesAreRecordedAsTheyAre(t *testing.T) {
	t.Parallel()
	d := plug(t)
	x := reads(t, d.path, nil).connected()
	d.say("rest of a line\r\n")
	d.say(`{"t":"sensor","seq":1,"hum":55.3}` + "\r\nh up=5 ram=1683\r\n  spaces \t\nhalf")
	d.say(" a line\n\xff\x00\"\\\n")
	x.has("/wAiXA==")
	must(t, x.halt())
	lines := serialLines(t, x.cfg.Spool.Path)
	var got []string
	for _, l := range lines {
		got = append(got, l.short())
		if l.Source != "serial" || l.Port != d.path || l.Device != "" || time.Since(l.Time) > time.Hour {
			t.Errorf("%+v", l)
		}
	}
	wantLines(t, got, "<back>", "rest of a line (partial)", `{"t":"sensor","seq":1,"hum":55.3}`, "h up=5 ram=1683", "  spaces \t", "half a line", "\xff\x00\"\\", "<gap>")
	raw := spoolLines(t, x.cfg.Spool.Path)[2]
	if want := fmt.Sprintf(`"source":"serial","port":%q,"line":"{\"t\":\"sensor\",\"seq\":1,\"hum\":55.3}"`, d.path); !strings.Contains(raw, want) {
		t.Errorf("%s\nhas not %s", raw, want)
	}
	if st := x.status(); st.Received != 8 || st.Recorded != 8 || st.Partial != 1 || st.Gaps != 0 {
		t.Errorf("%+v", st)
	}
}

func TestSerialTextFormat(t *testing.T) {
	t.Parallel()
	d := plug(t)
	x := reads(t, d.path, func(c *SerialConfig) { c.Format, c.Checksum = "%t,%p", "xor" }).connected()
	d.say("ab*03\nab*04\nab*03\n")
	x.recorded(4)
	must(t, x.halt())
	lines := spoolLines(t, x.cfg.Spool.Path)
	for i, want := range []string{
		"$sluice/serial/back,{", d.path + ",ab*03",
		`$sluice/serial/checksum,{"source":"serial","port":"` + d.path + `","reason":"the checksum is wrong","line":"ab*04"}`,
		d.path + ",ab*03", `$sluice/serial/gap,{"source":"serial","port":"` + d.path + `","reason":"the recorder stopped","since":"2`,
	} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("%s\ndoes not begin with %s", lines[i], want)
		}
	}
}

func TestFirstLineIsWholeAfterSilence(t *testing.T) {
	t.Parallel()
	d := plug(t)
	x := run(t, serialConfig(tempDir(t), d.path)).connected()
	<-time.After(quietStart + 50*time.Millisecond) // what is tested
	d.say("whole\n")
	x.has("whole")
	wantLines(t, x.all(), "whole")
}

func TestEveryFraming(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*SerialConfig)
		say    []string // after each but the first, one more record is waited for
		want   []string
	}{
		"line":      {nil, []string{"a\nb\r\n"}, []string{"a (partial)", "b"}},
		"delimiter": {func(c *SerialConfig) { c.Framing, c.Delimiter = "delimiter", `\x03\x02` }, []string{"a\x03\x02b\n\x03\x02"}, []string{"a (partial)", "b\n"}},
		"length":    {func(c *SerialConfig) { c.Framing, c.FrameLength = "length", 4 }, []string{"abcdefgh", "ij", "klmn"}, []string{"abcd (partial)", "efgh", "ij (partial)", "klmn"}},
		"idle":      {func(c *SerialConfig) { c.Framing, c.IdleGap = "idle", 20*time.Millisecond }, []string{"ab\n", "cd", "ef"}, []string{"ab\n (partial)", "cd", "ef"}},
		"overlong":  {func(c *SerialConfig) { c.MaxLine = 8 }, []string{"a\n" + strings.Repeat("x", 100_000) + "\nb\n"}, []string{"a (partial)", "xxxxxxxx (of 100000)", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := plug(t)
			x := reads(t, d.path, c.change).connected()
			for i, text := range c.say {
				d.say(text)
				x.recorded(int64(len(c.want) + 1 - (len(c.say) - 1 - i)))
			}
			wantLines(t, x.all(), c.want...)
		})
	}
}

func TestWrongChecksumsAreNoData(t *testing.T) {
	t.Parallel()
	d := plug(t)
	x := reads(t, d.path, func(c *SerialConfig) { c.Checksum, c.StripChecksum, c.MaxLine = "xor", true, 20 }).connected()
	d.say("b*03\nab*03\nab*ff\n$no sum\n\xff*00\n" + strings.Repeat("x", 50) + "*00\n" + strings.Repeat("y", 17) + "*79and more\nab*03\n")
	x.recorded(9)
	st := x.status()
	if st.ChecksumFailures != 5 || st.Partial != 1 {
		t.Errorf("%+v", st)
	}
	x.logged(1, "the checksum is wrong", "there is no checksum", "too long for its checksum")
	got := x.all()
	wantLines(t, got, "<checksum> b*03 (partial)", "ab", "<checksum> ab*ff", "<checksum> $no sum", "<checksum> \xff*00",
		"<checksum> "+strings.Repeat("x", 20)+" (of 53)", "<checksum> "+strings.Repeat("y", 17)+"*79 (of 28)", "ab")
}

func TestFirstLineWithItsChecksumIsWhole(t *testing.T) {
	t.Parallel()
	d := plug(t)
	x := reads(t, d.path, func(c *SerialConfig) { c.Checksum = "xor" }).connected()
	d.say("ab*03\n")
	x.recorded(2)
	wantLines(t, x.all(), "ab*03")
}

func TestUnpluggedAndBackUnderAnotherName(t *testing.T) {
	t.Parallel()
	link := filepath.Join(tempDir(t), "usb-Sensor-if00")
	d := plugAt(t, link)
	x := reads(t, link, nil).connected()
	d.say("rest\none\nunfini")
	x.has(`"one"`)
	must(t, os.Remove(link))
	d.unplug()
	eventually(t, "the loss is seen", func() bool { return !x.status().Connected })
	other := plugAt(t, link)
	x.connected()
	other.say("shed\ntwo\n")
	x.has(`"two"`)
	wantLines(t, x.all(), "rest (partial)", "one", "unfini (partial)", "<gap>", "<back>", "shed (partial)", "two")
	lines := serialLines(t, x.cfg.Spool.Path)
	if l := lines[2]; l.Port != link || l.Device != d.path {
		t.Errorf("before: %+v", l)
	}
	gap, back, after := lines[4], lines[5], lines[7]
	if gap.Reason != "the device has gone" || gap.Since.After(gap.Time) || gap.Since.Before(lines[0].Time) || gap.Device != d.path || gap.Series != "serial" {
		t.Errorf("gap: %+v", gap)
	}
	if !back.Since.Equal(gap.Since) || back.Seconds == nil || *back.Seconds < 0 || *back.Seconds > 600 || back.Device != other.path {
		t.Errorf("back: %+v", back)
	}
	if after.Device != other.path {
		t.Errorf("after: %+v", after)
	}
	if st := x.status(); st.Gaps != 1 || st.Reopens != 1 || st.Connects != 2 {
		t.Errorf("%+v", st)
	}
}

// The wait grows only while the port is of no use: without that, these
// reconnections would take half a minute.
func TestBackoffOfAPortBeginsAnewAfterAByte(t *testing.T) {
	t.Parallel()
	link := filepath.Join(tempDir(t), "tty")
	x := reads(t, link, func(c *SerialConfig) {
		c.Backoff = BackoffConfig{Init: time.Millisecond, Max: 30 * time.Second}
	})
	began := time.Now()
	for i := range int64(15) {
		d := plugAt(t, link)
		x.connected()
		d.say("x")
		eventually(t, "it is heard", func() bool { return x.status().BytesReceived == i+1 })
		must(t, os.Remove(link))
		d.unplug()
		eventually(t, "the loss is seen", func() bool { return !x.status().Connected })
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestPortThatIsMissingAtStart(t *testing.T) {
	t.Parallel()
	link := filepath.Join(tempDir(t), "ttyUSB0")
	x := reads(t, link, nil)
	x.has(`"event":"gap"`)
	if text := x.Status().String(); !strings.Contains(text, "serial: not reading "+link) || !strings.Contains(text, "there is no such device") {
		t.Error(text)
	}
	d := plugAt(t, link)
	x.connected()
	d.say("first\n")
	x.has("first")
	must(t, x.halt())
	lines := serialLines(t, x.cfg.Spool.Path)
	wantLines(t, shortLines(t, x.cfg.Spool.Path), "<gap>", "<back>", "first (partial)", "<gap>")
	if l := lines[0]; !strings.Contains(l.Reason, "there is no such device; plug it in") || l.Since.IsZero() {
		t.Errorf("%+v", l)
	}
	x.logged(1, "the port can't be read, trying on")
}

func TestSilentDeviceIsNoticed(t *testing.T) {
	t.Parallel()
	d := plug(t)
	x := reads(t, d.path, func(c *SerialConfig) { c.SilenceTimeout = time.Second }).connected()
	d.say("one\n")
	eventually(t, "the port is opened again and again", func() bool { return x.status().Reopens >= 2 })
	x.logged(1, "silent: nothing came")
	d.say("two\n")
	x.has(`"two"`)
	must(t, x.halt())
	// One gap, however often the port was opened; it ends with the first byte.
	lines := shortLines(t, x.cfg.Spool.Path)
	wantLines(t, lines[:6], "<back>", "one (partial)", "<gap>", "<back>", "two (partial)", lines[5])
	l := serialLines(t, x.cfg.Spool.Path)
	if !strings.HasPrefix(l[2].Reason, "silent: nothing came for 1s") || l[3].Seconds == nil || *l[3].Seconds < 1 {
		t.Errorf("%+v\n%+v", l[2], l[3])
	}
}

func TestLinesAreSentToTheDevice(t *testing.T) {
	t.Parallel()
	link := filepath.Join(tempDir(t), "tty")
	d := plugAt(t, link)
	x := reads(t, link, func(c *SerialConfig) {
		c.OpenLines, c.LineEnding, c.OpenDelay = []string{"k", `\x05\\`}, `\r\n`, 10*time.Millisecond
		c.Poll = []PollConfig{{Line: "?", Every: 15 * time.Millisecond}}
	})
	d.heard("k\r\n\x05\\\r\n?\r\n")
	d.heard("?\r\n?\r\n")
	must(t, os.Remove(link))
	d.unplug()
	eventually(t, "the loss is seen", func() bool { return !x.status().Connected })
	d = plugAt(t, link)
	d.heard("k\r\n\x05\\\r\n?\r\n")
}

func TestDeviceThatDoesNotListenIsStillHeard(t *testing.T) {
	t.Parallel()
	d := plug(t) // nobody reads what is sent to it
	x := reads(t, d.path, func(c *SerialConfig) { c.OpenLines = []string{strings.Repeat("x", 100_000)} }).connected()
	eventually(t, "it is told", func() bool { return strings.Contains(x.log.String(), "does not take what is sent") })
	d.say("a\nb\n")
	x.has(`"b"`)
	if st := x.status(); st.Gaps != 0 {
		t.Errorf("%+v", st)
	}
}

func TestWrongBaudRateIsNamedOnce(t *testing.T) {
	t.Parallel()
	d := plug(t)
	x := reads(t, d.path, nil).connected()
	d.say(strings.Repeat("\x00\xff\xf8\x80x", 100))
	eventually(t, "it is told", func() bool { return strings.Contains(x.status().LastError, "check baud_rate (now 9600)") })
	d.say(strings.Repeat("\x00\xff\xf8\x80x", 100) + "\n")
	x.recorded(2)
	x.logged(1, "garbage on the line")
	if got := x.all(); len(got) != 1 || len(got[0]) < 1000 { // it is recorded all the same
		t.Errorf("%q", got)
	}
}

func TestSeveralPorts(t *testing.T) {
	t.Parallel()
	var devices []*device
	c := serialConfig(tempDir(t), "")
	one := c.Serial[0]
	c.Serial = nil
	for i := range 3 {
		d := plug(t)
		devices = append(devices, d)
		one.Name, one.Port = fmt.Sprintf("port%d", i), d.path
		c.Serial = append(c.Serial, one)
	}
	x := run(t, c)
	eventually(t, "all are open", func() bool {
		return !slices.ContainsFunc(x.Status().Series, func(s SeriesStatus) bool { return !s.Connected })
	})
	for i, d := range devices {
		for k := range 100 {
			d.say(fmt.Sprintf("%d-%d\n", i, k))
		}
	}
	eventually(t, "all is recorded", func() bool {
		return !slices.ContainsFunc(x.Status().Series, func(s SeriesStatus) bool { return s.Recorded < 101 })
	})
	must(t, x.halt())
	lines := serialLines(t, c.Spool.Path)
	if len(lines) != 3*102 {
		t.Errorf("%d lines", len(lines))
	}
	for _, l := range lines {
		if l.Line != "" && l.Port != devices[l.Line[0]-'0'].path {
			t.Errorf("%+v", l)
		}
	}
}

// The disk stalls while the device goes on: what fits into queue and kernel is
// recorded once the disk works, in order.
func TestPortIsNotReadWhileTheQueueIsFull(t *testing.T) {
	t.Parallel()
	d := plug(t)
	x := reads(t, d.path, func(c *SerialConfig) { c.QueueRecords = 50 }).connected()
	x.recorded(1)
	stall := make(chan struct{})
	x.lines[0].writer.series.fail = func(string) error {
		select {
		case <-stall:
			return nil
		default:
			return errors.New("stalled")
		}
	}
	for i := range 300 {
		d.say(fmt.Sprintf("line %d\n", i))
	}
	eventually(t, "the port is not read any more", func() bool { return x.status().Stalls > 0 })
	close(stall)
	x.recorded(301)
	got := x.all()
	for i, line := range got {
		if want := fmt.Sprintf("line %d", i); strings.TrimSuffix(line, " (partial)") != want {
			t.Fatalf("line %d is %q", i, line)
		}
	}
	if len(got) != 300 {
		t.Errorf("%d lines", len(got))
	}
}

// A device that could not be heard was not silent.
func TestStalledDiskIsNoSilence(t *testing.T) {
	t.Parallel()
	d := plug(t)
	limit := 2 * time.Second
	x := reads(t, d.path, func(c *SerialConfig) { c.QueueRecords, c.SilenceTimeout = 5, limit }).connected()
	x.recorded(1)
	stall := make(chan struct{})
	x.lines[0].writer.series.fail = func(string) error {
		select {
		case <-stall:
			return nil
		default:
			return errors.New("stalled")
		}
	}
	d.say("1\n2\n3\n4\n5\n6\n")
	eventually(t, "the port is not read any more", func() bool { return x.status().Stalls > 0 })
	<-time.After(limit + limit/10)
	close(stall)
	x.recorded(7)
	d.say("7\n")
	x.recorded(8)
	if st := x.status(); st.Gaps != 0 {
		t.Errorf("%+v", st)
	}
}

func TestStopWhileTheDiskIsStalled(t *testing.T) {
	t.Parallel()
	d := plug(t)
	x := reads(t, d.path, func(c *SerialConfig) { c.QueueRecords = 5 }).connected()
	x.recorded(1)
	x.lines[0].writer.series.fail = func(string) error { return errors.New("stalled") }
	for i := range 100 {
		d.say(fmt.Sprintf("line %d\n", i))
	}
	eventually(t, "the port is not read any more", func() bool { return x.status().Stalls > 0 })
	began := time.Now()
	err := x.halt()
	if err == nil || !strings.Contains(err.Error(), "records of a serial port could not be written and are lost: stalled") {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the stop took %s", took)
	}
}

func TestStopRecordsWhatWasRead(t *testing.T) {
	t.Parallel()
	d := plug(t)
	c := serialConfig(tempDir(t), d.path)
	c.Spool.CommitInterval = 10 * time.Second
	x := readsAll(t, c).connected()
	d.say("one\ntwo\nhal")
	eventually(t, "it is read", func() bool { return x.status().BytesReceived == 11 })
	wantLines(t, x.all(), "one (partial)", "two", "hal (partial)")
}

// What was accepted is what was fsynced: after a kill the lines that the
// segments hold are whole, in order and without a hole, and the next run goes on.
func TestKilledSerialRecorder(t *testing.T) {
	t.Parallel()
	d := plug(t)
	dir := tempDir(t)
	c := serialConfig(dir, d.path)
	c.Spool.CommitInterval = time.Millisecond
	child := startChild(t, dir, c)
	d.say("start\n")
	next := 0
	for strings.Count(string(segmentsBytes(t, c.Spool.Path)), "\n") < 50 {
		d.say(fmt.Sprintf("line %d\n", next))
		next++
		time.Sleep(time.Millisecond)
	}
	must(t, child.Process.Kill())
	_ = child.Wait()
	x := run(t, c).connected()
	d.say("again\n")
	x.has("again")
	must(t, x.halt())
	// What the first run had read and not written is lost, and nothing else:
	// its lines follow one another, and those of the second run follow them.
	last, first := -1, true
	for i, line := range shortLines(t, c.Spool.Path) {
		if line == "<back>" {
			first = i == 0
		}
		n := 0
		if _, err := fmt.Sscanf(line, "line %d", &n); err != nil {
			continue
		}
		if n <= last || first && n != last+1 {
			t.Fatalf("line %d comes after line %d", n, last)
		}
		last = n
	}
	if last < 40 {
		t.Errorf("the last line is %d", last)
	}
}

package recorder

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// pi is a machine without a battery for its clock: its wall clock can be set,
// and its recorder's writer is driven by hand.
type pi struct {
	t      *testing.T
	dir    string
	format string

	boot   string
	wall   time.Time // when monotonic was 0
	up     time.Duration
	synced bool

	clock  *clock
	writer *writer
}

func newPi(t *testing.T, format string) *pi {
	p := &pi{t: t, dir: t.TempDir(), format: format}
	p.start("11111111-aaaa", time.Date(2020, 2, 1, 10, 0, 0, 0, time.UTC))
	return p
}

// start begins a start of the machine with a recorder.
func (p *pi) start(boot string, wall time.Time) {
	p.t.Helper()
	p.boot, p.wall, p.up, p.synced = boot, wall, 20*time.Second, false
	p.restart()
}

func (p *pi) restart() {
	p.t.Helper()
	if p.writer != nil {
		must(p.t, p.writer.series.seal())
		p.writer.series.unlock()
	}
	p.clock = &clock{boot: p.boot, hold: true, looked: -syncPeriod, ask: func() bool { return p.synced }}
	f, err := compileFormat(p.format)
	must(p.t, err)
	cfg := DefaultConfig().Spool
	cfg.Path = p.dir
	s, err := openSeries("mqtt", cfg, f.nul, zerolog.Nop())
	must(p.t, err)
	p.t.Cleanup(s.unlock)
	must(p.t, s.recover(func(int64, map[int64]int64) error { return nil }))
	p.writer = &writer{cfg: cfg, queue: newQueue(1<<20, 1000, 1<<20), series: s, format: f, stats: &stats{}, log: zerolog.Nop()}
	p.writer.clock, err = openStretches(s, p.format, p.clock)
	must(p.t, err)
}

// at is the clock as it shows now.
func (p *pi) at() time.Time { return p.wall.Add(p.up) }

// set sets the wall clock.
func (p *pi) set(to time.Time) { p.wall = to.Add(-p.up) }

// record has payloads recorded, a second apart, in one group.
func (p *pi) record(payloads ...string) {
	p.t.Helper()
	for _, text := range payloads {
		p.put(text)
		p.up += time.Second
	}
	p.commit()
}

func (p *pi) put(text string) {
	p.writer.queue.put(Record{
		Time: p.at(), Topic: "t", Payload: []byte(text), Size: len(text), slot: -1,
		Boot: p.boot, Monotonic: p.up, Synced: p.synced,
	})
}

func (p *pi) commit() {
	p.t.Helper()
	must(p.t, p.writer.record(context.Background(), p.writer.queue.take()))
}

// look is what the recorder does when nothing comes.
func (p *pi) look() {
	p.clock.origin, p.clock.since = p.at(), p.up
	p.clock.looked = -syncPeriod
	p.writer.clock.look(p.at())
}

// reader sees the spool as a tailer does on this machine now.
func (p *pi) reader() *Times {
	r := NewTimes(ClockConfig{}, zerolog.Nop())
	r.clock = &clock{boot: p.boot, looked: -syncPeriod, ask: func() bool { return p.synced }, origin: p.at(), since: p.up}
	r.now = p.at
	return r
}

// shipped reads all segments as a tailer does, and returns time and payload of
// each line, or "held" where it has to stop.
func (p *pi) shipped() (lines []string) {
	p.t.Helper()
	times := p.reader()
	paths, err := filepath.Glob(filepath.Join(p.dir, "*.log"))
	must(p.t, err)
	for _, path := range paths {
		content, err := os.ReadFile(path)
		must(p.t, err)
		s := times.Segment(path)
		offset := int64(0)
		for line := range bytes.Lines(content) {
			if s != nil && s.Ready(offset) <= offset {
				lines = append(lines, "held")
				break
			}
			text := bytes.TrimSuffix(line, []byte("\n"))
			if s != nil {
				text, _ = s.Line(offset, text)
			}
			lines = append(lines, string(text))
			offset += int64(len(line))
		}
	}
	return lines
}

func (p *pi) want(want ...string) {
	p.t.Helper()
	if got := p.shipped(); !slices.Equal(got, want) {
		p.t.Errorf("shipped\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

var right = time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)

func TestRecordsOfBeforeTheSynchronisationWaitAndAreCorrected(t *testing.T) {
	p := newPi(t, "%U %p")
	p.record("a", "b")
	p.want("held")
	p.set(right) // but the kernel does not say so yet
	p.record("c")
	p.want("held")
	p.synced = true // the reader sees it by itself, whatever the recorder does
	p.want("1795593598.000000000 a", "1795593599.000000000 b", "1795593600.000000000 c")
}

func TestClockTable(t *testing.T) {
	p := newPi(t, "%U %p")
	p.record("a", "b") // 20 s and 21 s after the start
	p.set(right)       // 22 s
	p.synced = true
	p.record("c")
	p.want("1795593598.000000000 a", "1795593599.000000000 b", "1795593600.000000000 c")
	p.restart()
	p.record("d")
	p.want("1795593598.000000000 a", "1795593599.000000000 b", "1795593600.000000000 c", "1795593601.000000000 d")
}

// The clock jumps by years, both ways, before it is right.
func TestClockThatJumps(t *testing.T) {
	p := newPi(t, "%U %p")
	p.record("a")
	p.set(right.AddDate(14, 0, 0))
	p.record("b")
	p.set(time.Unix(5, 0))
	p.put("c")
	p.up += time.Second
	p.set(right.AddDate(-3, 0, 0))
	p.put("d") // one group holds both
	p.up += time.Second
	p.commit()
	p.want("held")
	p.set(right)
	p.synced = true
	p.record("e")
	p.want("1795593596.000000000 a", "1795593597.000000000 b", "1795593598.000000000 c", "1795593599.000000000 d", "1795593600.000000000 e")
	p.synced = false // hours without a time server: nobody has set it
	p.record("f")
	p.want("1795593596.000000000 a", "1795593597.000000000 b", "1795593598.000000000 c", "1795593599.000000000 d", "1795593600.000000000 e", "1795593601.000000000 f")
	p.set(right.AddDate(-1, 0, 0)) // somebody sets it wrong
	p.record("g")
	p.want("1795593596.000000000 a", "1795593597.000000000 b", "1795593598.000000000 c", "1795593599.000000000 d", "1795593600.000000000 e", "1795593601.000000000 f", "1795593602.000000000 g")
}

func TestSynchronisationIsNotedWhenNothingComes(t *testing.T) {
	p := newPi(t, "%U %p")
	p.record("a")
	p.look()
	p.want("held")
	p.set(right)
	p.synced = true
	p.look()
	p.start("22222222-bbbb", right.AddDate(-2, 0, 0)) // power off and on
	p.record("b")
	p.want("1795593599.000000000 a", "held")
}

// What is known only to a machine that has stopped is never known again.
func TestEarlierStartWithoutSynchronisationIsShippedAsItIs(t *testing.T) {
	p := newPi(t, "%U %p")
	p.record("a")
	p.start("22222222-bbbb", right)
	p.synced = true
	p.record("b")
	p.want("1580551220.000000000 a", "1795593620.000000000 b")
	s := p.reader().Segment(filepath.Join(p.dir, "mqtt-0000000001.log"))
	if _, fields := s.Line(0, []byte("1580551220.000000000 a")); len(fields) != 1 || fields["synchronised"] != false {
		t.Errorf("fields %v", fields)
	}
}

func TestRecordsAreNotHeldForEver(t *testing.T) {
	p := newPi(t, "%U %p")
	p.record("a")
	p.up = defaultClockWait - time.Second
	p.want("held")
	p.up = defaultClockWait + time.Second
	p.want("1580551220.000000000 a")
}

func TestTrustedClockHoldsNothing(t *testing.T) {
	p := newPi(t, "%U %p")
	p.clock.hold = false
	p.record("a")
	p.want("1580551220.000000000 a")
}

func TestDamagedClockTableIsSetAside(t *testing.T) {
	p := newPi(t, "%U %p")
	p.record("a")
	path := filepath.Join(p.dir, "mqtt.clock.json")
	must(t, os.WriteFile(path, []byte("{"), 0o640))
	p.want("1580551220.000000000 a")
	p.restart()
	if _, err := os.Stat(path + ".bad"); err != nil {
		t.Error(err)
	}
	p.record("b")
	p.want("1580551220.000000000 a", "held")
}

func TestClockTableForgetsWhatIsGone(t *testing.T) {
	p := newPi(t, "%U %p")
	for i := range 20 {
		p.set(right.AddDate(0, 0, -i))
		p.record("x")
		p.restart()
	}
	for i := range 19 {
		must(t, os.Remove(filepath.Join(p.dir, segmentName("mqtt", int64(i+1)))))
	}
	p.set(right.AddDate(1, 0, 0))
	p.record("y")
	if n := len(p.writer.clock.file.Stretches); n > 3 {
		t.Errorf("%d stretches of 2 segments", n)
	}
}

func TestLinesWithTheirTimesMoved(t *testing.T) {
	zone := time.Local
	defer func() { time.Local = zone }()
	time.Local = time.FixedZone("CET", 3600)
	at := time.Date(2020, 2, 1, 10, 0, 20, 45, time.UTC)
	for _, c := range []struct{ format, line, original string }{
		{"json", `{"time":"2026-11-25T07:00:00.000000045Z","time_original":"2020-02-01T10:00:20.000000045Z","topic":"t","qos":0,"retained":false,"duplicate":false,"id":0,"payload":"p","encoding":"text"}`, "2020-02-01T10:00:20.000000045Z"},
		{"%j", `{"tst":"2026-11-25T08:00:00.000000Z+0100","tst_original":"2020-02-01T11:00:20.000000Z+0100","topic":"t","qos":0,"retain":0,"payloadlen":1,"payload":"p"}`, "2020-02-01T11:00:20.000000Z+0100"},
		{"%I %t %p", "2026-11-25T08:00:00+0100 t p", "2020-02-01T11:00:20+0100"},
		{"@FT@T@z,%t,%p", "2026-11-25T08:00:00+0100,t,p", "2020-02-01T11:00:20+0100"},
		{"@Y@m@d @H:@M:@S.@N %p", "20261125 08:00:00.000000045 p", "20200201 11:00:20.000000045"},
		{"[%U] %p", "[1795590000.000000045] p", "1580551220.000000045"},
		{"@s;%p", "1795590000;p", "1580551220"},
		{"%t %I", "t 2020-02-01T11:00:20+0100", ""},
		{"%p", "p", ""},
		{"@H:@M %p", "11:00 p", ""},
	} {
		f, err := compileFormat(c.format)
		must(t, err)
		line := f.appendLine(nil, &Record{Time: at, Topic: "t", Payload: []byte("p"), Size: 1})
		shift := time.Date(2026, 11, 25, 7, 0, 0, 0, time.UTC).Sub(at.Truncate(time.Second))
		got, original := line, ""
		if l := newLead(c.format); l != nil {
			var ok bool
			if got, original, ok = l.move(line, shift); !ok {
				t.Errorf("%s: %q can't be read back", c.format, line)
			}
		}
		if string(got) != c.line || original != c.original {
			t.Errorf("%s: %q becomes %q, original %q", c.format, line, got, original)
		}
	}
}

func FuzzLineWithoutATime(f *testing.F) {
	for _, format := range []string{"json", "%j", "%I %p", "@FT@T@z,%t,%p", "%U", "@s@N", "@Y@m@d@H@M@S%p"} {
		f.Add(format, []byte("2020-02-01T10:00:20+0000 x"))
		f.Add(format, []byte(`{"time":"x"`))
		f.Add(format, []byte("99999999999999999999.000000000"))
	}
	f.Fuzz(func(t *testing.T, format string, line []byte) {
		l := newLead(format)
		if l == nil {
			return
		}
		if moved, _, ok := l.move(line, time.Hour); !ok && !bytes.Equal(moved, line) {
			t.Errorf("%q: %q became %q", format, line, moved)
		}
	})
}

func TestRecordsTellTheClock(t *testing.T) {
	c := newClock(ClockConfig{Hold: holdTrue})
	if !c.hold || len(c.boot) != 36 {
		t.Fatalf("%+v", c)
	}
	var ts [2]Record
	for i := range ts {
		ts[i].Time = time.Now()
		c.stamp(&ts[i])
	}
	if d := ts[1].Monotonic - ts[0].Monotonic; d < 0 || d > time.Minute || ts[0].Monotonic <= 0 {
		t.Errorf("%s and %s after the start", ts[0].Monotonic, ts[1].Monotonic)
	}
	var line jsonLine
	must(t, json.Unmarshal(appendJSON(nil, &ts[0]), &line))
	if line.Boot != c.boot[:8] || line.Synced == nil || *line.Synced != ts[0].Synced || line.Monotonic <= 0 {
		t.Errorf("%+v", line)
	}
}

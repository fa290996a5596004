package recorder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"sluice/internal/durable"
)

// stretch is a run of lines that were recorded by one setting of the clock, as
// NAME.clock.json holds it. It ends where the next one begins.
type stretch struct {
	// Segment and Offset are where its first line begins.
	Segment int64 `json:"segment"`
	Offset  int64 `json:"offset"`
	// Boot is the kernel's id of the machine's start.
	Boot string `json:"boot"`
	// Started is when that was by the clock that the lines' times are from:
	// time minus monotonic of each line.
	Started time.Time `json:"started"`
	// Synced says that the clock was synchronised.
	Synced bool `json:"synced"`
	// Held says that the lines are to wait until Boot's true start is known.
	Held bool `json:"held,omitempty"`
}

// boot is what is known of one start of the machine.
type boot struct {
	ID string `json:"id"`
	// Started is when it truly was, told by a synchronised clock.
	Started time.Time `json:"started"`
}

// clockFile is the content of NAME.clock.json.
type clockFile struct {
	Version int    `json:"version"`
	Series  string `json:"series"`
	// Format is how the lines are written, so that a reader finds their times.
	Format string `json:"format"`
	// Boots has the starts of the machine whose true time is known.
	Boots     []boot    `json:"boots"`
	Stretches []stretch `json:"stretches"`
}

const clockSuffix = ".clock.json"

// jump is by how much the clock must have been set to begin a new stretch. The
// corrected times are as exact.
const jump = 100 * time.Millisecond

// maxStretches bounds the table. Should a clock be set more often, then the
// lines of the oldest stretches keep the times that they have.
const maxStretches = 4096

// stretches is the writer's side of NAME.clock.json. It is used by its series'
// writer only.
type stretches struct {
	path  string
	perm  os.FileMode
	clock *clock
	file  clockFile
	log   zerolog.Logger

	retry time.Time // not before is the boot's true start tried to be saved
}

// openStretches reads the table. One that can't be read is set aside: the lines
// that it told about are shipped as they are.
func openStretches(s *series, format string, c *clock) (*stretches, error) {
	t := &stretches{path: s.path(s.name + clockSuffix), perm: os.FileMode(s.cfg.FilePermissions), clock: c, log: s.log}
	file, err := readClockFile(t.path)
	switch {
	case err == nil:
		t.file = file
	case errors.Is(err, errClockFile):
		aside := t.path + ".bad"
		if err := durable.Rename(t.path, aside); err != nil {
			return nil, fmt.Errorf("set aside unreadable state: %w", err)
		}
		t.log.Error().Err(err).Str("kept_as", aside).Msg("what is known of the clock of earlier records is unreadable; their times stay as they are")
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	t.file.Version, t.file.Series, t.file.Format = 1, s.name, format
	return t, nil
}

// errClockFile marks a NAME.clock.json that can't be understood.
var errClockFile = errors.New("not a table of the clock")

func readClockFile(path string) (clockFile, error) {
	var c clockFile
	b, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return clockFile{}, fmt.Errorf("read %s: %w: %w", path, errClockFile, err)
	}
	if c.Version != 1 {
		return clockFile{}, fmt.Errorf("read %s: %w: version %d", path, errClockFile, c.Version)
	}
	return c, nil
}

// slight says whether two times of a machine's start are the same: nobody has set
// the clock in between.
func slight(d time.Duration) bool { return d < jump && d > -jump }

// stretchOf is the stretch that a record belongs to.
func stretchOf(r *Record) stretch {
	return stretch{Boot: r.Boot, Started: start(r.Time, r.Monotonic), Synced: r.Synced}
}

// same says whether lines of both may stand in one stretch.
func (s *stretch) same(o *stretch) bool {
	return s.Boot == o.Boot && s.Synced == o.Synced && slight(s.Started.Sub(o.Started))
}

// last is the newest stretch; nil: there is none.
func (t *stretches) last() *stretch {
	if n := len(t.file.Stretches); n > 0 {
		return &t.file.Stretches[n-1]
	}
	return nil
}

// alike says whether the lines of both records may stand in one group.
func (t *stretches) alike(a, b *Record) bool {
	if t == nil || a.Boot == "" || b.Boot == "" {
		return true
	}
	x, y := stretchOf(a), stretchOf(b)
	return x.same(&y)
}

// stretch makes durable, if the record's line at offset of the active segment
// begins a stretch, that it does. A crash before the line is there does no harm.
func (s *series) stretch(t *stretches, r *Record, offset int64) error {
	if t == nil || t.continues(r) {
		return nil
	}
	numbers, err := s.numbers()
	if err != nil {
		return err
	}
	return t.begin(r, s.active.number, offset, slices.Min(append(numbers, s.active.number)))
}

// continues says whether the record goes on with the newest stretch.
func (t *stretches) continues(r *Record) bool {
	if r.Boot == "" {
		return true // nobody knows
	}
	next, last := stretchOf(r), t.last()
	return last != nil && last.same(&next)
}

// begin makes durable that the lines from an offset of a segment on are by the
// record's setting of the clock. oldest is the first segment that there is.
func (t *stretches) begin(r *Record, segment, offset, oldest int64) error {
	next := stretchOf(r)
	next.Segment, next.Offset = segment, offset
	next.Held = !next.Synced && t.clock.hold && !t.settled(&next)
	file := t.file
	file.Stretches = append(slices.Clone(file.Stretches), next)
	file.Boots = slices.Clone(file.Boots)
	file.prune(oldest)
	if next.Synced {
		file.learn(next.Boot, next.Started)
	}
	return t.save(file)
}

// settled says whether the stretch's times are right although the clock counts
// as not synchronised: it was before, and nobody has set it since.
func (t *stretches) settled(s *stretch) bool {
	began, ok := t.file.began(s.Boot)
	return ok && slight(s.Started.Sub(began))
}

// began returns when a start of the machine truly was, if that is known.
func (c *clockFile) began(id string) (time.Time, bool) {
	for i := range c.Boots {
		if c.Boots[i].ID == id {
			return c.Boots[i].Started, true
		}
	}
	return time.Time{}, false
}

// learn notes a start's true time. The first word counts: lines may have been
// corrected by it.
func (c *clockFile) learn(id string, started time.Time) {
	if _, known := c.began(id); !known && id != "" {
		c.Boots = append(c.Boots, boot{ID: id, Started: started})
	}
}

// prune drops what tells about segments that are there no more.
func (c *clockFile) prune(oldest int64) {
	first := 0
	for i := range c.Stretches {
		if c.Stretches[i].Segment < oldest {
			first = i // it may reach into the oldest segment
		}
	}
	first = max(first, len(c.Stretches)-maxStretches)
	c.Stretches = slices.Delete(c.Stretches, 0, first)
	used := map[string]bool{}
	for i := range c.Stretches {
		used[c.Stretches[i].Boot] = true
	}
	c.Boots = slices.DeleteFunc(c.Boots, func(b boot) bool { return !used[b.ID] })
}

// open says whether lines of this start of the machine wait for its true time.
func (t *stretches) open() bool {
	last := t.last()
	if !t.clock.hold || last == nil || last.Boot != t.clock.boot {
		return false // a clock that is trusted is not looked at again and again
	}
	_, known := t.file.began(last.Boot)
	return !known
}

// look notes the true time of the machine's start as soon as the clock is
// synchronised, for records that wait for it. It says when to look again; zero:
// never.
func (t *stretches) look(now time.Time) (again time.Duration) {
	if t == nil || !t.open() {
		return 0
	}
	r := t.clock.read(now)
	if !r.synced || now.Before(t.retry) {
		return lookPeriod
	}
	file := t.file
	file.Boots = slices.Clone(file.Boots)
	began := start(now, r.monotonic)
	file.learn(t.clock.boot, began)
	if err := t.save(file); err != nil {
		t.retry = now.Add(retryLast)
		t.log.Warn().Err(err).Msg("when the machine truly started can't be noted yet; it is tried again")
		return lookPeriod
	}
	t.log.Info().Time("started", began).Dur("off", began.Sub(t.last().Started)).
		Msg("the clock is synchronised: the times of what was recorded before can be corrected")
	return 0
}

// lookPeriod is how often the clock is looked at while records wait for it.
const lookPeriod = 5 * time.Second

// save makes the table durable.
func (t *stretches) save(file clockFile) error {
	err := durable.WriteFile(t.path, t.perm, func(w io.Writer) error {
		b, err := json.MarshalIndent(&file, "", " ")
		if err == nil {
			_, err = w.Write(append(b, '\n'))
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("save what the clock was: %w", err)
	}
	t.file = file
	return nil
}

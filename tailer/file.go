package tailer

import (
	"math"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"sluice/internal/parser"
	"sluice/registry"
)

// file is one file that an input follows. An idle file is only this struct:
// no goroutine, and no open handle beyond a small cache.
//
// Three goroutines look at it: the scan (what happens to the file), its
// lane's reader (what is read) and its lane's shipper (what is acknowledged).
// mu guards everything but harvester, which io guards.
type file struct {
	in    *input
	lane  *lane
	key   string // in the registry
	inode inode
	birth int64

	mu    sync.Mutex
	path  string
	size  int64 // as seen last
	mtime time.Time
	// quiet is since when it has not changed. What passes is counted by the
	// monotonic clock: a wall clock that is set right years later, as on
	// boards without a battery, makes no file old.
	quiet time.Time
	// life counts the file's lives: it goes up when the file is truncated or
	// its inode is used anew, so that late acks of the old content don't
	// touch the new one's State.
	life        uint32
	fingerprint string // empty if it has none yet
	outdated    bool   // the fingerprint is that of content that was truncated away
	generation  string // empty until the first line is read
	random      bool   // the generation was drawn, so it must be durable before use
	prefix      prefix
	read        int64 // read offset: the next byte to read
	acked       int64 // offset: the byte after the last acknowledged line
	end         int64 // where the last read met the end of the file; -1 if none did
	unsure      bool  // changed since its State was written: to be verified
	recheck     bool  // changed without having grown: its first bytes are to be compared
	skip        int64 // start of a line over max_bytes whose end was not read yet; -1: none
	removed     bool
	missing     int       // scans in a row that found it removed
	lost        time.Time // since the first of these
	renamed     bool
	timedOut    bool // close_timeout: not read until the next scan
	ignored     bool // too old when it was found again: not read until it changes
	forgotten   bool // its State was dropped: commit no more
	detached    bool // another file has its key now: commit no more
	queued      bool // stands in its lane's ring
	postponed   bool // its next lines wait for the clock: see Times
	gz          bool // its content is compressed: sizes say nothing about offsets
	// formers are the lives that truncations have ended, the newest last.
	formers []formerLife
	lag     lag

	// The scan's own.
	looked        int64         // size at the last look
	linked        bool          // its path is a symbolic link
	touched       bool          // that look found a later time and no other size
	fingerprinted bool          // its key by fingerprint was settled
	pump          *pump         // standard input's
	nextLook      time.Time     // without notifications
	wait          time.Duration // until then, growing

	io        sync.Mutex
	harvester *harvester
	fault     string // the read error that was reported last; "" if reading works
	known     bool   // its first opening was reported
}

// harvester is the reader of one open file.
type harvester struct {
	content
	path     string // as it was when the file was opened: events keep it
	life     uint32
	dec      decoding
	plain    *template
	cut      *template            // with log.flags: [truncated]
	flagged  map[string]*template // with other flags, by these
	opened   time.Time
	lastLine time.Time
	skip     int64 // start of the line over max_bytes that is being passed over; -1: none
	seen     int64 // how many of the first bytes are whole lines, as far as was read; at most prefixLimit
	times    Times // what is known of the clock of its lines; nil: nothing to do

	// The slow way's own.
	doc         document
	chain       *parser.Chain
	long        []byte         // what is kept of that line
	clock       map[string]any // what the event of the present line says of the clock
	partialSeen int64          // where the last line without an end ended
	partialDue  time.Time
}

// maxFormers is how many lives of a file are remembered.
const maxFormers = 8

// formerLife is what is known of content that was truncated away: a copy of
// it may turn up (copytruncate).
type formerLife struct {
	prefix     prefix
	acked      int64
	generation string
}

// pending says whether there may be something to read.
func (f *file) pending() bool {
	if f.timedOut || f.ignored {
		return false
	}
	if f.gz {
		return f.unsure || f.end < 0
	}
	return f.unsure || f.recheck || f.size > f.read && f.size != f.end
}

// is says whether what was seen is this file: a deleted file's inode is soon
// used anew.
func (f *file) is(info fileInfo) bool {
	return info.inode == f.inode && (f.birth == 0 || info.birth == 0 || info.birth == f.birth)
}

// outstanding says whether lines were read whose acknowledgement the State
// does not cover yet. The start of a line whose end is to come is never covered.
func (f *file) outstanding() bool {
	return f.acked < f.read && f.acked != f.skip
}

// moved notes that the file was renamed; mu is held.
func (f *file) moved(path string) {
	f.in.log.Debug().Msgf("File rename was detected:%s -> %s, Current offset: %d", f.path, path, f.acked)
	f.in.log.Debug().Msgf("Updating state for renamed file: %s -> %s, Current offset: %d", f.path, path, f.acked)
	if f.in.set.paths[f.path] == f {
		delete(f.in.set.paths, f.path)
	}
	f.path, f.renamed, f.linked = path, true, f.in.leads(path)
	f.in.t.stats.renamed.Add(1)
	f.in.set.paths[path] = f
	f.save()
}

// unprepared is the life of a harvester that was opened but not looked at.
const unprepared = math.MaxUint32

// harvest takes an opened harvester; io is held.
func (f *file) harvest(h *harvester) {
	f.harvester = h
	f.in.opened()
	level := zerolog.DebugLevel
	if !f.known { // with very many busy files each line opens one
		f.known, level = true, zerolog.InfoLevel
	}
	f.in.log.WithLevel(level).Str("path", h.path).Msg("Harvester started for file")
}

// keepOpen opens a file that may be removed or renamed before its reader comes,
// or is about to be: what is written meanwhile is read through the handle. False:
// it is another file now, or too many are open. io is held.
func (f *file) keepOpen(path string) bool {
	if f.harvester != nil {
		return true
	}
	if !f.in.admit() {
		return false
	}
	c, err := f.in.openContent(path)
	if err == nil {
		if info, err := statOpen(c.file); err == nil && f.is(info) && info.regular {
			f.harvest(&harvester{content: *c, path: path, life: unprepared, opened: time.Now(), lastLine: time.Now(), skip: -1})
			return true
		}
		c.close()
	}
	f.in.refused() // its reader says why
	return false
}

// opened says whether the file has a harvester.
func (f *file) opened() bool {
	if !f.io.TryLock() {
		return true // its reader is at work
	}
	defer f.io.Unlock()
	return f.harvester != nil
}

// lives returns the file's life.
func (f *file) lives() uint32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.life
}

// changed says whether the file's size or time differ from when its content
// was read to its end.
func (f *file) changed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unsure
}

// dropped says whether the file is followed no more.
func (f *file) dropped() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.forgotten
}

// commit records that every line before offset is acknowledged.
func (f *file) commit(life uint32, offset int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if life != f.life || f.forgotten {
		return
	}
	f.acked = max(f.acked, offset)
	f.lag.acked(f.acked)
	f.save()
}

// save puts the file's State into the registry's memory; mu is held.
func (f *file) save() {
	if f.detached || f.pump != nil {
		return
	}
	f.in.reg.Commit(f.state())
}

// state is the State as it stands now; mu is held.
func (f *file) state() registry.State {
	id := f.key[len(f.in.set.space):]
	return registry.State{
		Key: f.key, Source: f.path, Offset: f.acked, Timestamp: time.Now(), TTL: f.in.ttl(), Type: f.in.typ,
		Inode: f.inode.ino, Device: f.inode.dev, ID: id, IdentifierName: identifierName(id), Meta: f.in.meta,
		Generation: f.generation, Birth: f.birth, PrefixHash: f.prefix.hash, PrefixLen: f.prefix.length,
	}
}

// current is the file's State as it stands now.
func (f *file) current() registry.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state()
}

// renew starts a new life of the file at offset: its content is another one.
// The new generation is random, since a derived one would be that of the old
// content: equal ids at equal offsets, and the new lines taken for copies.
func (f *file) renew(offset int64) {
	f.life++
	f.lag = lag{}
	f.in.t.stats.truncated.Add(1)
	if f.prefix.length > 0 {
		f.formers = append(f.formers[max(0, len(f.formers)+1-maxFormers):], formerLife{f.prefix, f.acked, f.generation})
	}
	f.read, f.acked, f.end, f.skip = offset, offset, -1, -1
	f.generation, f.random = randomGeneration(), true
	f.prefix = prefix{}
	f.outdated = f.fingerprint != ""
	f.save()
}

// unread returns the bytes between the offset and the size.
func (f *file) unread() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gz || f.ignored {
		return max(0, f.read-f.acked) // how much is to come isn't known
	}
	return max(0, f.size-f.acked)
}

// stopping is the line of every harvester that ends.
const stopping = "Stopping harvester."

// close closes the harvester; io is held.
func (f *file) close(reason string) {
	if f.harvester == nil {
		return
	}
	if f.pump == nil {
		f.harvester.close()
	}
	level := zerolog.DebugLevel
	if strings.Contains(reason, "because") { // an option says so
		level = zerolog.InfoLevel
	}
	f.in.log.WithLevel(level).Str("path", f.harvester.path).Msg(reason)
	if reason != stopping {
		f.in.log.Debug().Str("path", f.harvester.path).Msg(stopping)
	}
	f.harvester = nil
	f.in.closed(f)
}

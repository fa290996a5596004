package cleaner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"sluice/internal/order"
	"sluice/registry"
)

// Options say what to clean.
type Options struct {
	OlderThan time.Duration // least age of a file; see Config.OlderThan
	DryRun    bool          // report what would be deleted, change nothing

	// Sealed says whether a path is a segment of a spool, and whether it is
	// sealed. Nil: no file is a segment.
	Sealed func(path string) (sealed, segment bool, err error)

	// PrefixHash returns the hash of a file's first length bytes in the form of
	// registry.State.PrefixHash. Nil: hashes are not compared.
	PrefixHash func(r io.ReaderAt, length int64) (string, error)

	// Forget drops a state after its file was removed. Nil: states stay, and
	// the tailer forgets them by clean_removed.
	Forget func(key string)

	beforeRemoval func(path string) // for tests: between the look and the removal
	afterRemoval  func(path string)
	noLease       bool
	now           func() time.Time
}

// DurableStates makes all commits of an open registry durable and returns the
// states as they are on disk.
func DurableStates(reg *registry.Registry) ([]registry.State, error) {
	if err := reg.Sync(); err != nil {
		return nil, fmt.Errorf("sync the registry before cleaning: %w", err)
	}
	var states []registry.State
	for _, s := range reg.States() {
		if d, ok := reg.Durable(s.Key); ok {
			states = append(states, d)
		}
	}
	return states, nil
}

// identity of a file on this machine.
type identity struct{ device, inode uint64 }

// Clean deletes the files of the given durable states by the package's rule.
// The error is ctx's; faults of single files are in the report.
func Clean(ctx context.Context, states []registry.State, o Options) (Report, error) {
	if o.now == nil {
		o.now = time.Now
	}
	states = slices.Clone(states)
	order.By(states, func(a, b registry.State) int {
		return cmp.Or(cmp.Compare(filepath.Dir(a.Source), filepath.Dir(b.Source)), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Key, b.Key))
	})
	run := &run{o: o, least: leastOffsets(states), named: namedOffsets(states), report: Report{Files: []Candidate{}, DryRun: o.DryRun}, seen: map[identity]bool{}}
	defer run.closeFolder()
	var err error
	for _, s := range states {
		if err = ctx.Err(); err != nil {
			break
		}
		run.one(s)
	}
	run.closeFolder()
	order.By(run.report.Files, func(a, b Candidate) int { return cmp.Compare(a.Source, b.Source) })
	return run.report, err
}

// leastOffsets returns the smallest offset of all states of one file.
func leastOffsets(states []registry.State) map[identity]int64 {
	least := map[identity]int64{}
	for _, s := range states {
		if s.Inode == 0 {
			continue
		}
		id := identity{s.Device, s.Inode}
		if offset, ok := least[id]; !ok || s.Offset < offset {
			least[id] = s.Offset
		}
	}
	return least
}

// namedOffsets returns the smallest offset of the states that do not name an
// inode (a filestream's fingerprint or path identity), by their path: another
// input that reads the same file may have such a state.
func namedOffsets(states []registry.State) map[string]int64 {
	named := map[string]int64{}
	for _, s := range states {
		if s.Inode != 0 {
			continue
		}
		if offset, ok := named[s.Source]; !ok || s.Offset < offset {
			named[s.Source] = s.Offset
		}
	}
	return named
}

// run is one pass over all states.
type run struct {
	o      Options
	least  map[identity]int64
	named  map[string]int64
	seen   map[identity]bool // removed in this pass
	report Report

	folder  *folder
	removed []string // keys whose files were removed from the open folder
}

// keep is the reason why a file stays; any other error is a failure.
type keep string

func (k keep) Error() string { return string(k) }

// one looks at one state's file and deletes it if the rule allows.
func (r *run) one(s registry.State) {
	c := Candidate{Source: s.Source, Key: s.Key, Offset: s.Offset, Size: -1, Result: Kept}
	err := r.try(s, &c)
	var reason keep
	switch {
	case err == nil && r.o.DryRun:
		c.Result = WouldDelete
	case err == nil:
		c.Result = Deleted
	case errors.As(err, &reason):
		c.Reason = string(reason)
	default:
		c.Result, c.Reason = Failed, err.Error()
	}
	r.report.add(c)
}

func (r *run) try(s registry.State, c *Candidate) error {
	id := identity{s.Device, s.Inode}
	switch {
	case !filepath.IsAbs(s.Source):
		return keep("its state names no absolute path")
	case s.Inode == 0:
		return keep("its state does not name the inode: Filebeat wrote it, and the file was not read since")
	case r.seen[id]:
		r.removed = append(r.removed, s.Key)
		return keep("was deleted with another state of the same file")
	}
	if err := r.enter(filepath.Dir(s.Source)); err != nil {
		return err
	}
	f, err := r.folder.open(filepath.Base(s.Source))
	if err != nil {
		return err
	}
	defer f.close()
	c.Size = f.size
	c.Age = max(0, r.o.now().Sub(f.changed))
	if err := r.check(f, s, id); err != nil {
		return err
	}
	if r.o.DryRun {
		r.seen[id] = true
		return nil
	}
	if err := r.remove(f, s); err != nil {
		return err
	}
	r.seen[id] = true
	r.removed = append(r.removed, s.Key)
	return nil
}

// check applies the points of the rule that need no second look.
func (r *run) check(f *file, s registry.State, id identity) error {
	if err := r.sameFile(f, s, id); err != nil {
		return err
	}
	if f.size != s.Offset {
		if s.Offset > f.size {
			return keep(fmt.Sprintf("was cut to %d bytes behind the acknowledged offset %d", f.size, s.Offset))
		}
		return keep(fmt.Sprintf("%d of %d bytes not yet acknowledged", f.size-s.Offset, f.size))
	}
	least := r.least[id]
	if offset, ok := r.named[s.Source]; ok {
		least = min(least, offset)
	}
	if least < f.size {
		return keep(fmt.Sprintf("%d of %d bytes not yet acknowledged for another input", f.size-least, f.size))
	}
	segment, err := r.sealed(s.Source)
	if err != nil {
		return err
	}
	if age := r.o.now().Sub(f.changed); age < r.o.OlderThan {
		return keep("younger than " + short(r.o.OlderThan))
	}
	if f.links > 1 {
		return keep(fmt.Sprintf("has %d names (hard links)", f.links))
	}
	if !r.o.noLease && f.heldByWriter() {
		if segment {
			return keep("active segment: a process has it open for writing")
		}
		return keep("a process has it open for writing")
	}
	return nil
}

func (r *run) sameFile(f *file, s registry.State, id identity) error {
	if f.id != id {
		return keep("other file at this path (device or inode differs)")
	}
	if birth := f.birth(); s.Birth != 0 && birth != 0 && birth != s.Birth {
		return keep("other file at this path (inode reused)")
	}
	if s.PrefixHash == "" || s.PrefixLen <= 0 || r.o.PrefixHash == nil {
		return nil
	}
	if f.size < s.PrefixLen {
		return keep("other file at this path (inode reused)")
	}
	hash, err := r.o.PrefixHash(f.f, s.PrefixLen)
	if err != nil {
		return fmt.Errorf("read its first bytes: %w", err)
	}
	if hash != s.PrefixHash {
		return keep("other file at this path (inode reused)")
	}
	return nil
}

func (r *run) sealed(path string) (segment bool, err error) {
	if r.o.Sealed == nil {
		return false, nil
	}
	sealed, segment, err := r.o.Sealed(path)
	if err != nil {
		return segment, fmt.Errorf("ask whether it is sealed: %w", err)
	}
	if segment && !sealed {
		return true, keep("active segment")
	}
	return segment, nil
}

// remove looks a second time at what may have changed, then removes the name.
func (r *run) remove(f *file, s registry.State) error {
	if r.o.beforeRemoval != nil {
		r.o.beforeRemoval(s.Source)
	}
	if err := f.recheck(); err != nil {
		return err
	}
	if err := f.unlink(); err != nil {
		return err
	}
	if r.o.afterRemoval != nil {
		r.o.afterRemoval(s.Source)
	}
	if lost := f.grownBy(); lost > 0 {
		return fmt.Errorf("%d bytes were appended while it was deleted, and are lost; a process had kept it open: raise --older-than above its pauses", lost)
	}
	return nil
}

// enter opens the folder of the next file; the one before is finished.
func (r *run) enter(path string) error {
	if r.folder != nil && r.folder.path == path {
		return nil
	}
	r.closeFolder()
	folder, err := openFolder(path)
	if err != nil {
		return err
	}
	r.folder = folder
	return nil
}

// closeFolder makes removals durable, then forgets the states: this order.
func (r *run) closeFolder() {
	if r.folder == nil {
		return
	}
	if len(r.removed) > 0 && !r.o.DryRun {
		err := r.folder.sync()
		if err != nil {
			r.report.add(Candidate{Source: r.folder.path, Size: -1, Result: Failed,
				Reason: fmt.Sprintf("fsync the folder: %v; the states of its deleted files stay", err)})
		} else if r.o.Forget != nil {
			for _, key := range r.removed {
				r.o.Forget(key)
			}
		}
	}
	r.removed = nil
	r.folder.close()
	r.folder = nil
}

// short writes a duration without zero parts: 48h, not 48h0m0s.
func short(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if len(s) > len(zero) && s[len(s)-len(zero):] == zero {
			s = s[:len(s)-len(zero)+1]
		}
	}
	return s
}

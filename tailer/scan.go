package tailer

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"sluice/registry"
)

// scan looks at all paths of an input: it finds new files, growth, renames,
// truncations and removals. Notifications only make it sooner.
func (t *Tailer) scan(in *input, now time.Time) {
	in.log.Debug().Msg("Start next scan")
	in.looked = now
	seen := make(map[*file]bool)
	for _, p := range t.find(in) {
		if f := t.observe(in, p, now); f != nil {
			seen[f] = true
		}
	}
	before := len(in.set.files)
	for _, f := range in.set.files {
		if f.in == in {
			t.review(f, seen[f], now)
		}
	}
	// Further names of a file (hard links, symbolic ones) go with it.
	maps.DeleteFunc(in.set.paths, func(_ string, f *file) bool { return in.set.files[f.inode] != f })
	t.forgetStale(in)
	maps.DeleteFunc(in.copies, func(_ inode, c possibleCopy) bool { return c.seen.Before(now) }) // no copies after all
	t.gone = slices.DeleteFunc(t.gone, func(g goneFile) bool { return !t.awaited(&g) })
	if e := in.log.Debug(); e.Enabled() {
		e.Msgf("input states cleaned up. Before: %d, After: %d, Pending: %d", before, len(in.set.files), in.set.pending())
	}
	in.next = now.Add(in.scanFrequency)
}

// find lists the paths that an input's globs match, in the order that
// scan.sort asks for.
func (t *Tailer) find(in *input) (paths []string) {
	for _, glob := range in.globs {
		t.watch.folder(globFolder(glob))
		found, _ := filepath.Glob(glob) // newInput has tried the pattern
		paths = append(paths, found...)
	}
	switch in.cfg.Scan.Sort {
	case "filename":
		slices.SortFunc(paths, func(a, b string) int { return cmp.Compare(filepath.Base(a), filepath.Base(b)) })
	case "modtime":
		times := make(map[string]time.Time, len(paths))
		for _, p := range paths {
			if info, err := statFile(p, true); err == nil {
				times[p] = info.mtime
			}
		}
		slices.SortStableFunc(paths, func(a, b string) int { return times[a].Compare(times[b]) })
	}
	if in.cfg.Scan.Sort != "" && in.cfg.Scan.Order == "desc" {
		slices.Reverse(paths)
	}
	return paths
}

// observe looks at one path and returns its file, if the input follows it.
func (t *Tailer) observe(in *input, path string, now time.Time) *file {
	if !in.wantsPath(path) {
		return nil
	}
	info, err := statFile(path, in.symlinks)
	if err != nil {
		return nil // gone between the listing and now
	}
	if info.symlink {
		in.log.Debug().Str("path", path).Msg("skipped as it is a symlink")
		return nil
	}
	if !info.regular || !in.wantsTarget(path) {
		return nil
	}
	t.watch.folder(filepath.Dir(path))
	f := in.set.files[info.inode]
	if f == nil {
		f = t.leaving(in, path, info)
	}
	switch {
	case f == nil:
	case !f.is(info): // the inode is used anew
		t.leave(f.in, f.current()) // it may have been compressed and then removed
		t.drop(f)
		f = nil
	case f.in != in && t.release(f, in, path):
		t.drop(f) // another input goes on with it
		f = nil
	case f.in == in && t.anotherPath(f, path):
		t.removed(f, false) // from the path that it was known by
		f = nil
	}
	fresh := f == nil && in.scanned
	if f == nil {
		if f = t.discover(in, path, info, now); f == nil {
			return nil
		}
	} else if f.in != in {
		return nil // an input before this one follows it
	}
	t.update(f, path, info, now, fresh)
	return f
}

// anotherPath says whether a file that is known by its path has another one
// now, and so is another file.
func (t *Tailer) anotherPath(f *file, path string) bool {
	return f.in.identity == identityPath && f.path != path && !sameInode(f.path, f.inode)
}

// leaving finds a file of an input with other keys that was renamed from there
// into this input's paths: its State is to come along.
func (t *Tailer) leaving(in *input, path string, info fileInfo) *file {
	for _, set := range t.sets {
		if f := set.files[info.inode]; f != nil && set != in.set && f.is(info) && !f.in.matches(path) && !sameInode(f.path, f.inode) {
			return f
		}
	}
	return nil
}

// release says whether a file can go over to another input: it was renamed
// out of its own one's paths, and nothing of it is on its way.
func (t *Tailer) release(f *file, in *input, path string) bool {
	if f.in.matches(path) || sameInode(f.path, f.inode) || !f.io.TryLock() {
		return false
	}
	defer f.io.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.missing = 0 // in.review must not forget it before
	if f.queued || f.acked != f.read || f.skip >= 0 {
		return false
	}
	in.log.Debug().Msgf("File rename was detected:%s -> %s", f.path, path)
	if s, ok := t.reg.Get(f.key); ok {
		t.orphans.add(s, path)
	}
	return true
}

// update notes how a known file looks now. A fresh one was made just now, so
// it is about to be written.
func (t *Tailer) update(f *file, path string, info fileInfo, now time.Time, fresh bool) {
	f.mu.Lock()
	if f.path != path && !sameInode(f.path, f.inode) {
		f.moved(path)
	}
	f.removed, f.missing = false, 0
	if f.gz {
		if info.size != f.size || !info.mtime.Equal(f.mtime) {
			f.unsure, f.end = true, -1 // it was not complete, or is another archive
		}
	} else if info.size < f.read && !f.unsure {
		// The file may have grown, and have been read, since that look.
		again, err := statFile(path, f.in.symlinks)
		if err != nil || !f.is(again) {
			f.mu.Unlock()
			return // gone since: the next look sees what became of it
		}
		info = again
	}
	if info.size < f.read && !f.unsure && !f.gz {
		if f.opened() {
			f.in.log.Info().Str("path", path).Msgf("File was truncated as offset (%d) > size (%d)", f.read, info.size)
			f.in.log.Info().Str("path", path).Msg("File was truncated. Begin reading file from offset 0")
		} else {
			f.in.log.Info().Str("path", path).Int64("offset", f.read).Int64("size", info.size).Msg("Old file was truncated. Starting from the beginning")
		}
		f.renew(0)
	}
	if f.touchedBefore(info) {
		f.in.log.Info().Str("path", path).Msg("File was touched. Begin reading file from offset 0 because resend_on_touch is enabled")
		f.renew(0)
	}
	if !info.mtime.Equal(f.mtime) || info.size != f.size {
		f.ignored = false
	}
	if !info.mtime.Equal(f.mtime) {
		f.mtime, f.quiet = info.mtime, now
		f.recheck = f.recheck || (info.size == f.read || info.size == f.end) && info.size > 0 && !f.gz // truncated and filled again?
	}
	if info.size != f.size || f.lag.clean == 0 {
		f.lag.grew(f.size, info.size, f.acked, now.Sub(t.started))
	}
	f.size = info.size
	f.resume()
	work := f.pending()
	f.mu.Unlock()
	f.in.set.paths[path] = f
	if work || fresh {
		t.hold(f, path)
	}
	if work {
		f.lane.ready(f)
	}
}

// touchedBefore says whether the look before this one found a later time at the
// same size (resend_on_touch), and this one finds the same: a line that is just
// being written changes the time first. f.mu is held.
func (f *file) touchedBefore(info fileInfo) (touched bool) {
	if !f.in.cfg.Prospector.Scanner.ResendOnTouch {
		return false
	}
	same := info.size == f.looked
	touched = same && f.touched && info.mtime.Equal(f.mtime)
	f.touched = same && info.mtime.After(f.mtime)
	f.looked = info.size
	return touched
}

// maxHeld bounds the files that are opened before it is their turn.
const maxHeld = 512

// hold opens a file that is to be read, so that it can be renamed out of the
// input's paths, or removed, while it waits for its lane.
func (t *Tailer) hold(f *file, path string) {
	if t.stats.filesOpen.Load() >= maxHeld || !f.io.TryLock() {
		return // its reader has it, or opens it in its turn
	}
	defer f.io.Unlock()
	if f.harvester == nil && f.keepOpen(path) {
		t.idle.add(f) // its reader takes it out
	}
}

func sameInode(path string, id inode) bool {
	info, err := statFile(path, true)
	return err == nil && info.inode == id
}

// review looks after a file once per scan: whether it is gone, and whether
// its harvester is to be closed or its State forgotten.
func (t *Tailer) review(f *file, seen bool, now time.Time) {
	gone := !seen && vanished(f.path, f.inode, f.in.symlinks) && !t.locate(f)
	f.mu.Lock()
	f.timedOut = false
	if gone {
		f.removed = true // its path stays until it is dropped: a copy is known by it
		if f.missing++; f.missing == 1 {
			f.lost = now
		}
	}
	f.mu.Unlock()
	open := t.closeDue(f, now)
	t.identify(f)

	f.mu.Lock()
	removed, missing, work := f.removed, f.missing, f.pending()
	// Without ignore_older the next scan would send the file again.
	inactive := f.in.cfg.CleanInactive > 0 && f.in.cfg.IgnoreOlder > 0 && now.Sub(f.quiet) > f.in.cfg.CleanInactive
	busy := open || f.queued || f.outstanding()
	f.mu.Unlock()
	if !work && !removed && t.deleteDue(f, now) {
		return
	}
	switch {
	case work && (open || !removed):
		f.lane.ready(f)
	case busy:
	case removed && (missing < 2 || !t.lookedSince(f.lost)):
		// A rename during the listing hides a file from one scan, and another
		// input may find it under its new name.
	case removed:
		t.removed(f, work)
	case inactive:
		f.in.log.Debug().Str("path", f.path).Msg("State removed for file because clean_inactive reached")
		t.forget(f)
	}
}

// lookedSince says whether every input has had a look since a time.
func (t *Tailer) lookedSince(when time.Time) bool {
	return !slices.ContainsFunc(t.inputs, func(in *input) bool { return in.typ != TypeStdin && !in.looked.After(when) })
}

// removed ends the following of a file that is gone.
func (t *Tailer) removed(f *file, unread bool) {
	if unread {
		f.in.log.Warn().Str("path", f.path).Int64("bytes", f.unread()).Msg("file was removed before it was read to its end")
	}
	t.leave(f.in, f.current())
	if !f.in.cfg.CleanRemoved {
		t.drop(f)
		return
	}
	f.in.log.Debug().Str("path", f.path).Msg("Remove state for file as file removed")
	t.forget(f)
}

// goneFile is what was known of a file that is gone: an archive of it may come.
type goneFile struct {
	registry.State
	in    *input
	since time.Time
}

// leave keeps what is known of a file that is gone until the end of the next
// scan. Its key may be another file's by then: one with the same inode.
func (t *Tailer) leave(in *input, s registry.State) {
	if in.compression != "" && s.PrefixLen > 0 {
		t.gone = append(t.gone, goneFile{s, in, time.Now()})
	}
	if known, ok := t.reg.Get(s.Key); ok && sameLife(&known, &s) && in.matches(s.Source) {
		t.removeOrphan(s)
		t.orphans.add(s, s.Source)
	}
}

// awaited says whether an input that an archive of a file may come to has had no
// look yet since that was left.
func (t *Tailer) awaited(g *goneFile) bool {
	return slices.ContainsFunc(t.inputs, func(in *input) bool { return in.compression != "" && !in.looked.After(g.since) })
}

// closeDue closes the file's harvester if an option says so, and returns
// whether it is open. A harvester that is reading is not idle.
func (t *Tailer) closeDue(f *file, now time.Time) (open bool) {
	if !f.io.TryLock() {
		return true
	}
	defer f.io.Unlock()
	if f.harvester == nil || f.lane.closeTimedOut(f, now) {
		return false
	}
	f.mu.Lock()
	if f.removed { // no path leads there: only the handle tells what was appended
		if info, err := statOpen(f.harvester.file); err == nil {
			f.size = info.size
		}
	}
	work := f.pending()
	f.mu.Unlock()
	if work {
		return true
	}
	if reason := f.leaving(now); reason != "" {
		if f.harvester.holds() {
			f.lane.ready(f) // the reader gives out first what its parsers hold
			return true
		}
		f.close(reason)
		return false
	}
	if f.inactive(now) && !f.harvester.holds() {
		f.close("Closing file: inactive")
	}
	return f.harvester != nil
}

// forget drops the file and its State.
func (t *Tailer) forget(f *file) {
	t.drop(f)
	if !f.detached {
		t.reg.Forget(f.key)
	}
}

// drop stops following a file; late acks of it change nothing.
func (t *Tailer) drop(f *file) {
	f.mu.Lock()
	f.forgotten = true
	f.mu.Unlock()
	set := f.in.set
	if set.paths[f.path] == f {
		delete(set.paths, f.path)
	}
	if set.keys[f.key] == f {
		delete(set.keys, f.key)
	}
	if set.files[f.inode] == f {
		delete(set.files, f.inode)
		f.lane.files--
	}
	if !f.io.TryLock() {
		f.lane.ready(f) // its reader closes it
		return
	}
	f.close("Closing file: it is followed no more")
	f.io.Unlock()
}

// expire forgets the States of filestream inputs, also of those that are gone,
// which outlived their clean_inactive and which no file has claimed.
func (t *Tailer) expire(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	claimed := func(key string) bool {
		return slices.ContainsFunc(t.sets, func(set *fileSet) bool { return set.keys[key] != nil })
	}
	for _, s := range t.reg.Expire(now, claimed) {
		t.removeOrphan(s)
		t.log.Debug().Str("path", s.Source).Str("key", s.Key).Msg("State removed for file because clean_inactive reached")
	}
}

// forgetStale drops, once, the States of files that were removed while no
// tailer ran (clean_removed), and not before every input has had a look: the
// file may have been renamed.
func (t *Tailer) forgetStale(in *input) {
	if !in.scanned || !in.cfg.CleanRemoved {
		in.scanned = true
		return
	}
	forget := func(s registry.State) {
		in.log.Debug().Str("path", s.Source).Msg("Remove state for file as file removed")
		t.removeOrphan(s)
		if in.set.keys[s.Key] == nil {
			t.reg.Forget(s.Key)
		}
	}
	for _, s := range t.orphans.all() {
		if !in.set.owns(&s) || !in.matches(s.Source) {
			continue
		}
		id := inode{s.Device, s.Inode}
		if id.ino == 0 { // known by fingerprint or path: only the name tells
			if _, err := statFile(s.Source, true); err != nil && notExist(err) && folderThere(s.Source) {
				forget(s)
			}
			continue
		}
		switch {
		case in.set.files[id] == nil && in.compression != "" && sameInode(s.Source, id):
			// It may be empty, and followed when its first bytes tell what it is.
		case in.set.files[id] != nil || sameInode(s.Source, id):
			t.removeOrphan(s) // claimed, or ignored for now
		case vanished(s.Source, id, in.symlinks):
			forget(s)
		}
	}
}

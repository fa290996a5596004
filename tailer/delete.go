package tailer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sluice/internal/durable"
)

// removable says whether files of the input are removed when they are shipped,
// and how long they must not have changed by then.
func (in *input) removable() (grace time.Duration, ok bool) {
	if in.typ == TypeMQTT {
		return 0, true
	}
	d := in.cfg.Delete
	return d.GracePeriod, d.Enabled && in.typ == TypeFilestream
}

// deleteDue removes a file of an input with delete.enabled, or a sealed segment
// of an mqtt input, that is read to its end and acknowledged to its last byte,
// once it was not changed for the grace period. What the registry says is made
// durable first. It returns true if the file is gone.
func (t *Tailer) deleteDue(f *file, now time.Time) bool {
	grace, ok := f.in.removable()
	if !ok {
		return false
	}
	f.mu.Lock()
	path, acked := f.path, f.acked
	due := now.Sub(f.quiet) >= grace && f.acked == f.read && !f.queued && !f.unsure
	if due && f.end < 0 && f.size == f.read && !f.ignored { // acknowledged before this start: its first bytes are looked at first
		f.recheck, due = true, false
		defer f.lane.ready(f)
	}
	due = due && f.read == f.end
	f.mu.Unlock()
	if !due || !f.io.TryLock() {
		return false
	}
	defer f.io.Unlock()
	if f.in.typ == TypeMQTT && !t.sealed(f, path) {
		return false
	}
	if err := t.reg.Sync(); err != nil {
		return false // keepRegistry reports it; the file stays
	}
	info, err := statFile(path, true)
	if err != nil || !f.is(info) || !f.gz && info.size != acked || now.Sub(info.mtime) < grace && info.mtime.Before(now) {
		return false // changed since
	}
	if !f.keepOpen(path) {
		return false
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		if f.fault != err.Error() {
			f.fault = err.Error()
			f.in.log.Error().Err(err).Str("path", path).Msg("can't remove the shipped file; each scan tries again (that needs the right to write to its folder)")
		}
		return false
	}
	if info, err := statOpen(f.harvester.file); err == nil && !f.gz && info.size != acked {
		f.mu.Lock()
		f.size, f.removed = info.size, true // written to in that very moment: the handle still has it
		f.mu.Unlock()
		f.lane.ready(f)
		return false
	}
	f.in.log.Info().Str("path", path).Int64("bytes", acked).Msg("the shipped file was removed")
	t.letGo(f, path)
	return true
}

// letGo ends the following of a file that was just removed; io is held.
func (t *Tailer) letGo(f *file, path string) {
	f.close("Closing file: it was removed after its grace period")
	f.mu.Lock()
	f.removed = true
	f.mu.Unlock()
	if f.in.cfg.CleanRemoved && durable.SyncDir(filepath.Dir(path)) == nil {
		t.reg.Forget(f.key) // else it would be sent again if a power cut brought it back
	}
	set := f.in.set
	delete(set.paths, path)
	delete(set.keys, f.key)
	if set.files[f.inode] == f {
		delete(set.files, f.inode)
		f.lane.files--
	}
	f.mu.Lock()
	f.forgotten = true
	f.mu.Unlock()
}

// sealed says whether the recorder will never write the segment again; io is
// held.
func (t *Tailer) sealed(f *file, path string) bool {
	if t.cfg.Sealed == nil {
		return false
	}
	sealed, segment, err := t.cfg.Sealed(path)
	if err != nil {
		if f.fault != err.Error() {
			f.fault = err.Error()
			f.in.log.Error().Err(err).Str("path", path).Msg("can't find out whether the shipped segment is complete; it stays, and each scan tries again")
		}
		return false
	}
	return sealed && segment
}

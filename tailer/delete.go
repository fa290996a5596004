package tailer

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// deleteDue removes a file of an input with delete.enabled that is read to
// its end and acknowledged to its last byte, once it was not changed for the
// grace period. What the registry says is made durable first. It returns true
// if the file is gone.
func (t *Tailer) deleteDue(f *file, now time.Time) bool {
	d := f.in.cfg.Delete
	if !d.Enabled || f.in.typ != TypeFilestream {
		return false
	}
	f.mu.Lock()
	path, acked := f.path, f.acked
	due := now.Sub(f.quiet) >= d.GracePeriod && f.acked == f.read && !f.queued && !f.unsure && f.read == f.end
	f.mu.Unlock()
	if !due || !f.io.TryLock() {
		return false
	}
	defer f.io.Unlock()
	if err := t.reg.Sync(); err != nil {
		return false // keepRegistry reports it; the file stays
	}
	info, err := statFile(path, true)
	if err != nil || !f.is(info) || !f.gz && info.size != acked || now.Sub(info.mtime) < d.GracePeriod && info.mtime.Before(now) {
		return false // changed since
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		if f.fault != err.Error() {
			f.fault = err.Error()
			f.in.log.Error().Err(err).Str("path", path).Msg("can't remove the shipped file; each scan tries again (delete.enabled needs the right to write to its folder)")
		}
		return false
	}
	f.in.log.Info().Str("path", path).Int64("bytes", acked).Msg("the shipped file was removed")
	f.close("Closing file: it was removed after its grace period")
	f.mu.Lock()
	f.removed = true
	f.mu.Unlock()
	if f.in.cfg.CleanRemoved {
		t.reg.Forget(f.key)
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
	return true
}

package tailer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// watch turns the system's notifications into paths to look at. It is only
// a wake-up: where there are none (a network file system, too many folders),
// the scan finds everything, later.
type watch struct {
	notify  *fsnotify.Watcher // nil: not to be had
	folders map[string]bool
	blind   map[string]bool // folders whose changes the system does not tell
	log     zerolog.Logger
	warned  bool
	denied  map[string]bool // folders that this user may not read
}

// newNotifier asks the system for notifications; tests make it fail.
var newNotifier = fsnotify.NewWatcher

func newWatch(log zerolog.Logger) *watch {
	w := &watch{folders: make(map[string]bool), blind: make(map[string]bool), denied: make(map[string]bool), log: log}
	n, err := newNotifier()
	if err != nil {
		w.warn(err)
		return w
	}
	w.notify = n
	return w
}

// folder begins to watch a folder. While it does not exist, the nearest one
// above it is watched, so that its appearance is seen.
func (w *watch) folder(dir string) {
	if w.notify == nil || w.folders[dir] {
		return
	}
	switch err := w.notify.Add(dir); {
	case err == nil:
		w.folders[dir] = true
		w.blind[dir] = remote(dir)
		if w.denied[dir] {
			delete(w.denied, dir)
			w.log.Info().Str("folder", dir).Msg("the folder can be read now")
		}
	case errors.Is(err, fs.ErrPermission):
		if !w.denied[dir] {
			w.denied[dir] = true
			w.log.Error().Str("folder", dir).Int("uid", os.Getuid()).Msg("may not read the folder, so its files are not shipped; let the user of this service in (chmod, setfacl, or a group)")
		}
	case errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir):
		w.folder(filepath.Dir(dir))
	case errors.Is(err, fs.ErrNotExist):
	default:
		w.blind[dir] = true
		w.warn(err)
	}
}

// sees says whether changes in a folder are told.
func (w *watch) sees(dir string) bool { return w.notify != nil && !w.blind[dir] }

// blindSomewhere says whether there are changes that nobody tells.
func (w *watch) blindSomewhere() bool {
	if w.notify == nil {
		return true
	}
	for _, blind := range w.blind {
		if blind {
			return true
		}
	}
	return false
}

// remote says whether a folder's files may be written by another machine: the
// system tells only what is written by this one.
func remote(dir string) bool {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return false
	}
	switch uint32(s.Type) {
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC, unix.CEPH_SUPER_MAGIC, unix.AFS_FS_MAGIC:
		return true
	}
	return false
}

// gone notes that a watched folder was removed or renamed: its watch ended, and a new
// folder of that name needs another.
func (w *watch) gone(path string, op fsnotify.Op) {
	if w.folders[path] && op&(fsnotify.Remove|fsnotify.Rename) != 0 {
		_ = w.notify.Remove(path) // ended already, if the folder was removed
		delete(w.folders, path)
		delete(w.blind, path)
	}
}

func (w *watch) warn(err error) {
	if !w.warned {
		w.warned = true
		w.log.Warn().Err(err).Msg("no notifications of file changes: changes are found by the scan alone (scan_frequency); raise fs.inotify.max_user_watches if there are very many folders")
	}
}

func (w *watch) events() <-chan fsnotify.Event {
	if w.notify == nil {
		return nil
	}
	return w.notify.Events
}

func (w *watch) errors() <-chan error {
	if w.notify == nil {
		return nil
	}
	return w.notify.Errors
}

func (w *watch) close() {
	if w.notify != nil {
		_ = w.notify.Close() // nothing is written through it
	}
}

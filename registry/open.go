package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"sluice/internal/durable"
)

const (
	storeName = "filebeat"
	dirPerm   = 0o750

	// typicalOperation is the size of an operation before it was measured.
	typicalOperation = 330
)

// Open opens the registry below dataDir (path.data) for reading and writing,
// and creates it when there is none. It takes <dataDir>/filebeat.lock
// (ErrLocked when that is held), takes over a registry of version 0 and of
// Filebeat 6, and sets aside what it cannot read: it never fails because of
// what the files hold, a version from the future excepted. Close releases it.
func Open(dataDir string, cfg Config, log zerolog.Logger) (*Registry, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("open registry: %w", err)
	}
	dataDir, err := filepath.Abs(dataDir)
	if err != nil {
		return nil, fmt.Errorf("open registry: %w", err)
	}
	if err := durable.MkdirAll(dataDir, dirPerm); err != nil {
		return nil, mend(err, dataDir)
	}
	lock, err := takeLock(dataDir)
	if err != nil {
		return nil, mend(err, dataDir)
	}
	r := &Registry{
		cfg:           cfg,
		perm:          cfg.perm(),
		log:           log,
		lock:          lock,
		commitJournal: (*durable.File).Commit,
		dirty:         make(chan struct{}, 1),
		entries:       make(map[string]*entry),
		opened:        time.Now(),
	}
	r.expired = r.opened
	if err := r.open(dataDir); err != nil {
		if r.journal != nil {
			_ = r.journal.Close() // nothing was appended
		}
		return nil, errors.Join(mend(err, dataDir), releaseLock(lock))
	}
	return r, nil
}

// mend turns the errors of Open into one line that says what to do.
func mend(err error, dataDir string) error {
	_, statErr := os.Stat(dataDir)
	switch {
	case errors.Is(err, fs.ErrPermission) && errors.Is(statErr, fs.ErrNotExist):
		return fmt.Errorf("open registry: %w: run \"install -d -o %d %s\" as root, or set path.data to another folder", err, os.Geteuid(), dataDir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("open registry: %w: run as the user who owns %s, or give it to this user (chown -R)", err, dataDir)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("open registry: %w: mount it writable, or set path.data to a folder that is", err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("open registry: %w: %s must be a folder; set path.data to one", err, dataDir)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("open registry: %w: free space there, or set path.data to a folder elsewhere", err)
	}
	return fmt.Errorf("open registry: %w", err)
}

func (r *Registry) open(dataDir string) error {
	_, aside, err := agentID(dataDir)
	if err != nil && !diskFull(err) {
		return err
	}
	if err != nil {
		r.log.Error().Err(err).Msg("no agent id yet")
	}
	if aside != "" {
		r.log.Warn().Str("file", aside).Msg("meta.json held no agent id: set aside, a new id was made")
	}
	root := r.cfg.Path
	if !filepath.IsAbs(root) {
		root = filepath.Join(dataDir, root)
	}
	r.dir = filepath.Join(root, storeName)
	if err := r.takeOverFile(root); err != nil {
		return err
	}
	if err := r.migrateFile(dataDir); err != nil {
		return err
	}
	if err := durable.MkdirAll(r.dir, dirPerm); err != nil {
		return err
	}
	if err := r.clearTemporary(); err != nil {
		return err
	}
	found, err := r.readStore()
	if err != nil {
		return err
	}
	r.adopt(found)
	if err := r.repair(); err != nil {
		if refuses(err) || errors.Is(err, syscall.EROFS) {
			return err
		}
		r.log.Error().Err(err).Msg("registry not repaired yet; every sync tries it again")
	}
	r.checkSnapshot()
	return nil
}

// clearTemporary removes what an interrupted replace left. Making such a file
// first shows whether the folder can be written to at all.
func (r *Registry) clearTemporary() error {
	probe := filepath.Join(r.dir, checkpointTemp)
	f, err := os.OpenFile(probe, os.O_WRONLY|os.O_CREATE, r.perm)
	if err != nil && !diskFull(err) {
		return err
	}
	if err == nil {
		f.Close()
	}
	for _, name := range []string{checkpointTemp, activeName + ".new", snapshotName + ".new", metaName + ".new", journalName + ".new"} {
		if err := os.Remove(filepath.Join(r.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// readStore reads the folder as its version wants it, and makes meta.json right
// where it is missing or bad.
func (r *Registry) readStore() (*loaded, error) {
	version, bad, err := readVersion(r.dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(r.dir, metaName)
	if errors.Is(bad, errMeta) {
		if aside, err := setAside(damage{path: path}, r.perm); err != nil {
			r.log.Error().Err(err).Msg("meta.json " + errMeta.Error())
		} else {
			r.log.Warn().Str("file", aside).Msg("meta.json " + errMeta.Error() + ": set aside and written anew")
		}
	} else if bad != nil && !errors.Is(bad, fs.ErrNotExist) {
		r.log.Error().Err(bad).Msg("meta.json cannot be read")
	}
	if version == version0 {
		return loadVersion0(r.dir)
	}
	found, err := load(r.dir)
	if err == nil && bad != nil {
		found.version = freshVersion
	}
	return found, err
}

// adopt takes what was read as the durable states.
func (r *Registry) adopt(found *loaded) {
	for key, s := range found.states {
		e := &entry{key: s.state.Key, cur: s.state, dur: s.state, curRest: s.rest, durRest: s.rest, live: true, saved: true, size: typicalOperation}
		r.entries[key] = e
		r.plan.live += e.size
	}
	r.foreign = found.foreign
	r.lastID = found.lastID
	r.checkpoints = found.checkpoints
	r.broken = found
	found.states, found.foreign = nil, nil
}

// repair makes the folder good again after Open: a checkpoint first when the
// states are not what the files say, then the bad files go aside, then log.json
// is cut to its good part. It does nothing once that is done.
func (r *Registry) repair() error {
	b := r.broken
	if b == nil {
		return nil
	}
	if b.rebased {
		if err := r.writeCheckpointFile(); err != nil {
			return fmt.Errorf("repair the registry: %w", err)
		}
	}
	if b.version != "" {
		if err := r.writeVersion(b); err != nil {
			return err
		}
	}
	for len(b.damages) > 0 {
		if err := r.putAside(b.damages[0]); err != nil {
			return fmt.Errorf("repair the registry: %w", err)
		}
		b.damages = b.damages[1:]
	}
	f, err := durable.OpenFile(filepath.Join(r.dir, journalName), r.perm)
	if err != nil {
		return err
	}
	good := b.journalGood
	if b.rebased {
		good = 0
	}
	if good < f.Size() {
		if err := f.Truncate(good); err != nil {
			_ = f.Close() // nothing was appended
			return fmt.Errorf("repair the registry: %w", err)
		}
	}
	r.journal = f
	if b.rebased {
		r.noAppend, r.mustCheckpoint = false, false
		r.finishCheckpoint()
	}
	r.broken = nil
	r.fixPermissions()
	return nil
}

func (r *Registry) putAside(d damage) error {
	if !exists(d.path) {
		return nil
	}
	aside, err := setAside(d, r.perm)
	if err != nil {
		return err
	}
	event := r.log.Warn().Str("file", aside).Str("reason", d.reason.Error())
	if d.from > 0 {
		event = event.Int64("from_byte", d.from)
	}
	states := r.Stats().States
	event.Int("states", states).Msgf("%s could not be read to its end: set aside, %s", filepath.Base(d.path), whatIsLeft[states > 0])
	return nil
}

// whatIsLeft says what follows from a damage, by whether states were found.
var whatIsLeft = map[bool]string{
	true:  "the newest good state is used",
	false: "no state is left: every file is sent from its beginning",
}

// fixPermissions applies FilePermissions to the files that are there.
func (r *Registry) fixPermissions() {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		r.log.Warn().Err(err).Msg("permissions not checked")
		return
	}
	for _, e := range entries {
		name := e.Name()
		fi, err := e.Info()
		if err != nil || !fi.Mode().IsRegular() || fi.Mode().Perm() == r.perm {
			continue
		}
		if name != activeName && !strings.HasSuffix(name, ".json") {
			continue
		}
		if err := os.Chmod(filepath.Join(r.dir, name), r.perm); err != nil {
			r.log.Warn().Err(err).Msg("permissions not changed")
		}
	}
}

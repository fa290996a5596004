package tailer

import (
	"time"

	"sluice/registry"
)

// discover begins to follow a file; nil if it is to be ignored, or to be
// looked at again at the next scan.
func (t *Tailer) discover(in *input, path string, info fileInfo, now time.Time) *file {
	age := max(0, now.Sub(info.mtime))
	f := &file{
		in: in, inode: info.inode, birth: info.birth, path: path,
		size: info.size, looked: info.size, mtime: info.mtime, quiet: now.Add(-age), end: -1, skip: -1,
	}
	f.linked = in.leads(path)
	undecided := false
	if in.compression != "" {
		c, err := in.openContent(path)
		if err != nil {
			return nil // the next scan tries again
		}
		f.gz, undecided = c.gz, c.undecided
		c.close()
	}
	if !t.settleKey(f) {
		return nil
	}
	state, known := t.stateOf(f, info)
	if known && state.PrefixLen > 0 && !sameFile(&state, info) && !f.mayBe(&state) {
		t.leave(in, state) // of another file with this name, which may be an archive by now
		known = false
	}
	if undecided && !known {
		return nil // its first bytes will tell what it is
	}
	own := known // else it may be a copy of what is being read
	if !known {
		var wait bool
		if state, known, wait = t.copied(f, now); wait {
			return nil
		}
		if g := in.set.files[info.inode]; g != nil {
			return g // it was found under another name meanwhile
		}
	}
	switch {
	case known:
		t.goOn(f, state, info)
		f.ignored = own && t.passOver(f, age)
	case !t.begin(f, age):
		return nil
	}
	f.lane = t.laneFor()
	f.lane.files++
	in.set.files[info.inode] = f
	in.set.keys[f.key] = f
	return f
}

// goOn takes over what a State says of a file that is found.
func (t *Tailer) goOn(f *file, s registry.State, info fileInfo) {
	f.read, f.acked = s.Offset, s.Offset
	f.generation, f.prefix = s.Generation, prefix{s.PrefixHash, s.PrefixLen}
	another := !sameFile(&s, info)
	if another && f.in.identity == identityPath {
		// What was sent of the former file since this State was saved is not
		// known: its ids must not be those of other lines.
		f.generation, f.random = randomGeneration(), true
	}
	if s.PrefixLen == 0 && (s.Inode != 0 && s.Inode != f.inode.ino || another) {
		f.generation = "" // nothing shows that it is this file's: two would have one
	}
	f.unsure = info.size < s.Offset || info.mtime.Add(resolution(info.mtime)).After(s.Timestamp)
	if s.Key == f.key && (s.Source != f.path || s.Inode != f.inode.ino || s.Device != f.inode.dev) {
		// Renamed or moved while nobody looked, or known to Filebeat by other
		// things: whoever cleans up must find it.
		s.Source, s.Inode, s.Device, s.Birth, s.Generation = f.path, f.inode.ino, f.inode.dev, f.birth, f.generation
		t.reg.Commit(s)
	}
}

// begin says where a file without a State is read from; false: it is not
// followed.
func (t *Tailer) begin(f *file, age time.Duration) bool {
	in := f.in
	why := in.ignores(t, f, age)
	switch {
	case why != "":
		in.log.Debug().Str("path", f.path).Msgf("Ignore file because %s reached", why)
		if why == "ignore_older" && in.cfg.CleanInactive > 0 && age > in.cfg.CleanInactive {
			in.log.Debug().Str("path", f.path).Msg("Do not write state for ignore_older because clean_inactive reached")
			return false
		}
	case in.tail && !in.scanned && f.size > 0:
		in.log.Debug().Str("path", f.path).Msg("new file: only what is added to it is read (tail_files)")
	default:
		in.log.Debug().Msgf("Start harvester for new file: %s", f.path)
		return true
	}
	f.read, f.acked = f.size, f.size // later lines are read from here
	if !f.gz && f.size > 0 {
		f.prefix = in.prefixAt(f.path, f.size) // else nothing tells when it is truncated and filled again
	}
	if f.gz {
		f.end = f.size
	}
	f.save()
	return true
}

// passOver says whether a file with a State is not read until it changes,
// though lines of it were never sent.
func (t *Tailer) passOver(f *file, age time.Duration) bool {
	why := f.in.ignores(t, f, age)
	if why == "" || f.gz || f.read == f.size {
		return false
	}
	f.in.log.Debug().Str("path", f.path).Int64("offset", f.read).Msgf("Ignore file because %s reached: it is read on from there when it changes", why)
	return true
}

// ignores names the option for which a file is too old to be read as it is:
// ignore_older or ignore_inactive; empty if there is none.
func (in *input) ignores(t *Tailer, f *file, age time.Duration) string {
	switch {
	case in.cfg.IgnoreOlder > 0 && age > in.cfg.IgnoreOlder:
		return "ignore_older"
	case in.inactiveBefore(t).After(f.mtime.Add(resolution(f.mtime))):
		return "ignore_inactive"
	}
	return ""
}

// inactiveBefore returns the time before which an unchanged file is inactive
// (ignore_inactive); zero: never.
func (in *input) inactiveBefore(t *Tailer) time.Time {
	switch in.cfg.IgnoreInactive {
	case sinceFirstStart:
		return t.cfg.FirstStart
	case sinceLastStart:
		return t.started
	}
	return time.Time{}
}

// resolution is how far a file's time may lie behind the clock: the kernel
// takes it from the last timer tick, and some file systems keep whole seconds.
func resolution(mtime time.Time) time.Duration {
	if mtime.Nanosecond() == 0 {
		return 2 * time.Second
	}
	return 10 * time.Millisecond
}

// settleKey finds the key of a new file's State. False: another file that is
// this one under its former name still has lines on their way.
func (t *Tailer) settleKey(f *file) bool {
	in, set := f.in, f.in.set
	if in.identity == identityFingerprint {
		need := in.cfg.Prospector.Scanner.Fingerprint
		if f.gz || f.size >= need.Offset+need.Length {
			f.fingerprint = in.fingerprintAt(f.path, f.inode)
		}
		f.fingerprinted = f.fingerprint != ""
	}
	f.key = in.keyOf(f.inode, f.path, f.fingerprint)
	other := set.keys[f.key]
	switch {
	case other == nil:
		if t.printOfAnother(f) {
			f.fingerprint = ""
			f.key = in.keyOf(f.inode, f.path, "")
		}
		return true
	case f.fingerprint == "":
		// Under its path or its number on the device there is a new file now.
		other.mu.Lock()
		other.detached = true
		other.mu.Unlock()
		delete(set.keys, f.key)
		return true
	case sameInode(other.path, other.inode):
		in.log.Debug().Str("path", f.path).Str("other", other.path).Msg("another file has the same fingerprint: this one is known by device and inode")
		f.fingerprint = ""
		f.key = in.keyOf(f.inode, f.path, "")
		return true
	}
	// It was moved across file systems, or copied and removed.
	other.mu.Lock()
	busy := other.queued || other.outstanding()
	other.mu.Unlock()
	if !busy {
		t.drop(other)
	}
	return !busy
}

// printOfAnother says whether the State with a new file's fingerprint is that
// of another file with equal first bytes: one that is there too, though not
// found again yet, or that this one was told from before.
func (t *Tailer) printOfAnother(f *file) bool {
	if f.fingerprint == "" {
		return false
	}
	s, ok := t.reg.Get(f.key)
	id := inode{s.Device, s.Inode}
	if !ok || id.ino == 0 || id == f.inode {
		return false
	}
	own, ok := t.reg.Get(f.in.keyOf(f.inode, f.path, ""))
	return ok && own.Birth != 0 && own.Birth == f.birth || f.elsewhere(&s) || !f.mayBe(&s)
}

// elsewhere says whether the file that a State names is there, and another one.
func (f *file) elsewhere(s *registry.State) bool {
	id := inode{s.Device, s.Inode}
	return id.ino != 0 && id != f.inode && sameInode(s.Source, id)
}

// stateOf finds the registry's State for a file seen for the first time.
func (t *Tailer) stateOf(f *file, info fileInfo) (registry.State, bool) {
	s, ok := t.reg.Get(f.key)
	switch {
	case ok && (f.in.identity == identityPath || f.fingerprint != "" || sameFile(&s, info)):
		t.removeOrphan(s)
		if ttl := f.in.ttl(); s.TTL != ttl { // claimed now, or clean_inactive is another
			s.TTL = ttl
			t.reg.Commit(s)
		}
		return s, true
	}
	adopted, found := t.adopt(f, info)
	if ok && !found {
		f.in.log.Info().Str("path", f.path).Msg("another file had this inode: reading from the beginning")
	}
	return adopted, found
}

// adopt takes over the State of a file under another key: its input has
// another type, id or file_identity now, or its device number has changed, as
// it does at a boot for some file systems.
func (t *Tailer) adopt(f *file, info fileInfo) (registry.State, bool) {
	s, ok := t.orphanOf(f, info)
	if !ok {
		return registry.State{}, false
	}
	t.removeOrphan(s)
	f.in.log.Info().Str("path", f.path).Str("was", s.Key).Str("is", f.key).Msg("the file's input, identity or device number has changed: its State goes on under the new key")
	f.read, f.acked, f.generation, f.prefix = s.Offset, s.Offset, s.Generation, prefix{s.PrefixHash, s.PrefixLen}
	f.save()
	t.reg.Forget(s.Key)
	return s, true
}

// orphanOf finds a State that no file has claimed and that is this one's: by
// its number on the device or its path, or, if there is none, by its
// fingerprint. Where the file was followed by inputs of both types, that of its
// own type comes first. What one stream of a container's log was sent up to
// says nothing of the other.
func (t *Tailer) orphanOf(f *file, info fileInfo) (s registry.State, ok bool) {
	for _, find := range []func(*file, fileInfo, func(*registry.State) bool) (registry.State, bool){
		t.orphanByPlace, t.orphanByPrint,
	} {
		for _, sameType := range []bool{true, false} {
			s, ok = find(f, info, func(s *registry.State) bool {
				stream := streamOf(s)
				return s.Key != f.key && (s.Type == TypeFilestream == (f.in.typ == TypeFilestream)) == sameType &&
					(stream == "" || stream == f.in.set.stream) && !t.claimed(s, f)
			})
			if ok {
				return s, true
			}
		}
	}
	return s, false
}

func (t *Tailer) orphanByPlace(f *file, info fileInfo, fits func(*registry.State) bool) (registry.State, bool) {
	if s, ok := t.orphans.find(f.inode.ino, f.path, func(s *registry.State) bool {
		return sameFile(s, info) && fits(s) &&
			(s.Device == f.inode.dev || s.PrefixLen > 0 && info.size >= s.Offset && f.in.beginsAs(f.path, prefix{s.PrefixHash, s.PrefixLen}))
	}); ok {
		return s, true
	}
	if s, ok := t.orphans.find(f.inode.ino, anyPath, func(s *registry.State) bool { // renamed meanwhile
		return s.Birth == info.birth && s.Device == f.inode.dev && fits(s) &&
			(f.in.identity != identityPath || identifierName(s.ID) != identityPath)
	}); ok {
		return s, true
	}
	return t.orphans.find(0, f.path, func(s *registry.State) bool { // known by its path alone
		return identifierName(s.ID) == identityPath && sameFile(s, info) && fits(s)
	})
}

func (t *Tailer) orphanByPrint(f *file, _ fileInfo, fits func(*registry.State) bool) (registry.State, bool) {
	if len(t.orphanPrints) == 0 {
		return registry.State{}, false
	}
	hash := f.fingerprint
	if hash == "" {
		hash = f.in.fingerprintAt(f.path, f.inode)
	}
	for _, s := range t.orphanPrints[hash] { // wherever the file was then
		if fits(&s) && !f.elsewhere(&s) && f.mayBe(&s) {
			return s, true
		}
	}
	return registry.State{}, false
}

// mayBe says whether a file that is not known yet begins as a State says. One
// with a generation and no first bytes is about a file that was truncated.
func (f *file) mayBe(s *registry.State) bool {
	if s.PrefixLen == 0 {
		return s.Generation == ""
	}
	return f.in.beginsAs(f.path, prefix{s.PrefixHash, s.PrefixLen})
}

// prefixAt hashes the first bytes of the file at path; none if it can't be read.
func (in *input) prefixAt(path string, size int64) prefix {
	c, err := in.openContent(path)
	if err != nil {
		return prefix{}
	}
	defer c.close()
	p, err := readPrefix(c.data, min(size, prefixLimit))
	if err != nil {
		return prefix{}
	}
	return p
}

// beginsAs says whether the file at path begins with the hashed bytes.
func (in *input) beginsAs(path string, p prefix) bool {
	c, err := in.openContent(path)
	if err != nil {
		return false
	}
	defer c.close()
	same, err := p.holds(c.data, make([]byte, prefixLimit))
	return err == nil && same
}

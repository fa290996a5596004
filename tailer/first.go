package tailer

import (
	"fmt"
)

// compile makes the file's generation id and its event templates, when the
// first line is there, which ends at seen. f.io is held.
func (l *lane) compile(f *file, h *harvester, seen int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.forgotten || f.life != h.life {
		return errDropped // whoever goes on with the file must know the id; what was truncated has another
	}
	if f.prefix.length == 0 {
		// No State may have an id without the bytes that it is for: a crash
		// could bring it back when the file has other content.
		p, err := readPrefix(h.data, min(max(seen, h.seen), prefixLimit))
		if err != nil {
			return err
		}
		f.prefix = p
		f.random = f.generation != "" // drawn, but not used before the last stop
	}
	if f.generation == "" {
		if err := f.generate(h, l.t.cfg.AgentID); err != nil {
			return err
		}
		f.save() // what is not acknowledged at a stop keeps its ids, whatever the input is called then
	}
	if f.random {
		// A drawn id must outlive a crash before the first line leaves.
		f.save()
		if err := f.in.reg.Sync(); err != nil {
			return fmt.Errorf("make the generation id durable: %w", err)
		}
		f.random = false
	}
	h.doc = document{cfg: &l.t.cfg, in: f.in, path: h.path, inode: f.inode.ino, dev: f.inode.dev, fingerprint: f.fingerprint, generation: f.generation}
	plain, err := h.doc.template(nil)
	if err != nil {
		return err
	}
	h.plain = plain
	h.cut, err = h.doc.template([]string{"truncated"})
	return err
}

// generate derives the generation id, or draws one where the same could not
// be derived again: the file system knows no birth times, or the line that
// is sent has no end yet. f.mu is held.
func (f *file) generate(h *harvester, agentID string) error {
	head, whole, err := firstLine(h.data, &h.dec)
	if err != nil {
		return err
	}
	if f.birth == 0 || !whole {
		f.generation, f.random = randomGeneration(), true
		return nil
	}
	f.generation = deriveGeneration(agentID, f.in.set.space, f.inode, f.birth, head)
	return nil
}

// foresee lets the hash of the first bytes cover the lines in data before they
// are sent: what is acknowledged can always be told from other content.
func (l *lane) foresee(f *file, h *harvester, offset int64, data []byte) {
	if h.seen >= prefixLimit {
		return
	}
	h.seen = min(offset+int64(h.dec.complete(data)), prefixLimit)
	f.mu.Lock()
	begun := f.prefix.length > 0 // else its first event does it
	f.mu.Unlock()
	if begun {
		l.growPrefix(f, h, h.seen)
	}
}

// growPrefix extends the hash of the first bytes while the file is small; seen
// is the end of a line.
func (l *lane) growPrefix(f *file, h *harvester, seen int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	length := min(seen, prefixLimit)
	if f.life != h.life || length <= f.prefix.length || f.pump != nil {
		return
	}
	if p, same := f.prefix.grow(h.data, l.first[:length]); same {
		f.prefix = p // else the next reading finds out why
		if f.acked >= f.read {
			f.save() // no later ack would do it
		}
	}
}

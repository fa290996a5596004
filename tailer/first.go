package tailer

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"sluice/registry"
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
// be derived again. f.mu is held.
func (f *file) generate(h *harvester, agentID string) (err error) {
	f.generation, err = f.origin().derive(agentID, h.data, &h.dec)
	if f.random = err == nil && f.generation == ""; f.random {
		f.generation = randomGeneration()
	}
	return err
}

// origin is what a file's generation id is derived from, beside the agent's id
// and the first line.
type origin struct {
	space string
	inode inode
	birth int64
}

func (f *file) origin() origin { return origin{f.in.set.space, f.inode, f.birth} }

// originOf is that of the file that a State is about.
func originOf(s *registry.State) origin {
	return origin{strings.TrimSuffix(s.Key, s.ID), inode{s.Device, s.Inode}, s.Birth}
}

// derive makes the generation id; empty if the same could not be made again:
// the file system knows no birth times, or the line that is sent has no end yet.
func (o origin) derive(agentID string, data io.ReaderAt, dec *decoding) (string, error) {
	head, whole, err := firstLine(data, dec)
	if err != nil || o.birth == 0 || !whole {
		return "", err
	}
	return deriveGeneration(agentID, o.space, o.inode, o.birth, head), nil
}

// firstGeneration is the generation id that the first reading of a file gave
// it, by what is a copy of it now; empty if none was derived.
func (in *input) firstGeneration(from origin, content io.ReaderAt) string {
	var mark [4]byte
	n, err := content.ReadAt(mark[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	dec, err := in.dec.resolve(mark[:n])
	if err != nil {
		return ""
	}
	generation, err := from.derive(in.t.cfg.AgentID, content, &dec)
	if err != nil {
		return "" // no line was read of it
	}
	return generation
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

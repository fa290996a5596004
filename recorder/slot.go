package recorder

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/cespare/xxhash/v2"

	"sluice/internal/durable"
)

// The redelivery table's file, NAME.inflight: see the package documentation.
const (
	slotSize  = 32
	slotCount = 1 << 15
	ringSize  = slotSize * slotCount
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// slot is one recorded message, as the file holds it.
type slot struct {
	seq     uint64
	hash    uint64
	segment uint32
	end     uint32
	id      uint16
	flags   byte // 0-1: QoS, 2: it came with DUP
	session uint8
}

const flagDuplicate = 4

func (s *slot) encode(b []byte) {
	binary.LittleEndian.PutUint64(b[0:], s.seq)
	binary.LittleEndian.PutUint64(b[8:], s.hash)
	binary.LittleEndian.PutUint32(b[16:], s.segment)
	binary.LittleEndian.PutUint32(b[20:], s.end)
	binary.LittleEndian.PutUint16(b[24:], s.id)
	b[26], b[27] = s.flags, s.session
	binary.LittleEndian.PutUint32(b[28:], crc32.Checksum(b[:28], castagnoli))
}

// decodeSlot reads a slot; ok is false for an empty or damaged one.
func decodeSlot(b []byte) (s slot, ok bool) {
	if binary.LittleEndian.Uint32(b[28:]) != crc32.Checksum(b[:28], castagnoli) {
		return slot{}, false
	}
	s = slot{
		seq:     binary.LittleEndian.Uint64(b[0:]),
		hash:    binary.LittleEndian.Uint64(b[8:]),
		segment: binary.LittleEndian.Uint32(b[16:]),
		end:     binary.LittleEndian.Uint32(b[20:]),
		id:      binary.LittleEndian.Uint16(b[24:]),
		flags:   b[26],
		session: b[27],
	}
	return s, s.seq != 0
}

// hashRecord is the hash of topic, payload, original size, and those properties
// that are the message's own.
func hashRecord(r *Record) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(r.Topic)
	var tail [9]byte // a NUL ends the topic: it can't hold one
	binary.LittleEndian.PutUint64(tail[1:], uint64(r.Size))
	_, _ = d.Write(tail[:])
	_, _ = d.Write(r.Payload)
	properties(r.Properties).lasting(func(b []byte) { _, _ = d.Write(b) })
	return d.Sum64()
}

// ring is the file of slots. Slots are overwritten in place, so that neither
// size nor place of the file ever change.
type ring struct {
	path string
	perm os.FileMode
	file *os.File // nil until it is needed
	buf  []byte

	// fail is asked before each write and may fail it. Tests only.
	fail func() error
}

// readAll returns the file's content, whole slots only; nothing when there is
// no file yet.
func (r *ring) readAll() ([]byte, error) {
	b, err := os.ReadFile(r.path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b = b[:min(len(b), ringSize)]
	return b[:len(b)/slotSize*slotSize], nil
}

// open creates the file in its full size, or opens it.
func (r *ring) open() error {
	if r.file != nil {
		return nil
	}
	f, err := os.OpenFile(r.path, os.O_RDWR|os.O_CREATE, r.perm)
	if err != nil {
		return err
	}
	if err := r.extend(f); err != nil {
		f.Close()
		return fmt.Errorf("make %s: %w", r.path, err)
	}
	r.file = f
	return nil
}

// extend writes zeros up to the full size: the disk must never be too full for
// a slot.
func (r *ring) extend(f *os.File) error {
	fi, err := f.Stat()
	if err != nil || fi.Size() >= ringSize {
		return err
	}
	if err := f.Chmod(r.perm); err != nil {
		return err
	}
	start := fi.Size() / slotSize * slotSize
	if _, err := f.WriteAt(make([]byte, ringSize-start), start); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(r.path))
}

// write puts slots with consecutive sequence numbers into their places and
// makes that durable.
func (r *ring) write(slots []slot) error {
	if err := r.open(); err != nil {
		return err
	}
	r.buf = r.buf[:0]
	for i := range slots {
		r.buf = append(r.buf, make([]byte, slotSize)...)
		slots[i].encode(r.buf[len(r.buf)-slotSize:])
	}
	place := int(slots[0].seq % slotCount)
	head := min(len(slots), slotCount-place)
	if err := r.put(r.buf[:head*slotSize], place); err != nil {
		return err
	}
	if head < len(slots) {
		if err := r.put(r.buf[head*slotSize:], 0); err != nil {
			return err
		}
	}
	return r.sync()
}

// clear empties places and makes that durable.
func (r *ring) clear(places []int) error {
	if len(places) == 0 {
		return nil
	}
	if err := r.open(); err != nil {
		return err
	}
	for _, p := range places {
		if err := r.put(make([]byte, slotSize), p); err != nil {
			return err
		}
	}
	return r.sync()
}

func (r *ring) put(b []byte, place int) error {
	if r.fail != nil {
		if err := r.fail(); err != nil {
			return err
		}
	}
	_, err := r.file.WriteAt(b, int64(place)*slotSize)
	return err
}

func (r *ring) sync() error {
	err := syscall.Fdatasync(int(r.file.Fd()))
	runtime.KeepAlive(r.file)
	if err != nil {
		return fmt.Errorf("fsync %s: %w", r.path, err)
	}
	return nil
}

func (r *ring) close() {
	if r.file != nil {
		r.file.Close()
		r.file = nil
	}
}

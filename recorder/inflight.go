package recorder

import (
	"fmt"
	"os"

	"github.com/rs/zerolog"
)

// inflight is the redelivery table: it knows which of the messages that a
// broker delivers again are in the segments already. The package documentation
// gives its rules. It is used by its series' writer only.
type inflight struct {
	ring     ring
	sessions *sessions
	log      zerolog.Logger

	known [slotCount]entry
	index [1 << 16]uint16 // place + 1 of the newest entry of an id; 0: none
	next  uint64          // sequence number of the next entry

	// The connection that the records now come from.
	session int
	present bool   // the broker kept the session
	began   uint64 // the connection's first sequence number
	lastID  uint16 // the newest id that came without DUP; 0: none
}

// entry is what memory keeps of a slot.
type entry struct {
	seq     uint64 // 0: empty
	hash    uint64
	id      uint16
	flags   byte
	session uint8
}

// flagUnacked marks, in memory only, an entry whose acknowledgement was not
// sent: what is delivered again with its id is surely the same message.
const flagUnacked = 0x80

// openInflight reads the table. settle must follow.
func openInflight(ringPath, sessionPath string, perm os.FileMode, log zerolog.Logger) (*inflight, error) {
	sessions, known, err := openSessions(sessionPath, perm, log)
	if err != nil {
		return nil, err
	}
	t := &inflight{ring: ring{path: ringPath, perm: perm}, sessions: sessions, log: log, next: 1}
	content, err := t.ring.readAll()
	if err != nil {
		return nil, err
	}
	for place := range len(content) / slotSize {
		s, ok := decodeSlot(content[place*slotSize:])
		if !ok || s.seq%slotCount != uint64(place) {
			continue
		}
		t.next = max(t.next, s.seq+1)
		if known {
			t.known[place] = entry{seq: s.seq, hash: s.hash, id: s.id, flags: s.flags, session: s.session}
		}
	}
	return t, nil
}

// settle forgets, durably, the slots of records that did not reach the disk:
// those whose segment was open at the end and is shorter than they say. What
// remains is true for ever, also when its segment is cleaned later.
func (t *inflight) settle(open int64, sizes map[int64]int64) error {
	content, err := t.ring.readAll()
	if err != nil {
		return err
	}
	var lost []int
	for place := range len(content) / slotSize {
		s, ok := decodeSlot(content[place*slotSize:])
		if ok && int64(s.segment) >= open && int64(s.end) > sizes[int64(s.segment)] {
			lost = append(lost, place)
		}
	}
	if err := t.ring.clear(lost); err != nil {
		return fmt.Errorf("clear %s: %w", t.ring.path, err)
	}
	for _, place := range lost {
		t.known[place] = entry{}
	}
	t.replay()
	return nil
}

// replay builds the index in the order in which the entries were made.
func (t *inflight) replay() {
	t.index = [1 << 16]uint16{}
	first := uint64(1)
	if t.next > slotCount {
		first = t.next - slotCount
	}
	for seq := first; seq < t.next; seq++ {
		e := &t.known[seq%slotCount]
		if e.seq != seq {
			continue
		}
		if int(e.session) != t.session {
			t.session, t.lastID = int(e.session), 0
		}
		t.step(e.id, e.flags&flagDuplicate != 0)
		if e.id != 0 {
			t.index[e.id] = uint16(seq%slotCount) + 1
		}
	}
}

// connected begins a connection. present is the broker's word that it kept the
// session; without it the message ids start afresh.
func (t *inflight) connected(key sessionKey, present bool) error {
	number, isNew := t.sessions.find(key, t.next)
	if isNew || !present && t.sessions.get(number).VoidBelow != t.next {
		if err := t.sessions.update(number, func(s *session) { s.VoidBelow = t.next }); err != nil {
			return err
		}
	}
	if number != t.session || !present || isNew {
		t.lastID = 0
	}
	t.session, t.present, t.began = number, present && !isNew, t.next
	return nil
}

// valid tells whether an entry can still answer for the present session.
func (t *inflight) valid(e *entry, s *session) bool {
	return e.seq != 0 && int(e.session) == t.session && e.seq >= s.VoidBelow && t.next-e.seq < slotCount
}

// seen tells whether the record is in the segments already: delivered again by
// the broker, or a retained message that comes with every subscription.
func (t *inflight) seen(r *Record, hash uint64) bool {
	s := t.sessions.get(t.session)
	if r.Duplicate && r.QoS > 0 {
		place := t.index[r.ID]
		if place == 0 {
			return false
		}
		e := &t.known[place-1]
		if !t.valid(e, &s) || e.id != r.ID || e.hash != hash || e.flags&3 != r.QoS {
			return false
		}
		if s.ReusesIDs && e.flags&flagUnacked == 0 {
			return false
		}
		r.slot = int32(place - 1)
		return true
	}
	return r.Retained && t.present && t.repeated(hash, &s)
}

// repeated looks for a hash among the entries. It is asked only for retained
// messages, which come after a subscription.
func (t *inflight) repeated(hash uint64, s *session) bool {
	for i := range t.known {
		if t.known[i].hash == hash && t.valid(&t.known[i], s) {
			return true
		}
	}
	return false
}

// note makes an entry for a record that will be written. It counts from the
// commit on.
func (t *inflight) note(r *Record, hash uint64) {
	place := t.next % slotCount
	if old := t.known[place]; old.seq != 0 && t.index[old.id] == uint16(place)+1 {
		t.index[old.id] = 0
	}
	if r.QoS > 0 && !r.Duplicate {
		t.watch(r.ID)
	}
	t.step(r.ID, r.Duplicate)
	flags := r.QoS | flagUnacked
	if r.Duplicate {
		flags |= flagDuplicate
	}
	t.known[place] = entry{seq: t.next, hash: hash, id: r.ID, flags: flags, session: uint8(t.session)}
	if r.ID != 0 {
		t.index[r.ID] = uint16(place) + 1
	}
	r.slot = int32(place)
	t.next++
}

// watch looks for a broker that gives ids again at once: on one connection an
// id came back before half of all ids were used. Then an id says nothing about
// which message it is, once its acknowledgement was sent. An id that came with
// DUP was given on an earlier connection: a broker whose counter begins anew on
// each one is no such broker (step sees to it).
func (t *inflight) watch(id uint16) {
	place := t.index[id]
	if place == 0 {
		return
	}
	e, s := &t.known[place-1], t.sessions.get(t.session)
	if s.ReusesIDs || e.id != id || e.flags&flagDuplicate != 0 || e.seq < t.began || !t.valid(e, &s) {
		return
	}
	err := t.sessions.update(t.session, func(s *session) { s.ReusesIDs = true })
	t.log.Info().Err(err).Str("broker", s.Broker).Uint16("id", id).
		Msg("the broker gives message ids again at once; after a lost connection its redeliveries are recorded with duplicate set rather than dropped")
}

// step follows the broker's counter. When it jumps back, the ids in front of it
// will be given again, to other messages: the entries they have are dropped.
func (t *inflight) step(id uint16, duplicate bool) {
	if duplicate || id == 0 {
		return
	}
	last := t.lastID
	t.lastID = id
	if last == 0 || uint16(id-last) <= 1<<15 {
		return
	}
	if t.session < len(t.sessions.list) && t.sessions.get(t.session).ReusesIDs {
		return
	}
	for n := id; n != last+1; n++ {
		t.index[n] = 0
	}
}

// slots are the file's form of the entries of a group that begins at sequence
// number first; ends are where their lines end.
func (t *inflight) slots(dst []slot, first uint64, ends []int, segment, offset int64) []slot {
	for i, end := range ends {
		e := &t.known[(first+uint64(i))%slotCount]
		dst = append(dst, slot{
			seq: e.seq, hash: e.hash, id: e.id, flags: e.flags &^ flagUnacked, session: e.session,
			segment: uint32(segment), end: uint32(offset + int64(end)),
		})
	}
	return dst
}

// revoke takes back, durably, the slots of a group that can't be written.
func (t *inflight) revoke(first uint64, n int) error {
	if t.ring.file == nil {
		return nil
	}
	places := make([]int, n)
	for i := range places {
		places[i] = int((first + uint64(i)) % slotCount)
	}
	return t.ring.clear(places)
}

// acked remembers that acknowledgements were sent.
func (t *inflight) acked(records []Record) {
	for i := range records {
		if records[i].slot >= 0 {
			t.known[records[i].slot].flags &^= flagUnacked
		}
	}
}

package elasticsearch

import (
	"errors"
	"fmt"
	"net/http"
)

// window is the documents of one Send, until all are stored or set aside.
type window struct {
	items []item
	done  int // items at the front that are done
	acked int // of those
	limit int // most items of the next request; 0: all
	// troubles are what holds up documents of this window, and in how many answers
	// it stood.
	troubles map[string]int
	told     []string
	wait     bool // before the next request
	doubts   bool // some items have strikes
}

type item struct {
	doc     []byte
	done    bool
	stored  bool
	strikes int // doubtful answers
}

// Strikes after which a doubtful document is a dead letter: beside documents that
// were taken in the same request, and alone.
const (
	strikesBeside = 3
	strikesAlone  = 10
)

func newWindow(buf []byte, ends []int) *window {
	w := &window{items: make([]item, len(ends)), troubles: map[string]int{}}
	from := 0
	for i, end := range ends {
		w.items[i].doc = buf[from:end]
		from = end
	}
	return w
}

// progress moves done on and returns how many documents are newly done, in their
// order.
func (w *window) progress() int {
	for w.done < len(w.items) && w.items[w.done].done {
		w.done++
	}
	n := w.done - w.acked
	w.acked = w.done
	return n
}

// encode makes a request of the items that are not done, and returns which they
// are. What can't be encoded is refused.
func (w *window) encode(c *Conn) (batch []*item) {
	e := c.lane.encoder
	e.begin()
	if it := w.witness(e); it != nil {
		batch = append(batch, it)
	}
	for i := w.done; i < len(w.items); i++ {
		it := &w.items[i]
		if it.done {
			continue
		}
		if w.limit > 0 && len(batch) == w.limit {
			break
		}
		if err := e.add(it.doc); err != nil {
			w.refuse(c, it, fmt.Errorf("it can't be sent: %w", err))
			continue
		}
		batch = append(batch, it)
	}
	return batch
}

// witness adds an item that is stored already, if there are doubts: 409 is the
// answer of a server that works. Halved requests have none: it would be in the
// place of a document.
func (w *window) witness(e *encoder) *item {
	if !w.doubts || w.limit > 0 {
		return nil
	}
	for i := range w.items {
		if it := &w.items[i]; it.stored && hasID(it.doc) && e.add(it.doc) == nil {
			return it
		}
	}
	return nil
}

// refuse makes a dead letter of an item. If that can't be, it is tried again.
func (w *window) refuse(c *Conn, it *item, reason error) {
	if err := c.setAside(it.doc, reason); err != nil {
		w.hold(c, fmt.Sprintf("a document is refused (%v) and holds up those behind it: %v", reason, err), 1)
		return
	}
	it.done = true
}

// patience is after how many answers a busy server is a trouble.
const patience = 4

// hold notes what holds up documents, and tells of it when it stood in so many
// answers.
func (w *window) hold(c *Conn, text string, answers int) {
	w.wait = true
	if w.troubles[text]++; w.troubles[text] == answers {
		c.client.troubles.begin(c.log, text)
		w.told = append(w.told, text)
	}
}

// holdFor is hold for an answer.
func (w *window) holdFor(c *Conn, a answer) {
	if a.Status == http.StatusTooManyRequests { // its reason differs each time
		w.hold(c, fmt.Sprintf("%s: documents wait: 429 %s; %s", c.node, a.Error.Type, a.mend()), patience)
		return
	}
	w.hold(c, fmt.Sprintf("%s: documents wait: %d %s; %s", c.node, a.Status, a.Error, a.mend()), 1)
}

// settle ends the troubles of the window.
func (w *window) settle(c *Conn, solved bool) {
	for _, text := range w.told {
		c.client.troubles.end(c.log, text, solved)
	}
	w.told = nil
}

// take does what the answer to a request asks for. An error is the host's.
func (w *window) take(c *Conn, batch []*item, r reply) error {
	switch {
	case r.status == http.StatusOK:
		answers, err := parseAnswers(r.body, len(batch))
		if err != nil {
			return &answerError{fmt.Errorf("%s: %w", c.node, err)}
		}
		w.judge(c, batch, answers)
		return nil
	case r.status == http.StatusRequestEntityTooLarge, r.status == http.StatusBadRequest:
		if len(batch) > 1 {
			w.limit = len(batch) / 2
			return nil
		}
		if r.status == http.StatusBadRequest && c.client.counters.acked.Load() == 0 {
			return c.node.statusError(r) // no document was taken yet: parameters may be wrong
		}
		w.refuse(c, batch[0], c.node.statusError(r))
		return nil
	}
	return c.node.statusError(r)
}

// answerError is an answer that can't be read.
type answerError struct{ error }

func (e *answerError) Unwrap() error   { return e.error }
func (e *answerError) Blameless() bool { return true }

var errDoubtful = errors.New("it fails again and again")

// judge takes the items' answers.
func (w *window) judge(c *Conn, batch []*item, answers []answer) {
	taken, beside := 0, false
	for i, it := range batch {
		if answers == nil || answers[i].judge() == stored {
			if !it.done {
				taken++
			}
			it.done, it.stored, beside = true, true, true
		}
	}
	c.stored(taken)
	for i, it := range batch {
		if it.done {
			continue
		}
		a := answers[i]
		if a.Error == nil {
			a.Error = &fault{Reason: http.StatusText(a.Status)}
		}
		switch a.judge() {
		case refused:
			w.refuse(c, it, fmt.Errorf("%d %s", a.Status, a.Error))
		case doubtful:
			w.doubt(c, it, a, beside)
		default:
			w.holdFor(c, a)
		}
	}
}

// doubt counts a strike.
func (w *window) doubt(c *Conn, it *item, a answer, beside bool) {
	it.strikes++
	w.doubts = true
	enough := strikesAlone
	if beside {
		enough = strikesBeside
	}
	if it.strikes >= enough {
		w.refuse(c, it, fmt.Errorf("%w: %d %s", errDoubtful, a.Status, a.Error))
		return
	}
	w.holdFor(c, a)
}

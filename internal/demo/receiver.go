package demo

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastic/go-lumber/lj"
	lumberlog "github.com/elastic/go-lumber/log"
	lumber "github.com/elastic/go-lumber/server/v2"
)

// Times of the receiver. The first is long for emulated and very slow machines.
const (
	receiverTimeout   = 2 * time.Minute // silence within a window
	receiverKeepalive = 3 * time.Second // as Logstash: ack 0 while a window waits
)

// receiver stands for Logstash: a go-lumber server over TLS that enters every
// event into the ledger and acknowledges it.
type receiver struct {
	tls    *tls.Config
	ledger *ledger
	addr   string

	batches atomic.Int64 // windows received
	swallow atomic.Bool  // cut the connection instead of the next ack
	cuts    atomic.Int64 // how often that was done

	meddle func([]any) []any // for tests: loses or changes events; nil in production

	sockets *sockets
	server  *lumber.Server
	done    sync.WaitGroup
}

// quietLumber keeps go-lumber, which writes to the process's log, silent.
var quietLumber = sync.OnceFunc(func() { lumberlog.Logger = log.New(io.Discard, "", 0) })

// newReceiver starts a receiver on a free loopback port.
func newReceiver(t *tls.Config, l *ledger, meddle func([]any) []any) (*receiver, error) {
	quietLumber()
	r := &receiver{tls: t, ledger: l, meddle: meddle}
	return r, r.open()
}

// open listens, at the port of the last time.
func (r *receiver) open() error {
	s, err := listen(r.addr)
	if err != nil {
		return fmt.Errorf("receiver: %w", err)
	}
	server, err := lumber.NewWithListener(tls.NewListener(s, r.tls),
		lumber.Timeout(receiverTimeout), lumber.Keepalive(receiverKeepalive), lumber.JSONDecoder(decodeEvent))
	if err != nil {
		return errors.Join(fmt.Errorf("start the receiver: %w", err), s.kill())
	}
	r.sockets, r.server, r.addr = s, server, s.Addr().String()
	r.done.Go(func() { r.receive(s, server) })
	return nil
}

// kill resets all connections and closes the port. What the receiver has
// entered into the ledger but not acknowledged will come again.
func (r *receiver) kill() error {
	if r.server == nil {
		return nil
	}
	err := r.sockets.kill()
	// The port is closed already; go-lumber complains when it closes it again.
	_ = r.server.Close()
	r.done.Wait()
	r.server = nil
	if err != nil {
		return fmt.Errorf("receiver: %w", err)
	}
	return nil
}

// close ends the receiver for good.
func (r *receiver) close() error { return r.kill() }

// restart opens the port again.
func (r *receiver) restart() error { return r.open() }

// cut makes the receiver take the next window in and reset the connection
// instead of acknowledging it: the sender has to send the whole window again.
func (r *receiver) cut() { r.swallow.Store(true) }

// receive enters the events of each window into the ledger.
func (r *receiver) receive(s *sockets, server *lumber.Server) {
	for batch := range server.ReceiveChan() {
		r.enter(batch)
		r.batches.Add(1)
		if r.swallow.CompareAndSwap(true, false) {
			r.cuts.Add(1)
			s.cut(batch.RemoteAddr)
			continue
		}
		batch.ACK()
	}
}

func (r *receiver) enter(batch *lj.Batch) {
	events := batch.Events
	if r.meddle != nil {
		events = r.meddle(events)
	}
	for _, e := range events {
		switch e := e.(type) {
		case event:
			r.ledger.receive(e.id, e.topic, e.payload)
		case error:
			r.ledger.reject(e)
		}
	}
}

// event is what the proof needs of an event.
type event struct {
	id, topic string
	payload   []byte
}

// decodeEvent reads an event as sluice sends it, with a line of the
// recorder in its message. go-lumber takes it as its JSON decoder; what is not
// such an event becomes an error in its place, since an error returned here
// would make the sender send it for ever.
func decodeEvent(document []byte, to any) error {
	slot, ok := to.(*any)
	if !ok {
		return fmt.Errorf("decode an event into %T", to)
	}
	e, err := parseEvent(document)
	if err != nil {
		*slot = err
		return nil
	}
	*slot = e
	return nil
}

func parseEvent(document []byte) (event, error) {
	var outer struct {
		Metadata struct {
			ID string `json:"_id"`
		} `json:"@metadata"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(document, &outer); err != nil {
		return event{}, fmt.Errorf("read an event: %w", err)
	}
	var line struct {
		Topic   string `json:"topic"`
		Payload string `json:"payload"`
	}
	if err := json.Unmarshal([]byte(outer.Message), &line); err != nil {
		return event{}, fmt.Errorf("read the line of event %s: %w", outer.Metadata.ID, err)
	}
	return event{id: outer.Metadata.ID, topic: line.Topic, payload: []byte(line.Payload)}, nil
}

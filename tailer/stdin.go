package tailer

import (
	"io"
	"sync"
)

// stdinRoom bounds what is read from standard input and not used yet: a
// writer that is faster than the output waits.
const stdinRoom = 256 << 10

// pump reads a stream, which can be neither sought nor reopened, so that it
// can be harvested like a file. Nothing of it is in the registry: what was
// not acknowledged when the program stops is gone.
type pump struct {
	mu    sync.Mutex
	space *sync.Cond
	buf   []byte
	base  int64 // offset of buf's first byte
	room  int   // the most that buf holds
	ended bool
	err   error
}

func newPump() *pump {
	p := &pump{}
	p.space = sync.NewCond(&p.mu)
	return p
}

// run reads r to its end and calls more after each piece.
func (p *pump) run(r io.Reader, more func(size int64)) {
	piece := make([]byte, 32<<10)
	for {
		n, err := r.Read(piece)
		p.mu.Lock()
		for len(p.buf) >= p.room && p.err == nil {
			p.space.Wait()
		}
		p.buf = append(p.buf, piece[:n]...)
		size := p.base + int64(len(p.buf))
		if err != nil {
			p.ended = true
		}
		stop := p.ended || p.err != nil
		p.mu.Unlock()
		more(size)
		if stop {
			return
		}
	}
}

// readAt gives what is there; what lies before off is let go.
func (p *pump) readAt(b []byte, off int64) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	from := off - p.base
	if from < 0 || from > int64(len(p.buf)) {
		return 0, io.EOF
	}
	n := copy(b, p.buf[from:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// release lets go of what lies before off.
func (p *pump) release(off int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cut := off - p.base; cut > 0 && cut <= int64(len(p.buf)) {
		p.buf = append(p.buf[:0], p.buf[cut:]...)
		p.base = off
		p.space.Signal()
	}
}

// done says whether the stream has ended.
func (p *pump) done() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// stop lets run end.
func (p *pump) stop(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
	p.space.Broadcast()
}

package recorder

import (
	"errors"
	"fmt"
	"time"
)

// errSilent ends a connection on which no message came for silence_timeout.
var errSilent = errors.New("connected, but no message came")

// maxPingWait is how long the broker may take to answer a ping.
const maxPingWait = 10 * time.Second

// pingreq is a PINGREQ (MQTT 3.1.1, 3.12).
var pingreq = []byte{0xc0, 0}

// keep sends a ping when nothing was sent or received for the keepalive time,
// and ends the connection when the broker sends nothing at all after one. While
// the reader waits for the queue the broker's answers can't be seen: then the
// pings go on and nothing is concluded.
func (l *link) keep() {
	wait := min(l.keepAlive, maxPingWait)
	var pinged time.Duration // when a ping that is not answered was sent; 0: none
	now := time.Duration(l.now())
	timer := time.NewTimer(l.nextCheck(now, now, now, 0, wait))
	defer timer.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-timer.C:
		}
		now = time.Duration(l.now())
		read, written := time.Duration(l.lastRead.Load()), time.Duration(l.lastWrite.Load())
		if l.paused.Load() {
			read, pinged = now, 0
		}
		if pinged > 0 && read >= pinged {
			pinged = 0
		}
		switch {
		case pinged > 0 && now-pinged >= wait:
			_ = l.fail(fmt.Errorf("the broker did not answer a ping within %s", wait))
			return
		case l.silent(now):
			_ = l.fail(fmt.Errorf("%w for %s", errSilent, l.silence))
			return
		case pinged == 0 && (now-read >= l.keepAlive || now-written >= l.keepAlive):
			pinged = now
			if l.ping() != nil {
				return
			}
			written = time.Duration(l.now())
		}
		timer.Reset(l.nextCheck(now, read, written, pinged, wait))
	}
}

func (l *link) ping() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.write(pingreq)
}

// silent tells whether the silence watchdog is due.
func (l *link) silent(now time.Duration) bool {
	return l.silence > 0 && !l.paused.Load() && now-time.Duration(l.lastData.Load()) >= l.silence
}

// nextCheck is how long keep may sleep.
func (l *link) nextCheck(now, read, written, pinged, wait time.Duration) time.Duration {
	next := written + l.keepAlive
	if pinged > 0 {
		next = min(next, pinged+wait)
	} else {
		next = min(next, read+l.keepAlive)
	}
	if l.silence > 0 {
		next = min(next, max(time.Duration(l.lastData.Load())+l.silence, now+time.Second))
	}
	return max(next-now, 10*time.Millisecond)
}

package recorder

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestTwoEqualReadingsInARowStayTwo(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		s := startScript(t, config(dir, "mqtt://script"))
		p := s.session(false)
		p.send(1, "21.5")
		p.acked(1)
		p.send(2, "21.5")
		p.acked(2)
		s.bye(p)
		s.want("21.5", "21.5")
	})
}

func TestRedeliveryOfARecordedMessageIsAcknowledgedOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		s := startScript(t, c)
		p := s.session(false)
		p.send(1, "a")
		p.send(2, "b")
		p.acked(1, 2) // the broker loses these acknowledgements
		p.conn.Close()
		p = s.session(true)
		p.send(1, "a", dup)
		p.send(2, "b", dup)
		p.send(3, "c", dup) // lost on its first way
		p.send(4, "a")      // an equal reading
		p.acked(1, 2, 3, 4)
		s.bye(p)
		s.want("a", "b", "+c", "a")
		if d := s.status().Duplicates; d != 2 {
			t.Errorf("%d duplicates are counted, want 2", d)
		}

		s = startScript(t, c) // a new process knows them, too
		p = s.session(true)
		p.send(2, "b", dup)
		p.send(3, "other", dup)
		p.send(4, "a", dup)
		p.acked(2, 3, 4)
		s.bye(p)
		s.want("a", "b", "+c", "a", "+other")
	})
}

func TestEqualReadingWithAReusedIDIsRecordedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		s := startScript(t, c)
		p := s.session(false)
		p.send(1, "21.5")
		p.acked(1)
		p.send(1, "21.5") // the broker gives the lowest free id
		p.acked(1)
		p.conn.Close()
		p = s.session(true)
		p.send(1, "21.5", dup) // a third reading, lost on its first way?
		p.acked(1)
		s.bye(p)
		s.want("21.5", "21.5", "+21.5")

		s = startScript(t, c) // that the broker reuses ids is remembered
		p = s.session(true)
		p.send(1, "21.5", dup)
		p.acked(1)
		s.bye(p)
		s.want("21.5", "21.5", "+21.5", "+21.5")
	})
}

func TestUnacknowledgedMessageIsKnownEvenWhereIDsAreReused(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		s := startScript(t, config(dir, "mqtt://script"))
		p := s.session(false)
		for range 2 {
			p.send(1, "x")
			p.acked(1)
		}
		failing := failUntilCleared(s)
		p.send(1, "21.5")
		synctest.Wait()
		p.conn.Close()
		p = s.session(true)
		p.send(1, "21.5", dup) // never acknowledged: surely the same
		synctest.Wait()
		failing.Store(false)
		p.acked(1)
		s.bye(p)
		s.want("x", "x", "21.5")
	})
}

func TestFreshSessionStartsIDsAfresh(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		s := startScript(t, c)
		p := s.session(false)
		p.send(1, "21.5")
		p.acked(1)
		p.conn.Close()
		p = s.session(false) // the broker lost its state
		p.conn.Close()
		p = s.session(true)
		p.send(1, "21.5", dup) // of the new session, lost on its first way
		p.acked(1)
		s.bye(p)
		s.want("21.5", "+21.5")
	})
}

func TestBrokersCounterThatJumpsBackMakesOldIDsVoid(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		s := startScript(t, config(dir, "mqtt://script"))
		p := s.session(false)
		for id := uint16(1); id <= 20; id++ {
			p.send(id, "v")
			p.acked(id)
		}
		p.conn.Close()
		p = s.session(true) // restored from an old state, at id 10
		p.send(10, "v")
		p.acked(10)
		p.conn.Close()
		p = s.session(true)
		p.send(9, "v", dup)  // known
		p.send(11, "v", dup) // another message than the first 11
		p.acked(9, 11)
		s.bye(p)
		if n := len(s.lines()); n != 22 {
			t.Errorf("%d lines, want 22", n)
		}
	})
}

func TestCounterThatBeginsAnewOnEachConnectionIsNoReuse(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		s := startScript(t, config(dir, "mqtt://script"))
		p := s.session(false)
		p.send(1, "a")
		p.send(2, "b")
		p.acked(1, 2)
		p.conn.Close()
		p = s.session(true)
		p.send(3, "c", dup) // left over from the first connection
		p.acked(3)
		p.send(1, "d")
		p.send(2, "e")
		p.send(3, "f")
		p.acked(1, 2, 3) // the broker loses these acknowledgements
		p.conn.Close()
		p = s.session(true)
		p.send(2, "e", dup)
		p.send(3, "f", dup)
		p.acked(2, 3)
		s.bye(p)
		s.want("a", "b", "+c", "d", "e", "f")
	})
}

func TestAnotherBrokersIDsAreNotMixedUp(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://one", "mqtt://two")
		s := startScript(t, c)
		p := s.session(false)
		p.send(1, "21.5")
		p.acked(1)
		p.conn.Close()
		(<-s.accept).Close() // "one" is away
		p = s.session(true)  // "two"
		if b := s.status().Broker; b != "mqtt://two:1883" {
			t.Fatalf("connected to %s", b)
		}
		p.send(1, "21.5", dup)
		p.acked(1)
		s.bye(p)
		s.want("21.5", "+21.5")
	})
}

func TestExactlyOnceIsReceivedOnceOverALostPubrec(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.MQTT[0].QoS = new(2)
		s := startScript(t, c)
		p := s.session(false)
		p.send(7, "q", exactly)
		p.acked(7)
		p.conn.Close()
		p = s.session(true)
		p.send(7, "q", exactly, dup)
		p.acked(7)
		p.release(7)
		s.bye(p)
		s.want("q")
	})
}

func TestRetainedMessageIsNotRecordedAtEveryStart(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		for i := range 3 {
			s := startScript(t, c)
			p := s.session(i > 0)
			p.send(uint16(i+1), "on", retained)
			p.acked(uint16(i + 1))
			p.send(0, "zero", atMost, retained)
			if i == 2 {
				p.send(9, "off", retained)
				p.acked(9)
			}
			synctest.Wait()
			s.bye(p)
			if i == 2 {
				s.want("on", "zero", "off")
			}
		}
	})
}

// failUntilCleared makes the disk fail.
func failUntilCleared(s *script) *atomic.Bool {
	failing := new(atomic.Bool)
	failing.Store(true)
	s.lines0().fail = func(string) error {
		if failing.Load() {
			return errors.New("stalled")
		}
		return nil
	}
	return failing
}

// lines0 is the series of the only source.
func (s *script) lines0() *series { return s.Recorder.lines[0].writer.series }

// saveSpool copies the spool as a kill at this moment would leave it.
func saveSpool(t *testing.T, from, to string) {
	t.Helper()
	must(t, os.MkdirAll(to, 0o755))
	entries, err := os.ReadDir(from)
	must(t, err)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(from, e.Name()))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(to, e.Name()), b, 0o644))
	}
}

// atWrite calls fn before lines are written.
func atWrite(fn func()) func(string) error {
	return func(step string) error {
		if step == "write" {
			fn()
		}
		return nil
	}
}

// TestKillAtEachStepOfACommit takes the spool as it stands before the redelivery
// table, between table and lines, and before the acknowledgement, and starts
// on each of them; the broker delivers again what was not acknowledged.
func TestKillAtEachStepOfACommit(t *testing.T) {
	for _, step := range []string{"before", "table", "lines"} {
		t.Run(step, func(t *testing.T) {
			inBubble(t, func(t *testing.T, dir string) {
				c := config(dir, "mqtt://script")
				after := config(filepath.Join(dir, "after"), "mqtt://script")
				s := startScript(t, c)
				p := s.session(false)
				p.send(1, "first")
				p.acked(1)
				copyNow := func() { saveSpool(t, c.Spool.Path, after.Spool.Path) }
				w := s.Recorder.lines[0].writer
				switch step {
				case "before":
					copied := false
					w.table.ring.fail = func() error {
						if !copied {
							copyNow()
						}
						copied = true
						return nil
					}
				case "table":
					w.series.fail = atWrite(copyNow)
				}
				p.send(2, "second")
				p.acked(2)
				if step == "lines" {
					copyNow()
				}
				s.bye(p)

				s = startScript(t, after)
				p = s.session(true)
				p.send(2, "second", dup)
				p.acked(2)
				p.send(3, "third")
				p.acked(3)
				s.bye(p)
				if step == "lines" {
					s.want("first", "second", "third")
				} else {
					s.want("first", "+second", "third")
				}
			})
		})
	}
}

// A slot whose record never reached the disk must not come to count when its
// segment is cleaned away.
func TestLostRecordIsRecordedAfterItsSegmentWasCleaned(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		after := config(filepath.Join(dir, "after"), "mqtt://script")
		s := startScript(t, c)
		p := s.session(false)
		p.send(1, "first")
		p.acked(1)
		s.lines0().fail = atWrite(func() { saveSpool(t, c.Spool.Path, after.Spool.Path) })
		p.send(2, "second")
		p.acked(2)
		s.bye(p)

		s = startScript(t, after)
		(<-s.accept).Close() // starts, but the broker is away
		s.stop()
		must(t, s.halt())
		paths, err := filepath.Glob(filepath.Join(after.Spool.Path, "*.log"))
		must(t, err)
		for _, path := range paths {
			must(t, os.Remove(path))
		}
		s = startScript(t, after)
		p = s.session(true)
		p.send(1, "first", dup)
		p.send(2, "second", dup)
		p.acked(1, 2)
		s.bye(p)
		s.want("+second")
	})
}

func TestStopWhileTheDiskFailsLeavesTheMessageToTheBroker(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		s := startScript(t, c)
		p := s.session(false)
		p.send(1, "first")
		p.acked(1)
		s.lines0().fail = func(step string) error {
			if step == "write" {
				return errors.New("disk on fire")
			}
			return nil
		}
		p.send(2, "second")
		p.send(0, "of QoS 0", atMost)
		synctest.Wait()
		s.stop()
		go func() { _, _ = io.Copy(io.Discard, p.conn) }()
		if err := s.halt(); err == nil || !strings.Contains(err.Error(), "but for 1 of QoS 0, which are lost") || s.status().Lost != 1 {
			t.Errorf("what could not be recorded: %v, %+v", err, s.status())
		}
		p.conn.Close()
		s = startScript(t, c)
		p = s.session(true)
		p.send(1, "first", dup)
		p.send(2, "second", dup)
		p.acked(1, 2)
		s.bye(p)
		s.want("first", "+second")
	})
}

func TestRedeliveredWhileTheDiskStallsIsRecordedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		s := startScript(t, config(dir, "mqtt://script"))
		p := s.session(false)
		p.send(1, "warm up")
		p.acked(1)
		failing := failUntilCleared(s)
		p.send(2, "b")
		time.Sleep(time.Second)
		p.conn.Close()
		p = s.session(true)
		p.send(2, "b", dup)
		time.Sleep(time.Second)
		failing.Store(false)
		p.acked(2)
		s.bye(p)
		s.want("warm up", "b")
	})
}

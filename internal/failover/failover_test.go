package failover

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func hosts(n int) []*Host {
	list := make([]*Host, n)
	for i := range list {
		list[i] = NewHost(i, string(rune('a'+i))+":1")
	}
	return list
}

func TestRouteGoesRoundAllHostsAndThenWaits(t *testing.T) {
	r := NewRoute(hosts(3), Anywhere, Backoff{Init: time.Second, Max: time.Minute})
	first, _ := r.Next(time.Now())
	if again, _ := r.Next(time.Now()); again != first {
		t.Errorf("without a failure it goes from %v to %v", first, again)
	}
	seen := map[*Host]bool{}
	for range 3 {
		h, wait := r.Next(time.Now())
		if h == nil || wait != 0 || seen[h] {
			t.Fatalf("after %v comes %v, %v", seen, h, wait)
		}
		seen[h] = true
		r.Failed(h)
	}
	for i, most := range []time.Duration{2 * time.Second, 4 * time.Second} {
		h, wait := r.Next(time.Now())
		if h != nil || wait < most/2 || wait > most {
			t.Errorf("wait %d: %v, %v", i, h, wait)
		}
		for range 3 {
			h, _ := r.Next(time.Now())
			r.Failed(h)
		}
	}
	r.Worked()
	if h, wait := r.Next(time.Now()); h == nil || wait != 0 {
		t.Errorf("after an ack: %v, %v", h, wait)
	}
}

func TestRouteStaysAtHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := hosts(2)
		r := NewRoute(all, 1, Backoff{Init: time.Second, Max: time.Minute})
		all[1].Failed(zerolog.Nop(), "connect", errors.New("x"), time.Now())
		r.Failed(all[1])
		if h, wait := r.Next(time.Now()); h != nil || wait == 0 {
			t.Errorf("at once it leaves for %v", h)
		}
		time.Sleep(11 * time.Second)
		r.Failed(all[1])
		h, _ := r.Next(time.Now())
		if h != all[0] || !r.Away(h) || r.Away(all[1]) {
			t.Errorf("after 11 s it is at %v", h)
		}
	})
}

func TestOutageIsLoggedOnce(t *testing.T) {
	var out bytes.Buffer
	log := zerolog.New(&out).Level(zerolog.InfoLevel)
	h := NewHost(0, "a:1")
	h.Opened(log)
	for range 5 {
		h.Failed(log, "connect", errors.New("refused"), time.Now())
	}
	if down, last := h.Down(time.Now().Add(time.Second)); down < time.Second || last != "refused" {
		t.Errorf("down for %v: %q", down, last)
	}
	h.Opened(log)
	h.Worked(log)
	h.Worked(log)
	if down, last := h.Down(time.Now()); down != 0 || last != "" {
		t.Errorf("down for %v: %q", down, last)
	}
	if n := strings.Count(out.String(), "\n"); n != 3 {
		t.Errorf("%d lines:\n%s", n, out.String())
	}
}

func TestTextsOfAnOutageAreBounded(t *testing.T) {
	var out bytes.Buffer
	log := zerolog.New(&out).Level(zerolog.InfoLevel)
	h := NewHost(0, "a:1")
	for i := range 20 {
		h.Failed(log, "connect", errors.New(strings.Repeat("x", i)), time.Now())
	}
	if n := strings.Count(out.String(), "\n"); n != maxTexts {
		t.Errorf("%d lines", n)
	}
}

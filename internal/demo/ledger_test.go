package demo

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestPayloadIsAPlainNumberThatCarriesItsOwnNumber(t *testing.T) {
	for _, c := range []struct {
		tenths int
		number uint32
		want   string
	}{
		{553, 417, "55.300000417"}, {0, 0, "0.000000000"}, {-7, 1, "-0.700000001"}, {-100, maxNumber - 1, "-10.099999999"},
	} {
		got := string(appendPayload(nil, c.tenths, c.number))
		if got != c.want {
			t.Errorf("payload of %d, %d: %s, want %s", c.tenths, c.number, got, c.want)
		}
		if n, err := payloadNumber(got); err != nil || n != c.number {
			t.Errorf("number of %s: %d, %v", got, n, err)
		}
	}
}

func TestRandomWalkStaysWithinWhatTheSensorMeasures(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, q := range quantities {
		w, seen := walk{q, q.start}, map[int]bool{}
		for range 20000 {
			v := w.step(random)
			if v < q.least || v > q.top {
				t.Fatalf("%s is %d", q.name, v)
			}
			seen[v] = true
		}
		if len(seen) < 100 {
			t.Errorf("%s took only %d values", q.name, len(seen))
		}
	}
}

func FuzzPayloadNumber(f *testing.F) {
	for _, s := range []string{"55.300000417", "", ".", "55.3", "-1.000000001", "1.0+0000001", "1.0 0000001", "55.3000004170", "é.000000000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := payloadNumber(s)
		if err != nil {
			return
		}
		if n >= maxNumber || !strings.HasSuffix(s, string(appendPayload(nil, 0, n)[3:])) {
			t.Fatalf("%q is taken for reading %d", s, n)
		}
	})
}

// publishedLedger holds n readings of one topic that are published.
func publishedLedger(n uint32) *ledger {
	l := newLedger([]string{"/feeds/0/humid", "/feeds/0/temp"})
	for i := range n {
		l.accept(reading{0, i})
		l.publish(reading{0, i})
	}
	return l
}

func humid(n uint32) []byte { return appendPayload(nil, 500, n) }

func TestLedgerFindsWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name                    string
		receive                 func(l *ledger)
		lost, doubled           int64
		received, unique, wrong int64
	}{
		{"all arrive", func(*ledger) {}, 0, 0, 3, 3, 0},
		{"window sent again", func(l *ledger) {
			for n := range uint32(3) {
				l.receive(string('a'+rune(n)), "/feeds/0/humid", humid(n))
			}
		}, 0, 0, 6, 3, 0},
		{"recorded twice", func(l *ledger) { l.receive("d", "/feeds/0/humid", humid(1)) }, 0, 1, 4, 4, 0},
		{"recorded three times and sent again", func(l *ledger) {
			for _, id := range []string{"d", "e", "d"} {
				l.receive(id, "/feeds/0/humid", humid(1))
			}
		}, 0, 2, 6, 5, 0},
		{"one is missing", func(l *ledger) { l.accept(reading{1, 0}); l.publish(reading{1, 0}) }, 1, 0, 3, 3, 0},
		{"id of another reading", func(l *ledger) {
			l.accept(reading{0, 3})
			l.publish(reading{0, 3})
			l.receive("a", "/feeds/0/humid", humid(3))
		}, 1, 0, 4, 3, 1},
		{"never published", func(l *ledger) { l.receive("d", "/feeds/0/temp", humid(9)) }, 0, 0, 4, 3, 1},
		{"unknown topic", func(l *ledger) { l.receive("d", "/feeds/9/temp", humid(0)) }, 0, 0, 4, 3, 1},
		{"cut payload", func(l *ledger) { l.receive("d", "/feeds/0/humid", humid(0)[:6]) }, 0, 0, 4, 3, 1},
		{"no id", func(l *ledger) { l.receive("", "/feeds/0/humid", humid(0)) }, 0, 0, 4, 3, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := publishedLedger(3)
			for n := range uint32(3) {
				l.receive(string('a'+rune(n)), "/feeds/0/humid", humid(n))
			}
			c.receive(l)
			lost, doubled := l.verdict()
			got := l.counts()
			if lost != c.lost || doubled != c.doubled {
				t.Errorf("lost %d, doubled %d; want %d, %d", lost, doubled, c.lost, c.doubled)
			}
			if got.received != c.received || got.unique != c.unique || got.foreign+got.clashes != c.wrong {
				t.Errorf("counts %+v", got)
			}
			if (got.firstFault != "") != (c.wrong > 0) {
				t.Errorf("fault %q", got.firstFault)
			}
		})
	}
}

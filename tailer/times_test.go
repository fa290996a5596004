package tailer

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/parser"
	"sluice/internal/processor"
)

// fakeTimes knows nothing of what begins at line before the clock is right, and
// then corrects those lines.
type fakeTimes struct {
	from  int64 // offset of the first line that waits
	until int64 // and where such lines end
	right *atomic.Bool
}

func (f fakeTimes) Ready(offset int64) int64 {
	if f.right.Load() || offset >= f.until {
		return math.MaxInt64
	}
	return max(f.from, offset)
}

func (f fakeTimes) Line(offset int64, line []byte) ([]byte, map[string]any) {
	if offset < f.from || offset >= f.until {
		return line, nil
	}
	return []byte(strings.Replace(string(line), "wrong", "right", 1)), map[string]any{"synchronised": false, "original": "wrong"}
}

// timed is a gateway whose file a.log has six lines; the clock of the middle
// two was wrong.
func timed(t *testing.T) (g *gateway, right *atomic.Bool) {
	g, right = newGateway(t), new(atomic.Bool)
	g.cfg.Times = func(path string) Times {
		if path != g.path("a.log") {
			return nil
		}
		return fakeTimes{from: 8, until: 24, right: right}
	}
	g.write("a.log", "right 1\nwrong 2\nwrong 3\nright 4\n")
	return g, right
}

func (g *gateway) clocks() (fields []map[string]any) {
	g.t.Helper()
	g.server.mu.Lock()
	defer g.server.mu.Unlock()
	for _, d := range g.server.docs {
		var e struct{ Clock map[string]any }
		if err := json.Unmarshal([]byte(d), &e); err != nil {
			g.t.Fatal(err)
		}
		fields = append(fields, e.Clock)
	}
	return fields
}

func TestLinesWaitForTheClock(t *testing.T) {
	for name, slow := range map[string]func(*InputConfig){
		"fast": func(*InputConfig) {},
		"processors": func(in *InputConfig) {
			never := processor.Entry{If: &processor.Condition{Contains: map[string]any{"message": "?"}}, Then: make(processor.List, 1)}
			never.Then[0].Choose("drop_event")
			in.Processors = processor.List{never}
		},
		"multiline": func(in *InputConfig) {
			m := parser.DefaultMultiline()
			m.Pattern, m.Match, m.Timeout = "^ ", "after", 100*time.Millisecond
			in.Multiline = &m
		},
	} {
		t.Run(name, func(t *testing.T) {
			g, right := timed(t)
			slow(&g.cfg.Inputs[0])
			g.start()
			if name != "multiline" { // which holds the line before
				g.want("right 1")
			}
			g.write("b.log", "other\n") // other files go on
			g.eventually("the other file is shipped", func() bool { return g.offset("b.log") == 6 })
			g.write("a.log", "right 5\n")
			g.halt() // what waits is not lost by a restart
			if o := g.offset("a.log"); o > 8 {
				t.Fatalf("offset %d while lines wait", o)
			}
			g.start()
			right.Store(true)
			g.eventually("all is shipped", func() bool { return len(g.server.messages(t)) >= 6 })
			got := strings.Join(g.server.messages(t), ",")
			if got = strings.Replace(strings.Replace(got, "other,", "", 1), ",other", "", 1); got != "right 1,right 2,right 3,right 4,right 5" {
				t.Errorf("shipped %s", got)
			}
			corrected := map[string]any{"synchronised": false, "original": "wrong"}
			n := 0
			for _, c := range g.clocks() {
				if c != nil && reflect.DeepEqual(c, corrected) {
					n++
				}
			}
			if n != 2 {
				t.Errorf("%d events say that their time was corrected, want 2: %v", n, g.clocks())
			}
		})
	}
}

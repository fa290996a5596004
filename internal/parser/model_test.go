package parser

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// modelLines are what a random file is made of.
var modelLines = []string{
	"", " ", "a", "b", " c", "[d", "end", "{}", `{"m":"a","x":1}`, `{"m":" b","log":{"level":"w"}}`, `{"m":5}`, "{",
	"2026-11-21T19:43:39Z stdout F a", "2026-11-21T19:43:39Z stdout P [b ", "2026-11-21T19:43:39Z stderr F  c", "2026-11-21T19:43:39Z stderr P d",
	`{"log":"end\n","stream":"stdout","time":"2026-11-21T19:43:39Z"}`, `{"log":"piece","stream":"stderr","time":"2026-11-21T19:43:39Z"}`,
}

func randomText(r *rand.Rand) string {
	var b strings.Builder
	some := modelLines[r.IntN(len(modelLines)/2):]
	for range r.IntN(40) {
		b.WriteString(some[r.IntN(len(some))])
		b.WriteByte('\n')
	}
	return b.String()
}

func randomMultiline(r *rand.Rand) MultilineConfig {
	c := DefaultMultiline()
	c.Type = []string{typePattern, typePattern, typeCount, typeWhile}[r.IntN(4)]
	c.Pattern = []string{`^ `, `^\[`, `^$`, `\{`}[r.IntN(4)]
	c.Match = []string{"after", "before"}[r.IntN(2)]
	c.Negate, c.SkipNewline = r.IntN(2) == 0, r.IntN(4) == 0
	c.MaxLines, c.CountLines = []int{0, 1, 3, 500}[r.IntN(4)], 1+r.IntN(3)
	if r.IntN(3) == 0 {
		c.FlushPattern = "end"
	}
	return c
}

func randomProgram(t *testing.T, r *rand.Rand) (*Program, string) {
	maxBytes := []int{3, 20, 1000}[r.IntN(3)]
	if r.IntN(2) == 0 {
		var j *JSONConfig
		var m *MultilineConfig
		var c *ContainerConfig
		if r.IntN(2) == 0 {
			j = &JSONConfig{MessageKey: "m", KeysUnderRoot: r.IntN(2) == 0, AddErrorKey: r.IntN(2) == 0}
		}
		if r.IntN(3) > 0 {
			x := randomMultiline(r)
			m = &x
		}
		if r.IntN(3) == 0 {
			c = &ContainerConfig{[]string{"all", "stderr"}[r.IntN(2)], "auto"}
		}
		return fromLog(t, maxBytes, j, m, c), fmt.Sprintf("json %+v multiline %+v container %+v max %d", j, m, c, maxBytes)
	}
	var list List
	var names []string
	for range 1 + r.IntN(3) {
		var e Entry
		e.Choose(e.Kinds()[r.IntN(5)])
		switch o := e.options.(type) {
		case *MultilineConfig:
			*o = randomMultiline(r)
		case *NDJSONConfig:
			o.MessageKey, o.AddErrorKey = []string{"", "m"}[r.IntN(2)], r.IntN(2) == 0
		case *ContainerConfig:
			o.Stream = []string{"all", "stdout"}[r.IntN(2)]
		case *IncludeConfig:
			o.Patterns = []string{"a|b", "^ "}
		}
		list, names = append(list, e), append(names, fmt.Sprintf("%s %+v", e.kind, e.options))
	}
	return fromList(t, maxBytes, list...), strings.Join(names, ", ") + fmt.Sprintf(" max %d", maxBytes)
}

// watched emits into a list and checks each time that nothing is covered that
// waits.
func watched(t *testing.T, c *Chain, list *[]out) Emit {
	emit := collect(list)
	return func(l *Line) bool {
		if start, held := c.Held(); held && l.End > start {
			t.Errorf("%s: emitted up to %d while a line at %d waits", l.Text, l.End, start)
		}
		if n := len(*list); n > 0 && l.End < (*list)[n-1].line.End {
			t.Errorf("%s: emitted up to %d after %d", l.Text, l.End, (*list)[n-1].line.End)
		}
		return emit(l)
	}
}

func events(list []out, from int64) (events []string) {
	for _, o := range list {
		if o.event != "" && o.line.Start >= from {
			events = append(events, fmt.Sprint(o.line.Start, " ", o.text, o.line.Flags))
		}
	}
	return events
}

// A crash after any acknowledgement loses nothing: who continues at its offset
// gets the rest of the events, the same ones.
func TestAnyRestartGivesTheRest(t *testing.T) {
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 1))
		program, name := randomProgram(t, r)
		text := randomText(r)
		var all []out
		c := program.New()
		addLines(c, text, 0, testTime, watched(t, c, &all))
		c.Flush(watched(t, c, &all))
		if n := len(all); text != "" && (n == 0 || all[n-1].line.End != int64(len(text))) {
			t.Errorf("the end %d is not reached: %v", len(text), all)
		}
		for at := range all {
			acked := all[at].line.End
			var rest []out
			again := program.New()
			addLines(again, text[acked:], acked, testTime, watched(t, again, &rest))
			again.Flush(watched(t, again, &rest))
			want := events(all[at+1:], acked)
			if got := events(rest, acked); !slices.Equal(got, want) || len(events(all[at+1:], 0)) != len(want) {
				t.Errorf("after %d: got %q, want %q, all %v", acked, got, want, all)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d: %s of %q", seed, name, text)
		}
	}
}

// Joining changes no text, whenever timeouts pass.
func TestMultilineLosesNothing(t *testing.T) {
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 2))
		o := randomMultiline(r)
		o.MaxLines, o.SkipNewline = 0, false
		text := randomText(r)
		checkNothingLost(t, o, text, func() bool { return r.IntN(3) == 0 })
		if t.Failed() {
			t.Fatalf("seed %d: %+v of %q", seed, o, text)
		}
	}
}

func checkNothingLost(t *testing.T, o MultilineConfig, text string, late func() bool) {
	c := fromList(t, 1<<20, entry(kindMultiline, func(c *MultilineConfig) { *c = o })).New()
	var got []out
	emit := watched(t, c, &got)
	now, at := testTime, int64(0)
	for line := range strings.Lines(text) {
		if late() {
			now = now.Add(o.Timeout)
			if due := c.Deadline(); !due.IsZero() && due.After(now) {
				t.Errorf("at %v it waits until %v", now, due)
			}
			c.Expire(now, emit)
		}
		addLines(c, line, at, now, emit)
		at += int64(len(line))
		now = now.Add(time.Millisecond)
	}
	c.Flush(emit)
	var texts []string
	for _, o := range got {
		texts = append(texts, o.text)
	}
	// A group of empty lines only has no separators: it is no text.
	want := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if got, want := compact(strings.Join(texts, "\n")), compact(strings.Join(want, "\n")); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if n := len(got); text != "" && (n == 0 || got[n-1].line.End != int64(len(text))) {
		t.Errorf("the end %d is not reached: %v", len(text), got)
	}
}

// compact drops empty lines.
func compact(text string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return l == "" }), "\n")
}

func FuzzMultiline(f *testing.F) {
	f.Add("a\n b\n\n[c\nend\n", uint64(1))
	f.Add("\n\n\n", uint64(7))
	f.Add("no end", uint64(9))
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 3))
		o := randomMultiline(r)
		o.MaxLines, o.SkipNewline = 0, false
		checkNothingLost(t, o, text, func() bool { return r.IntN(3) == 0 })
	})
}

package recorder

import (
	"fmt"
	"testing"
	"time"
)

func TestWhenLinesAreSent(t *testing.T) {
	c := DefaultSerialConfig()
	opened := time.Now()
	if out := newSender(&c, opened); !out.due().IsZero() || out.take(opened) != nil {
		t.Error("lines are due though none is configured")
	}
	c.OpenDelay, c.OpenLines = 2*time.Second, []string{"a", "b"}
	c.Poll = []PollConfig{{Line: "p", Every: 5 * time.Second}, {Line: "q", Every: 7 * time.Second}}
	out := newSender(&c, opened)
	for _, step := range []struct {
		at   time.Duration
		want string
		due  time.Duration // the next
	}{
		{0, "[]", 2 * time.Second},
		{time.Second, "[]", 2 * time.Second},
		{2 * time.Second, "[a\n b\n p\n q\n]", 7 * time.Second},
		{3 * time.Second, "[]", 7 * time.Second},
		{7 * time.Second, "[p\n]", 9 * time.Second},
		{9 * time.Second, "[q\n]", 12 * time.Second},
		{12*time.Second + time.Millisecond, "[p\n]", 16 * time.Second},
		{100 * time.Second, "[p\n q\n]", 105 * time.Second}, // late: once, not for each that was missed
		{101 * time.Second, "[]", 105 * time.Second},
	} {
		if got := fmt.Sprintf("%s", out.take(opened.Add(step.at))); got != step.want {
			t.Errorf("after %s: %q, want %q", step.at, got, step.want)
		}
		if got := out.due().Sub(opened); got != step.due {
			t.Errorf("after %s the next is due after %s, want %s", step.at, got, step.due)
		}
	}
}

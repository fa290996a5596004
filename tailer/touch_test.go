package tailer

import (
	"os"
	"testing"
	"time"
)

func TestResendOnTouch(t *testing.T) {
	for name, resend := range map[string]bool{"on": true, "off": false} {
		t.Run(name, func(t *testing.T) {
			g := newFilestream(t)
			g.cfg.Inputs[0].Prospector.Scanner.ResendOnTouch = resend
			g.write("a.log", "one\ntwo\n")
			g.start()
			g.want("one", "two")
			g.write("a.log", "three\n") // a change of the size is no touch
			want := []string{"one", "two", "three"}
			g.want(want...)
			touch := time.Now().Add(time.Second)
			if err := os.Chtimes(g.path("a.log"), touch, touch); err != nil {
				t.Fatal(err)
			}
			if resend {
				want = append(want, want...)
			}
			g.want(want...)
			g.eventually("the touch was seen", func() bool {
				f := g.one()
				f.mu.Lock()
				defer f.mu.Unlock()
				return f.mtime.Equal(touch) && !f.touched
			})
			g.write("a.log", "four\n")
			g.want(append(want, "four")...)
		})
	}
}

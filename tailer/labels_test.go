package tailer

import (
	"strings"
	"testing"

	"golang.org/x/text/encoding/htmlindex"
)

func TestLabelsAreTheStandards(t *testing.T) {
	n := 0
	for _, l := range labels {
		for name := range strings.SplitSeq(l.names, " ") {
			n++
			want, err := htmlindex.Get(name)
			if got := labelled(name); err != nil || got != want {
				t.Errorf("%s: %v, want %v, %v", name, got, want, err)
			}
		}
	}
	if n != 228 {
		t.Errorf("%d names, and the standard has 228", n)
	}
	if labelled("utf-9") != nil || labelled("") != nil {
		t.Error("an unknown name is known")
	}
}

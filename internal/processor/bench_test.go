package processor

import (
	"testing"

	"github.com/rs/zerolog"

	"sluice/internal/event"
)

func BenchmarkChain(b *testing.B) {
	d := kindOf("dissect")().(*dissect)
	d.Tokenizer, d.TargetPrefix, d.OverwriteKeys = "%{time} %{level} %{text}", "", true
	drop := &dropEvent{Common{When: &Condition{Equals: map[string]any{"level": "DEBUG"}}}}
	list := List{{kind: "dissect", options: d}, {kind: "drop_event", options: drop}, {kind: "drop_fields", options: &dropFields{Fields: names("time")}}}
	c, err := Compile(list, Env{Log: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !c.Run(&event.Event{Fields: map[string]any{"message": "12:00:01 INFO the oven is at 900 degrees"}}) {
			b.Fatal("dropped")
		}
	}
}

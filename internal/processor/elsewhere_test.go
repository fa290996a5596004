package processor_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/config"
	"sluice/internal/event"
	"sluice/internal/processor"
)

func TestProcessorsOfOtherPlacesDoNothing(t *testing.T) {
	c, err := config.Parse("f.yml", []byte(`
filebeat.inputs: [{type: log, paths: [/x]}]
output.console: {}
processors:
- add_cloud_metadata: ~
- add_docker_metadata: ~
- add_kubernetes_metadata: {when.equals.a: b}
`))
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(c.Warnings, "\n"); strings.Count(text, "no cloud, container or cluster") != 3 {
		t.Errorf("warnings: %s", text)
	}
	chain, err := processor.Compile(c.Processors, processor.Env{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	e := &event.Event{Time: time.Now(), Fields: map[string]any{"a": "b"}}
	if !chain.Run(e) || !reflect.DeepEqual(e.Fields, map[string]any{"a": "b"}) {
		t.Errorf("the event is %v", e.Fields)
	}
}

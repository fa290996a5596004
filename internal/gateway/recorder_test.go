package gateway

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"sluice/config"
)

// TestOnlyAcknowledgedSegmentsMakeRoom asks for room in a spool of which the
// first two segments were shipped, the third was not, and the fourth is active.
func TestOnlyAcknowledgedSegmentsMakeRoom(t *testing.T) {
	dir := place(t, input+"output.file.path: $DIR/out\n")
	free := freeFrom(filepath.Join(dir, "data", "registry"), dir)
	if freed, err := free(context.Background(), 1); freed != 0 || err != nil {
		t.Errorf("without a registry: %d, %v", freed, err)
	}
	segment := func(n string) string { return filepath.Join(dir, "mqtt-000000000"+n+".log") }
	write(t, segment("1"), "one\n")
	write(t, segment("2"), "two, longer\n")
	write(t, segment("4"), "four\n")
	write(t, filepath.Join(dir, "mqtt.spool.json"), `{"version":1,"series":"mqtt","next":5,"active":"mqtt-0000000004.log"}`)
	p := command(t, dir, true)
	p.start(t)
	if err := p.end(t); err != nil {
		t.Fatalf("%v\n%s", err, p.stderr.String())
	}
	write(t, segment("3"), "three\n")
	for _, c := range []struct {
		need, freed int64
		left        []string
	}{
		{4, 4, []string{"2", "3", "4"}},
		{1000, 12, []string{"3", "4"}},
		{1000, 0, []string{"3", "4"}},
	} {
		freed, err := free(context.Background(), c.need)
		if freed != c.freed || err != nil {
			t.Errorf("%d bytes wanted: %d freed, %v; want %d", c.need, freed, err, c.freed)
		}
		var left []string
		for _, n := range []string{"1", "2", "3", "4"} {
			if _, err := os.Stat(segment(n)); err == nil {
				left = append(left, n)
			}
		}
		if !slices.Equal(left, c.left) {
			t.Errorf("%d bytes wanted: %v are left, want %v", c.need, left, c.left)
		}
	}
}

// Inputs of type mqtt keep the bounds of recorder.spool as the recorder does.
func TestInputsKeepTheBoundsOfTheSpool(t *testing.T) {
	text := "path.data: /nowhere\nrecorder.spool: {path: /nowhere/spool, max_bytes: 1MiB, when_full: drop_oldest_acked}\n" +
		"output.file.path: /nowhere\nfilebeat.inputs:\n"
	for _, id := range []string{"a", "b", "c", "d"} {
		text += "- {type: mqtt, id: " + id + ", client_id: " + id + ", hosts: ['tcp://127.0.0.1:1'], topics: [t]}\n"
	}
	cfg, err := config.Parse("c.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRecorders(cfg, TailerOptions{}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if r.spool.SegmentBytes != 64<<10 || r.free == nil {
		t.Errorf("segments of %d bytes, nobody frees: %t", r.spool.SegmentBytes, r.free == nil)
	}
}

package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTimesOfBeforeTheSynchronisation ships a spool of three starts of a machine
// without a battery for its clock. Of the first it is known when it truly was,
// of the second it never will be, and in the third the clock was right.
func TestTimesOfBeforeTheSynchronisation(t *testing.T) {
	for name, c := range map[string]struct {
		format, line string
		want         []string
	}{
		"json": {"json", `{"time":"2020-01-01T00:00:0%d.000000000Z","topic":"t"}`, []string{
			`{"time":"2026-11-25T08:00:01.000000000Z","time_original":"2020-01-01T00:00:01.000000000Z","topic":"t"} map[original:2020-01-01T00:00:01.000000000Z shift:2.177568e+08 synchronised:false]`,
			`{"time":"2020-01-01T00:00:02.000000000Z","topic":"t"} map[synchronised:false]`,
			`{"time":"2020-01-01T00:00:03.000000000Z","topic":"t"} map[]`,
		}},
		"text": {"@Y-@m-@dT@H:@M:@S,%t,%p", `2020-01-01T00:00:0%d,t,21.5`, []string{
			`2026-11-25T08:00:01,t,21.5 map[original:2020-01-01T00:00:01 shift:2.177568e+08 synchronised:false]`,
			`2020-01-01T00:00:02,t,21.5 map[synchronised:false]`,
			`2020-01-01T00:00:03,t,21.5 map[]`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := place(t, input+"output.file.path: $DIR/out\n")
			var lines string
			var offsets [3]int
			for i := range offsets {
				offsets[i] = len(lines)
				lines += fmt.Sprintf(c.line, i+1) + "\n"
			}
			write(t, filepath.Join(dir, "mqtt-0000000001.log"), lines)
			write(t, filepath.Join(dir, "mqtt.spool.json"), `{"version":1,"series":"mqtt","next":2,"active":""}`)
			write(t, filepath.Join(dir, "mqtt.clock.json"), fmt.Sprintf(`{"version":1,"series":"mqtt","format":%q,
				"boots":[{"id":"first","started":"2026-11-25T07:59:00Z"}],
				"stretches":[
					{"segment":1,"offset":0,"boot":"first","started":"2019-12-31T23:59:00Z","synced":false,"held":true},
					{"segment":1,"offset":%d,"boot":"second","started":"2019-12-31T23:59:00Z","synced":false,"held":true},
					{"segment":1,"offset":%d,"boot":"third","started":"2019-12-31T23:59:00Z","synced":true}]}`, c.format, offsets[1], offsets[2]))
			p := command(t, dir, true)
			p.start(t)
			if err := p.end(t); err != nil {
				t.Fatalf("%v\n%s", err, p.stderr.String())
			}
			if got := clocks(t, filepath.Join(dir, "out")); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("shipped\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// clocks lists the events' messages with what they say of the clock.
func clocks(t *testing.T, dir string) (list []string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	text, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var e struct {
			Message string
			Clock   map[string]any
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprint(e.Message, " ", e.Clock))
	}
	return list
}

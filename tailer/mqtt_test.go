package tailer

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/parser"
)

func mqttInput(hosts ...string) InputConfig {
	in := DefaultInput()
	in.Type, in.Hosts = TypeMQTT, hosts
	return in
}

func TestMQTTOptionsAreChecked(t *testing.T) {
	no := false
	for name, c := range map[string]struct {
		change func(*InputConfig)
		want   string
	}{
		"as it is":        {func(*InputConfig) {}, ""},
		"a long id":       {func(c *InputConfig) { c.ClientID = strings.Repeat("x", 60) }, ""},
		"ssl":             {func(c *InputConfig) { c.SSL.VerificationMode = "certificate" }, ""},
		"no host":         {func(c *InputConfig) { c.Hosts = nil }, "hosts: is required: the broker's address, for example ssl://broker.example:8883"},
		"no topic":        {func(c *InputConfig) { c.Topics = nil }, `topics: names no topic; "#" is all of them`},
		"qos":             {func(c *InputConfig) { c.QoS = 3 }, "qos: 3 is no quality of service; use 0, 1 or 2"},
		"no client id":    {func(c *InputConfig) { c.ClientID = "" }, `client_id: must not be empty; leave it out for "filebeat"`},
		"bad ssl":         {func(c *InputConfig) { c.SSL.VerificationMode = "maybe" }, "ssl.verification_mode: "},
		"paths":           {func(c *InputConfig) { c.Paths = []string{"/x"} }, "paths: is no option of type mqtt; inputs that read files have it"},
		"lines":           {func(c *InputConfig) { c.IncludeLines = []string{"x"} }, "include_lines: is no option of type mqtt; use the processor drop_event"},
		"json":            {func(c *InputConfig) { c.JSON = &parser.JSONConfig{} }, "json: is no option of type mqtt; use the processor decode_json_fields"},
		"encoding":        {func(c *InputConfig) { c.Encoding = "gbk" }, "encoding: is no option of type mqtt; a message is an event as it is"},
		"file identity":   {func(c *InputConfig) { c.FileIdentity.Choose(identityPath) }, "file_identity: is no option of type mqtt; inputs that read files have it"},
		"scan":            {func(c *InputConfig) { c.ScanFrequency = time.Second }, "scan_frequency: is no option of type mqtt; inputs that read files have it"},
		"filestream's":    {func(c *InputConfig) { c.Delete.Enabled = true }, "delete: is no option of type mqtt; inputs that read files have it"},
		"keeps states":    {func(c *InputConfig) { c.CleanRemoved = no }, "clean_removed: is no option of type mqtt; inputs that read files have it"},
		"topics in a log": {func(c *InputConfig) { c.Type, c.Hosts, c.Paths, c.Topics = TypeLog, nil, []string{"/x"}, []string{"t"} }, "topics: is no option of type log; use type mqtt"},
		"password in a filestream": {func(c *InputConfig) {
			c.Type, c.Hosts, c.Paths, c.Password = TypeFilestream, nil, []string{"/x"}, "p"
		}, "password: is no option of type filestream; use type mqtt"},
		"the common options": {func(c *InputConfig) {
			c.Tags, c.Fields, c.FieldsUnderRoot, c.KeepNull, c.ID = []string{"t"}, map[string]any{"a": 1}, true, true, "x"
			c.Index, c.Pipeline, c.PublisherPipeline.DisableHost = "i-%{+yyyy}", "p", true
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := mqttInput("tcp://broker")
			c.change(&in)
			got := ""
			if err := in.Validate(); err != nil {
				got = err.Error()
			}
			if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) || strings.Contains(got, "\n") {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSeriesNamesAreStableAndUnique(t *testing.T) {
	named := func(id, client string, hosts ...string) string {
		in := mqttInput(hosts...)
		in.ID, in.ClientID = id, client
		return in.Series()
	}
	if got := named("plant-1", "x", "a"); got != "mqtt-input-plant-1" {
		t.Errorf("a plain id gives %s", got)
	}
	if a, b := named("", "filebeat", "a", "b"), named("", "filebeat", "b", "a"); a != b {
		t.Errorf("the order of hosts changes the name: %s, %s", a, b)
	}
	all := []string{
		named("", "filebeat", "a"), named("", "filebeat", "b"), named("", "other", "a"), named("filebeat", "other", "a"),
		named("a b", "x"), named("a/b", "x"), named("a_b", "x"), named("ñ", "x"), named("n", "x"), named(strings.Repeat("y", 200), "x"), named(strings.Repeat("y", 201), "x"),
	}
	for _, name := range all {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" || len(name) > 100 || !strings.HasPrefix(name, SeriesPrefix) {
			t.Errorf("%q can't be a series' name", name)
		}
	}
	slices.Sort(all)
	if n := len(slices.Compact(slices.Clone(all))); n != len(all) {
		t.Errorf("two are equal: %v", all)
	}
}

func TestClashesAndWarnings(t *testing.T) {
	a, b := mqttInput("tcp://x", "tcp://y"), mqttInput("tcp://y")
	if err := a.Clash(&b); err == nil || !strings.HasPrefix(err.Error(), `client_id: another mqtt input connects to tcp://y as "filebeat" too`) {
		t.Errorf("one client_id at one broker: %v", err)
	}
	b.ClientID = "other"
	if err := a.Clash(&b); err != nil {
		t.Error(err)
	}
	a.ID, b.ID = "same", "same"
	if err := checkTogether([]InputConfig{a, b}); err == nil || err.Error() != `filebeat.inputs.1.id: two mqtt inputs have the same id "same"; give each its own` {
		t.Errorf("one id: %v", err)
	}
	b.Enabled = false
	if err := checkTogether([]InputConfig{a, b}); err != nil {
		t.Error(err)
	}
	option := func(qos int, clean bool) (names []string) {
		a.QoS, a.CleanSession = qos, clean
		for _, w := range a.MQTTWarnings() {
			names = append(names, w.Option)
		}
		return names
	}
	if got := [][]string{option(0, true), option(0, false), option(1, true), option(2, false)}; !reflect.DeepEqual(got, [][]string{{"qos"}, {"qos"}, {"clean_session"}, nil}) {
		t.Errorf("warnings are about %v", got)
	}
}

const record = `{"time":"2026-11-22T00:02:03.123456789Z","topic":"plant/1","qos":1,"retained":false,"duplicate":false,"id":42,"payload":"21.5 \"C\"","encoding":"text"}`

func TestRecordBecomesFilebeatsEvent(t *testing.T) {
	c, in := testConfig(), mqttInput("tcp://x")
	d := testDocument(&c, &in, "/spool/s.log", "gen")
	e := d.record([]byte(record), time.Time{})
	d.general(e)
	d.agent(e)
	e.Meta = set(e.Meta, "_id", "gen-0")
	want := `{"@timestamp":"2026-11-22T00:02:03.123Z","@metadata":{"beat":"filebeat","type":"_doc","version":"9.0.0","_id":"gen-0"},` +
		`"agent":{"ephemeral_id":"run-id","id":"agent-id","name":"gw-1","type":"filebeat","version":"9.0.0"},"ecs":{"version":"8.0.0"},"host":{"name":"gw-1"},` +
		`"input":{"type":"mqtt"},"message":"21.5 \"C\"","mqtt":{"duplicate":false,"message_id":42,"qos":1,"retained":false,"topic":"plant/1"}}`
	var g, w any
	got := e.AppendJSON(nil, d.base(), false)
	if err := errors.Join(json.Unmarshal(got, &g), json.Unmarshal([]byte(want), &w)); err != nil || !reflect.DeepEqual(g, w) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRecordsOfOtherForms(t *testing.T) {
	c, in := testConfig(), mqttInput("tcp://x")
	d := testDocument(&c, &in, "/spool/s.log", "gen")
	for line, want := range map[string]string{
		strings.Replace(record, `"21.5 \"C\"","encoding":"text"`, `"AP8K","encoding":"base64"`, 1): `"message":"\u0000\ufffd\n"`,
		strings.Replace(record, `"plant/1"`, `"/w==","topic_encoding":"base64"`, 1):                `"topic":"\ufffd"`,
		strings.Replace(record, `"text"`, `"text","truncated":true,"size":99999999`, 1):            `"log":{"flags":["truncated"]}`,
		strings.Replace(record, `"retained":false`, `"retained":true`, 1):                          `"retained":true`,
		`{"time":`: `"message":"{\"time\":"`,
		`{}`:       `"error":{"message":"the segment's line is no record: it has no time or encoding"}`,
		"plain":    `"error":{"message":"the segment's line is no record: `,
		strings.Replace(record, `"21.5 \"C\"","encoding":"text"`, `"&","encoding":"base64"`, 1): `"error":{"message":"the record's payload: `,
	} {
		if got := string(d.record([]byte(line), time.Now()).AppendJSON(nil, d.base(), false)); !strings.Contains(got, want) || !strings.Contains(got, `"input":{"type":"mqtt"}`) {
			t.Errorf("%s\ngives  %s\nwithout %s", line, got, want)
		}
	}
}

// FuzzRecord: a line may hold anything, and is never dropped.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(record))
	f.Add([]byte(`{"time":"2026-11-22T00:02:03Z","payload":"*","encoding":"base64"}`))
	c, in := testConfig(), mqttInput("tcp://x")
	d := document{cfg: &c, in: &input{cfg: &in, options: in.options()}}
	f.Fuzz(func(t *testing.T, line []byte) {
		e := d.record(line, time.Now())
		if _, ok := e.Fields["message"].(string); !ok {
			t.Errorf("%q gives no message", line)
		}
	})
}

// spooled is a gateway with one mqtt input; sealed segments are those below
// the given number.
func spooled(t *testing.T) (g *gateway, segment func(n string) string, sealed *atomic.Value) {
	g = newGateway(t)
	in := mqttInput("tcp://x")
	in.ID = "in[1]" // brackets must not become a glob
	spool := g.path("sp[o]*ol")
	if err := os.Mkdir(spool, 0o700); err != nil {
		t.Fatal(err)
	}
	segment = func(n string) string { return filepath.Join(spool, in.Series()+"-000000000"+n+".log") }
	sealed = new(atomic.Value)
	sealed.Store("")
	g.cfg.Inputs, g.cfg.SpoolPath = []InputConfig{in}, spool
	g.cfg.Sealed = func(path string) (bool, bool, error) {
		if sealed.Load() == "?" {
			return false, true, errors.New("not readable")
		}
		return path < sealed.Load().(string), true, nil
	}
	return g, segment, sealed
}

// look makes the tailer scan, as a new folder does.
func (g *gateway) look() {
	if dir, err := os.MkdirTemp(g.cfg.SpoolPath, "look"); err == nil {
		_ = os.Remove(dir)
	}
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestSegmentsAreRemovedWhenSealedAndAcknowledged(t *testing.T) {
	g, segment, sealed := spooled(t)
	write := func(n, payload string) {
		g.write(strings.TrimPrefix(segment(n), g.dir), strings.Replace(record, `21.5 \"C\"`, payload, 1)+"\n")
	}
	write("1", "a")
	g.start()
	g.want("a")
	g.eventually("a is acknowledged", func() bool { return len(g.reg.States()) == 1 && g.reg.States()[0].Offset > 0 })
	for range 5 {
		g.look()
		time.Sleep(5 * time.Millisecond) // each look is a chance to remove it
	}
	if !there(segment("1")) {
		t.Fatal("an active segment was removed")
	}
	g.halt()
	sealed.Store(segment("2")) // while nobody looks
	write("2", "b")
	g.start()
	g.want("a", "b")
	g.eventually("the sealed segment is removed", func() bool { g.look(); return !there(segment("1")) })
	sealed.Store("?")
	for range 5 {
		g.look()
		time.Sleep(5 * time.Millisecond)
	}
	if !there(segment("2")) {
		t.Error("a segment of which nobody knows whether it is sealed was removed")
	}
	sealed.Store(segment("3"))
	g.eventually("the other one is removed", func() bool { g.look(); return !there(segment("2")) })
	g.eventually("its State is forgotten", func() bool { return len(g.reg.States()) == 0 })
	g.want("a", "b")
}

func TestUnacknowledgedSegmentsStay(t *testing.T) {
	g, segment, sealed := spooled(t)
	sealed.Store(segment("9"))
	g.cfg.ShutdownTimeout = 0
	g.server.answer = func([]string) int { return 0 }
	g.write(strings.TrimPrefix(segment("1"), g.dir), record+"\n")
	g.start()
	g.eventually("it was sent", func() bool { g.server.mu.Lock(); defer g.server.mu.Unlock(); return g.server.conns > 1 })
	for range 5 {
		g.look()
		time.Sleep(5 * time.Millisecond)
	}
	if !there(segment("1")) {
		t.Error("a segment was removed before it was acknowledged")
	}
}

func TestOtherInputsLeaveSegmentsAlone(t *testing.T) {
	g, segment, _ := spooled(t)
	log, stream := DefaultInput(), DefaultInput()
	spool := strings.NewReplacer("[", `\[`, "*", `\*`).Replace(g.cfg.SpoolPath)
	log.Paths, log.ScanFrequency = []string{spool + "/*.log"}, 50*time.Millisecond
	stream.Type, stream.ID, stream.Paths = TypeFilestream, "f", log.Paths
	g.cfg.Inputs = []InputConfig{log, stream, g.cfg.Inputs[0]}
	g.write(strings.TrimPrefix(segment("1"), g.dir), record+"\n")
	g.write(filepath.Base(g.cfg.SpoolPath)+"/other.log", "line\n")
	g.start()
	g.server.wait(t, 3) // the line twice, the record once
	got := g.server.messages(t)
	slices.Sort(got)
	if !slices.Equal(got, []string{`21.5 "C"`, "line", "line"}) {
		t.Errorf("got %q", got)
	}
}

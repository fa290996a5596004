package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/config/internal/schema"
	"sluice/tailer"
)

const good = `
filebeat.inputs:
- type: log
  paths: /var/log/*.log
output.logstash.hosts: elk:5044
`

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("f.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func faultsOf(t *testing.T, text string) string {
	t.Helper()
	_, err := Parse("f.yml", []byte(text))
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestSmallestConfiguration(t *testing.T) {
	c := mustParse(t, good)
	if len(c.Warnings) > 0 || c.NothingToShip() != nil || c.NothingToRecord() == nil {
		t.Errorf("warnings %q, ship %v, record %v", c.Warnings, c.NothingToShip(), c.NothingToRecord())
	}
	in := tailer.DefaultInput()
	in.Type, in.Paths = tailer.TypeLog, []string{"/var/log/*.log"}
	if !reflect.DeepEqual(c.Filebeat.Inputs, []tailer.InputConfig{in}) || !slices.Equal(c.Output.Logstash.Hosts, []string{"elk:5044"}) ||
		c.Output.Logstash.BulkMaxSize != 2048 {
		t.Errorf("inputs %+v, output %+v", c.Filebeat.Inputs, c.Output.Logstash)
	}
}

func TestRecorderAloneFollowsItsSegments(t *testing.T) {
	c := mustParse(t, "path.data: /data\nrecorder.mqtt: [{hosts: 'mqtts://broker'}]\noutput.logstash.hosts: elk\n")
	if len(c.Filebeat.Inputs) != 1 || !slices.Equal(c.Filebeat.Inputs[0].Paths, []string{"/data/spool/*.log"}) || c.Recorder.Spool.Path != "/data/spool" {
		t.Errorf("inputs %+v, spool %s", c.Filebeat.Inputs, c.Recorder.Spool.Path)
	}
	if c.Recorder.MQTT[0].Topics[0].Topic != "#" {
		t.Errorf("an entry of recorder.mqtt does not start from its defaults: %+v", c.Recorder.MQTT[0])
	}
	c = mustParse(t, "recorder: {spool.path: s, mqtt: [{hosts: 'mqtts://broker'}]}\nfilebeat.inputs: [{paths: /x}]\n")
	if c.Recorder.Spool.Path != "/var/lib/sluice/s" || !slices.Equal(c.Filebeat.Inputs[0].Paths, []string{"/x"}) {
		t.Errorf("inputs %+v, spool %s", c.Filebeat.Inputs, c.Recorder.Spool.Path)
	}
	if c.NothingToShip() == nil || c.NothingToRecord() != nil {
		t.Errorf("ship %v, record %v", c.NothingToShip(), c.NothingToRecord())
	}
}

func TestVersionOfMQTTIsANumberOrAText(t *testing.T) {
	for text, want := range map[string]string{"5": "5", "'5'": "5", "3.1.1": "3.1.1", "\"3.1.1\"": "3.1.1"} {
		c := mustParse(t, "recorder.mqtt: [{hosts: mqtts://broker, version: "+text+", exclude: x}]\noutput.logstash.hosts: elk\n")
		if got := c.Recorder.MQTT[0].Version; got != want {
			t.Errorf("version: %s is read as %q", text, got)
		}
	}
	_, err := Parse("f.yml", []byte("recorder.mqtt: [{hosts: mqtts://broker, receive_maximum: 5}]\noutput.logstash.hosts: elk\n"))
	if err == nil || !strings.Contains(err.Error(), "recorder.mqtt.0.receive_maximum: is an option of MQTT 5; add version: 5") {
		t.Errorf("an option of MQTT 5 without it: %v", err)
	}
}

func TestFoldersFollowHome(t *testing.T) {
	for text, want := range map[string]PathConfig{
		"name: x":                           {Config: "/etc/sluice", Data: "/var/lib/sluice", Logs: "/var/log/sluice"},
		"path.home: /h":                     {"/h", "/h", "/h/data", "/h/logs"},
		"path: {home: /h, data: /d}":        {"/h", "/h", "/d", "/h/logs"},
		"path: {data: '${path.logs}/../d'}": {Config: "/etc/sluice", Data: "/var/log/sluice/../d", Logs: "/var/log/sluice"},
	} {
		if c := mustParse(t, text); c.Path != want {
			t.Errorf("%s: %+v, want %+v", text, c.Path, want)
		}
	}
	c := mustParse(t, "path.home: /h\nname: ${path.data}\n")
	if c.Name != "/h/data" {
		t.Errorf("${path.data} is %q", c.Name)
	}
}

func TestFaultsOfPackagesComeWithTheirLines(t *testing.T) {
	got := faultsOf(t, `output.logstash:
  hosts: []
  compression_level: 12
  ssl.verification_mode: nonne
filebeat:
  inputs:
  - type: log
    paths: [/x]
    exclude_lines: ['(']
  registry.flush: -1
cleaner.older_than: -1h
logging.level: chatty
queue.mem.events: 0
max_procs: -1
recorder.mqtt: [{topics: x}]
`)
	for _, want := range []string{
		"f.yml:2:3: output.logstash.hosts: ",
		"f.yml:3:3: output.logstash.compression_level: ",
		"f.yml:4:7: output.logstash.ssl.verification_mode: ",
		`f.yml:9:5: filebeat.inputs.0.exclude_lines: "(" is no regular expression`,
		"f.yml:10:12: filebeat.registry.flush: ",
		"f.yml:11:9: cleaner.older_than: -1h0m0s is negative; give an age such as 48h, or 0",
		`f.yml:12:9: logging.level: "chatty" is no level; use debug, info, warning, error`,
		"f.yml:13:11: queue.mem.events: must be at least 1",
		"f.yml:14:1: max_procs: must not be negative; 0 uses all CPUs",
		"f.yml:15:1", // hosts are not given: the nearest place is the entry
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the faults lack %q:\n%s", want, got)
		}
	}
}

func TestOptionsOfFilebeatThatAreRefused(t *testing.T) {
	for option, want := range map[string]string{
		"filebeat.modules: [{module: nginx}]":            "list the files under filebeat.inputs",
		"output.kafka.hosts: [a]":                        "Logstash can write to Kafka",
		"output.kafka:":                                  "Logstash can write to Kafka",
		"cloud.id: x":                                    "output.logstash.hosts",
		"processors: [{translate_sid: {field: a}}]":      "filter of Logstash",
		"filebeat.autodiscover.providers: [{type: x}]":   "filebeat.inputs",
		"processors: [{add_docker_metadata: {host: a}}]": "take the container's name",
		"filebeat.overwrite_pipelines: true":             "remove it",
		"monitoring.enabled: true":                       "remove it",
	} {
		got := faultsOf(t, option)
		if !strings.Contains(got, "not supported by sluice: ") || !strings.Contains(got, want) || strings.Contains(got, "\n") {
			t.Errorf("%s: %s", option, got)
		}
	}
	for _, option := range []string{"monitoring.enabled: false", "output.kafka: {enabled: false, hosts: a}", "setup.kibana:\n", "setup.kibana.host: x", "filebeat.config.modules.path: modules.d/*.yml", "setup:\n", "filebeat.config.modules: {enabled: false}"} {
		if got := faultsOf(t, "name: x\n"+option); strings.Contains(got, "not supported") {
			t.Errorf("%s is refused though it asks for nothing: %s", option, got)
		}
	}
}

func TestOptionsWithoutEffectGiveOneWarningEach(t *testing.T) {
	c := mustParse(t, good+`
logging.files: {path: /x, keepfiles: 3}
logging.to_eventlog: true
logging.ecs: true
logging.event_data.files: {path: /x}
timestamp.precision: microsecond
queue.disk.max_size: 10MB
`)
	var names []string
	for _, w := range c.Warnings {
		if !strings.Contains(w, ": has no effect: ") {
			t.Errorf("warning %q", w)
		}
		names = append(names, strings.Split(w, ": ")[1])
	}
	want := []string{"logging.to_eventlog", "logging.ecs", "logging.event_data", "timestamp.precision", "queue.disk"}
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("warnings for %v, want %v", names, want)
	}
	c = mustParse(t, `
filebeat.inputs:
- {type: filestream, id: a, paths: /x, file_identity.native: ~, prospector.scanner.fingerprint.enabled: false}
- {type: filestream, id: b, paths: /y, take_over.enabled: true, read_until_eof: {enabled: true, timeout: 2s}, prospector.scanner.resend_on_touch: false}
- {type: filestream, id: c, paths: /z, parsers: [ndjson: {keys_under_root: true}, ndjson: {keys_under_root: true, target: t}]}
output.logstash.hosts: elk
`)
	if len(c.Warnings) != 3 || !strings.Contains(strings.Join(c.Warnings, "\n"), "inputs.2.parsers.1.ndjson.keys_under_root: has no effect: the fields go to the target t") {
		t.Errorf("warnings %q", c.Warnings)
	}
}

func TestUnknownPartOfAnAbsentSectionIsAFault(t *testing.T) {
	if got, want := faultsOf(t, "logging.event_dat: 1"), "f.yml:1:9: logging.event_dat: unknown option; allowed here: files, json, level, metrics, selectors, to_files, to_stderr, to_syslog"; got != want {
		t.Errorf("fault %q, want %q", got, want)
	}
	if got := faultsOf(t, "timestamp: 5"); !strings.Contains(got, "wants a section") {
		t.Errorf("fault %q", got)
	}
}

func TestTablesNameNoOptionThatExists(t *testing.T) {
	names := schema.Names(reflect.TypeFor[Config](), "")
	for _, name := range names {
		for absent := range absent {
			if name == absent || strings.HasPrefix(name, absent+".") {
				t.Errorf("known.go calls %s absent, but it is an option: remove it there", name)
			}
		}
	}
}

func TestOutputs(t *testing.T) {
	for text, want := range map[string]string{
		"output.logstash: {hosts: a, enabled: false}": "no output is enabled",
		"name: x": "no output is enabled",
		"output.logstash: {hosts: a}\noutput.console: {enabled: false}": "",
		"output.logstash:": "",
		"output.console:":  "",
		"output.file.path: /x\noutput.logstash.enabled: false":                           "",
		"output.file: {path: /x, enabled: false}\noutput.console: {enabled: no}":         "no output is enabled",
		"output.file: {enabled: false, number_of_files: 1}\noutput.console.pretty: true": "",
	} {
		c := mustParse(t, "filebeat.inputs: [{paths: /x}]\n"+text)
		err := c.NothingToShip()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if got := faultsOf(t, "output.logstash.hosts: a\noutput.console:\n"); !strings.Contains(got, "more than one output is enabled") {
		t.Errorf("two outputs: %s", got)
	}
	if got := faultsOf(t, "queue.mem.events: 5\nqueue.disk.max_size: 10MB\n"); !strings.Contains(got, "more than one queue") {
		t.Errorf("two queues: %s", got)
	}
	c := mustParse(t, "filebeat.inputs: [{paths: /x, enabled: false}]\noutput.logstash.hosts: a\n")
	if err := c.NothingToShip(); err == nil || !strings.Contains(err.Error(), "no modules or inputs enabled") {
		t.Errorf("no input: %v", err)
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	const text = `
recorder.mqtt:
- hosts: mqtts://user:s3cr3tword@broker
  username: u
  password: hunter2hunter2
output.logstash:
  hosts: elk
  proxy_url: socks5://u:pr0xyw0rd@p:1080
  ssl: {certificate: /c, key: /k, key_passphrase: passphrase9}
`
	c, err := Parse("f.yml", []byte(text))
	if err != nil {
		for _, secret := range []string{"s3cr3tword", "hunter2hunter2", "pr0xyw0rd", "passphrase9"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows %s: %s", secret, err)
			}
		}
		c = mustParse(t, strings.Replace(text, "user:s3cr3tword@", "", 1))
	}
	var b bytes.Buffer
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"s3cr3tword", "hunter2hunter2", "pr0xyw0rd", "passphrase9"} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("the dump shows %s", secret)
		}
	}
	if strings.Count(b.String(), hidden) < 2 {
		t.Errorf("dump\n%s", b.String())
	}
	for _, wrong := range []string{
		"recorder.mqtt: [{password: [hunter2hunter2]}]", "recorder.mqtt: [{password: {a: hunter2hunter2}}]",
		"recorder.mqtt: [{password: hunter2hunter2, password: hunter2hunter2}]", "recorder.mqtt: [{password: 'hunter2hunter2${X'}]",
		"recorder.mqtt: [{password: 'hunter2hunter2${UNSET_IN_TEST}'}]",
		"output.logstash.password: hunter2hunter2",
	} {
		if got := faultsOf(t, wrong); got == "" || strings.Contains(got, "hunter2") {
			t.Errorf("%s: %s", wrong, got)
		}
	}
}

func TestDumpIsReadBackAsTheSame(t *testing.T) {
	c := mustParse(t, good+`
name: "a: b # c"
tags: [x, "yes", "12", "", "a$${b}", "c$"]
fields: {a: 1, b: "2", c: {d: [true, 1.5]}, e: "line\nbreak"}
logging.json: true
queue.mem.flush.timeout: 90m
`)
	var b bytes.Buffer
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	again, err := Parse("dump.yml", b.Bytes())
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	again.root, c.root, again.source, c.source = nil, nil, source{}, source{}
	if !reflect.DeepEqual(again, c) {
		t.Errorf("read back\n%+v\nwas\n%+v\nfrom\n%s", again, c, b.String())
	}
	if c.Queue.Mem.Flush.Timeout != 90*time.Minute || c.Tags[4] != "a${b}" {
		t.Errorf("read %+v", c)
	}
}

func TestFilesThatCanNotBeRead(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty, second := write("empty.yml", "# nothing\n"), write("second.yml", good)
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yml"):    "none.yml: no such file; name the configuration with -c FILE",
		dir:                               ": is a folder; give the configuration file in it",
		empty:                             "empty.yml: holds no setting; ",
		second + "/x":                     "x: not a directory",
		write("nul.yml", "a: 1\nb: \x00"): "nul.yml:2:4: the control character 0x00 can't stand in a configuration; remove it, or restore the file if it is damaged",
		write("latin1.yml", "# x\nname: caf\xe9\n"): "latin1.yml:2:10: the byte 0xe9 is no UTF-8 text; save the file as UTF-8",
		write("utf16.yml", "\xff\xfen\x00a\x00"):    "utf16.yml: the file is UTF-16 text; save it as UTF-8",
	} {
		if _, err := Load([]string{path}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	for _, text := range []string{good + "---\n# nothing\n", "---\n" + good + "...\n", "\xef\xbb\xbf" + good, strings.ReplaceAll(good, "\n", "\r\n")} {
		if _, err := Load([]string{write("usual.yml", text)}, nil); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	two, err := Load([]string{write("two.yml", good+"---\nname: b\n")}, nil)
	if err != nil || two.Name != "" || len(two.Warnings) != 1 ||
		!strings.Contains(two.Warnings[0], "two.yml:7:1: a second document begins above here (---) and is ignored; put all options into one, or the rest into a file of its own") {
		t.Errorf("two documents: %+v, %v", two, err)
	}
	c, err := Load([]string{empty, second, empty}, []string{"name=x"})
	if err != nil || c.Name != "x" || len(c.Filebeat.Inputs) != 1 {
		t.Errorf("with empty files beside: %+v, %v", c, err)
	}
	if _, err := Load(nil, nil); err == nil || !strings.Contains(err.Error(), "holds no setting") {
		t.Errorf("without anything: %v", err)
	}
}

func TestFilesOfTLSAreCheckedWithTheirLines(t *testing.T) {
	c := mustParse(t, `
recorder.mqtt:
- hosts: mqtts://broker
  ssl.certificate_authorities: /nonexistent/broker.pem
output.logstash:
  hosts: elk
  ssl:
    certificate_authorities: /nonexistent/ca.pem
`)
	err := c.CheckFiles()
	if err == nil {
		t.Fatal("missing files are not seen")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 2 ||
		!strings.HasPrefix(lines[0], "f.yml:4:7: recorder.mqtt.0.ssl.certificate_authorities: ") || !strings.Contains(lines[0], "/nonexistent/broker.pem") ||
		!strings.HasPrefix(lines[1], "f.yml:8:5: output.logstash.ssl.certificate_authorities: ") || !strings.Contains(lines[1], "/nonexistent/ca.pem") {
		t.Errorf("faults\n%s", err)
	}
	if output, broker := c.CheckOutputFiles(), c.CheckRecorderFiles(); output == nil || output.Error() != lines[1] || broker == nil || broker.Error() != lines[0] {
		t.Errorf("one by one:\n%v\n%v", output, broker)
	}
	c = mustParse(t, "output.logstash: {hosts: elk, ssl: {enabled: false, certificate_authorities: /nonexistent/ca.pem}}\n")
	if err := c.CheckFiles(); err != nil {
		t.Errorf("switched off: %v", err)
	}
}

func TestMissingVariableOfASecretIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		"${SLUICE_TEST_UNSET}":           "f.yml:1:45: recorder.mqtt.0.password: ${SLUICE_TEST_UNSET} is neither a setting, a key of the keystore nor a set environment variable",
		"${SLUICE_TEST_UNSET:?set it}":   "f.yml:1:45: recorder.mqtt.0.password: ${SLUICE_TEST_UNSET}: set it",
		"pre-${SLUICE_TEST_UNSET}":       "f.yml:1:45: recorder.mqtt.0.password: ${SLUICE_TEST_UNSET} is neither",
		"open-sesame${SLUICE_TEST_UNSET": "f.yml:1:45: recorder.mqtt.0.password: a ${ has no closing }",
	} {
		_, err := Parse("f.yml", []byte("recorder.mqtt: [{hosts: mqtt://b, password: '"+text+"'}]\n"))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestErrorsOfAPartGetTheirPlace(t *testing.T) {
	c := mustParse(t, "recorder:\n  spool.path: /spool\n  mqtt: [{hosts: mqtt://broker}]\noutput.logstash.hosts: elk\n")
	err := c.Place("recorder", errors.New("spool.path: user 7 can't write in /spool"))
	if err == nil || err.Error() != "f.yml:2:9: recorder.spool.path: user 7 can't write in /spool" {
		t.Errorf("place %v", err)
	}
	for _, text := range []string{"seal segment: no space left", "broker: closed", "nothing"} {
		if err := c.Place("recorder", errors.New(text)); err == nil || err.Error() != text {
			t.Errorf("%v, want %s", err, text)
		}
	}
	if err := c.Place("recorder", nil); err != nil {
		t.Error(err)
	}
}

func TestFilesThatOthersMayWriteAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.yml")
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CheckPermissions(path); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%s: others than its owner may write it (mode 0660); run chmod go-w %s, or give --strict.perms=false", path, path)
	if err := CheckPermissions(path); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{good, reference, "recorder.mqtt: [{hosts: x, topics: [a, {topic: b}]}]", "output.logstash:\nfilebeat.inputs:\n- ~\n", "path.home: ${path.data}\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f.yml", data)
		if (c == nil) == (err == nil) {
			t.Errorf("configuration %v and error %v", c, err)
		}
		if c != nil {
			if err := c.Write(&bytes.Buffer{}); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestAnchorsMayStandUnderNamesOfTheirOwn(t *testing.T) {
	c, err := Parse("f.yml", []byte(`
x-site: &site {site: vigo}
x-list: [&a x]
fields: {<<: *site}
tags: [*a]
filebeat.inputs: [{type: log, paths: [/x]}]
output.console: {}
`))
	if err != nil || c.Fields["site"] != "vigo" || len(c.Tags) != 1 || c.Tags[0] != "x" {
		t.Fatalf("%v", err)
	}
	if got := faultsOf(t, "filebeat.x-base: {}"); !strings.Contains(got, "unknown option") {
		t.Errorf("below the top level: %s", got)
	}
}

package docs_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sluice/elasticsearch"
)

// codes are the code spans of a text.
func codes(text string) (all []string) {
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// rows are the cells of the tables in a part of a page, from a heading to the next
// of the same or a higher level.
func rows(t *testing.T, name, heading string) (all [][]string) {
	t.Helper()
	_, part, ok := strings.Cut("\n"+outside(page(t, name)), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("%s has no heading %q", name, heading)
	}
	level := strings.Repeat("#", strings.IndexByte(heading, ' '))
	for line := range strings.Lines(part) {
		if strings.HasPrefix(line, "#") && len(level) >= strings.IndexByte(line, ' ') {
			break
		}
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		var row []string
		for _, c := range strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ") {
			row = append(row, strings.TrimSpace(c))
		}
		all = append(all, row)
	}
	if len(all) < 2 {
		t.Fatalf("%s: there is no table below %q", name, heading)
	}
	return all
}

// Blocks of the pages that need a node are of the known kinds; what a page shows is
// behind what it runs.
func TestServerBlocks(t *testing.T) {
	for _, name := range append(slices.Clone(serverPages), "elasticsearch.md", "coverage.md") {
		wanted, texts := 0, 0
		for _, b := range blocks(t, name) {
			switch b.Kind {
			case "sh", "yaml", "python":
				if b.Want != "" {
					wanted++
				}
			case "text":
				texts++
			default:
				t.Errorf("%s:%d: a block of kind %q", name, b.Line, b.Kind)
			}
		}
		if wanted != texts {
			t.Errorf("%s: %d text blocks, and only %d right behind a command", name, texts, wanted)
		}
	}
}

// The table of fields in server.md has what the index template has, and nothing else.
func TestServerFields(t *testing.T) {
	text, err := os.ReadFile("../elasticsearch/component-mqtt-mappings.json")
	must(t, err)
	var component struct {
		Template struct {
			Mappings struct {
				Properties map[string]struct {
					Properties json.RawMessage `json:"properties"`
				} `json:"properties"`
			} `json:"mappings"`
		} `json:"template"`
	}
	must(t, json.Unmarshal(text, &component))
	var has, says []string
	for name, field := range component.Template.Mappings.Properties {
		if field.Properties != nil {
			name += ".*"
		}
		has = append(has, name)
	}
	for _, row := range rows(t, "server.md", "# A document")[1:] {
		says = append(says, codes(row[0])...)
	}
	slices.Sort(has)
	slices.Sort(says)
	if !slices.Equal(has, says) {
		t.Errorf("the template has\n%q, server.md\n%q", has, says)
	}
}

// Roles and users of the table are those of the files.
func TestServerRoles(t *testing.T) {
	table := ""
	for _, row := range rows(t, "server.md", "# Who may do what") {
		table += strings.Join(row, " ") + "\n"
	}
	for _, role := range []string{"admin", "reader", "logstash"} {
		if _, err := os.Stat("../elasticsearch/role-" + role + ".json"); err != nil || !strings.Contains(table, "`mqtt-"+role+"`") {
			t.Errorf("mqtt-%s: %v, and the table\n%s", role, err, table)
		}
	}
}

// Each text of the table in elasticsearch.md can be said by the program.
func TestElasticsearchTexts(t *testing.T) {
	said := voice(t, "")
	n := 0
	for _, row := range rows(t, "elasticsearch.md", "# Troubleshooting") {
		for _, text := range codes(row[0]) {
			n++
			if part := lacks(said, text); part != "" {
				t.Errorf("nobody says %q", part)
			}
		}
	}
	if n < 12 {
		t.Errorf("only %d texts found", n)
	}
}

// The lab takes the version that the server does.
func TestLabVersion(t *testing.T) {
	env, err := os.ReadFile("../deploy/server/.env.example")
	must(t, err)
	m := regexp.MustCompile(`(?m)^STACK_VERSION=(.*)$`).FindSubmatch(env)
	if m == nil {
		t.Fatal(".env.example has no STACK_VERSION")
	}
	text := page(t, "elasticsearch.md")
	for _, image := range []string{"elasticsearch/elasticsearch:", "kibana/kibana:"} {
		if !strings.Contains(text, image+string(m[1])) {
			t.Errorf("elasticsearch.md has not %s%s", image, m[1])
		}
	}
}

// dashboards.md names each panel of the dashboard, and the dashboard.
func TestDashboardPanels(t *testing.T) {
	text, err := os.ReadFile("../elasticsearch/dashboard.ndjson")
	must(t, err)
	said := page(t, "dashboards.md")
	panels := ""
	for _, row := range rows(t, "dashboards.md", "# Dashboards")[1:] {
		panels += ", " + row[0]
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		var object struct {
			Type       string
			Attributes struct{ Title string }
		}
		must(t, json.Unmarshal([]byte(line), &object))
		title := object.Attributes.Title
		switch object.Type {
		case "visualization":
			if n++; !strings.Contains(panels+",", ", "+title+",") {
				t.Errorf("dashboards.md does not name the panel %q", title)
			}
		case "dashboard":
			if !strings.Contains(said, title) || !strings.Contains(page(t, "elasticsearch.md"), title) {
				t.Errorf("the dashboard is called %q", title)
			}
		}
	}
	if n < 8 {
		t.Errorf("only %d panels found", n)
	}
}

// What server.md says of memory is what .env has.
func TestServerMemory(t *testing.T) {
	env, err := os.ReadFile("../deploy/server/.env.example")
	must(t, err)
	for setting, said := range map[string]string{
		"ELASTICSEARCH_MEMORY=1700m": "Elasticsearch takes 1.7", "KIBANA_MEMORY=1000m": "Kibana 1.0", "LOGSTASH_MEMORY=850m": "Logstash 0.85",
	} {
		if !strings.Contains(string(env), setting+"\n") || !strings.Contains(page(t, "server.md"), said) {
			t.Errorf(".env.example has not %s, or server.md not %q", setting, said)
		}
	}
}

// allFlags are those of a command and all in it.
func (c *command) allFlags() []string {
	all := slices.Clone(c.flags)
	for _, inner := range c.inner {
		all = append(all, inner.allFlags()...)
	}
	return all
}

// What a page names as a flag or an option is one. Commands and links are looked up
// by TestCommands and TestLinks.
func TestServerNames(t *testing.T) {
	flags := explore(t, program(t)).allFlags()
	reference, err := exec.Command(program(t), "export", "reference").Output()
	must(t, err)
	for _, f := range reflect.VisibleFields(reflect.TypeFor[elasticsearch.Config]()) {
		name, _, _ := strings.Cut(f.Tag.Get("config"), ",")
		reference = append(reference, "\n"+name+":"...)
	}
	fields, err := os.ReadFile("../elasticsearch/component-mqtt-mappings.json")
	must(t, err)
	option := regexp.MustCompile(`^(?:recorder|output|filebeat|dead_letter|backoff)(?:\.[a-z_]+)+$|^[a-z]+(?:_[a-z]+)+$|^[a-z_]+:$`)
	notOurs := []string{"kibana_system", "dht_checksum", "dht_range", "dead_letter_queue", "mosquitto_sub", "filebeat.yml", "restart", "output.elasticsearch", "output.logstash"}
	n := 0
	check := func(name, code string) {
		word, _, _ := strings.Cut(code, " ")
		word, _, _ = strings.Cut(word, "=")
		switch plain := strings.TrimSuffix(word, ":"); {
		case strings.HasPrefix(word, "--"):
			if n++; !slices.Contains(flags, word) {
				t.Errorf("%s: there is no flag %s", name, word)
			}
		case (option.MatchString(word) || option.MatchString(plain)) && !slices.Contains(notOurs, plain) && !strings.Contains(string(fields), `"`+plain+`":`):
			n++
			last := plain[strings.LastIndexByte(plain, '.')+1:]
			if !regexp.MustCompile(`(?m)^[ #-]*` + last + `:`).Match(reference) {
				t.Errorf("%s: there is no option %s", name, plain)
			}
		}
	}
	for _, name := range append(slices.Clone(serverPages), "elasticsearch.md", "coverage.md") {
		for _, code := range codes(outside(page(t, name))) {
			check(name, code)
		}
	}
	if n < 30 {
		t.Errorf("only %d flags and options found", n)
	}
}

// coverage.md speaks of each chapter and each lab, and has an answer in each row.
func TestCoverage(t *testing.T) {
	for heading, asks := range map[string][]string{
		"# The course": {
			"Cameras", "frequency", "Local storage", "Serial port", "Wi-Fi", "Bluetooth", "Ethernet", "database", "MySQL|SQL", "cloud", "REST", "Alternatives", "Real-time",
			"Integrity", "publicly exposed", "role-based", "Audits", "Monitoring", "Backups", "install Python", "install Elasticsearch", "SearchGuard", "install Kibana", "localhost:9200", "dashboard",
		},
		"# The report": {
			"1.1 ", "1.2 ", "1.3 ", "1.4 ", "2.1 ", "2.2 ", "3.1 ", "3.1.1 ", "3.1.2 ", "3.2 ", "3.2.1 ", "3.2.2 ", "3.2.2.1 ", "3.3 ", "4 ", "5 ",
		},
	} {
		table := rows(t, "coverage.md", heading)
		for _, ask := range asks {
			if !slices.ContainsFunc(table, func(row []string) bool { return regexp.MustCompile("(?i)" + ask).MatchString(row[0]) }) {
				t.Errorf("%s: no row for %q", heading, ask)
			}
		}
		for _, row := range table[1:] {
			if len(row) != 2 || len(row[1]) < 8 || !strings.ContainsAny(row[1], "`[") && !strings.Contains(row[1], "not") && !strings.Contains(row[1], "same") && len(row[1]) < 20 {
				t.Errorf("%s: %q gives nothing", heading, row)
			}
		}
	}
}

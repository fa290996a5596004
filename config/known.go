package config

import (
	"slices"
	"strings"
)

// absence says what happens to an option of Filebeat that sluice does not
// have.
type absence struct {
	// refuse makes the option a fault, since without it other events would be
	// sent, or to another place; else it is accepted with one warning.
	refuse bool
	// why follows "not supported by sluice: " or "has no effect: ".
	why string
	// same are values that ask for what sluice does anyway: no fault, no warning.
	same []string
}

// absent holds the options of Filebeat that no struct has, by full name;
// * stands for an entry of a list. A section with enabled: false, and one
// without any value, is passed over (an output without any option counts).
var absent = map[string]absence{
	"filebeat.modules":             {refuse: true, why: "modules need the ingest pipelines of Elasticsearch; list the files under filebeat.inputs"},
	"filebeat.config.modules":      {}, // modules says more
	"filebeat.config.prospectors":  {refuse: true, why: "write the inputs under filebeat.inputs"},
	"filebeat.prospectors":         {refuse: true, why: "it was renamed; write filebeat.inputs"},
	"filebeat.config_dir":          {refuse: true, why: "write the inputs under filebeat.inputs, or give their files as more -c"},
	"filebeat.autodiscover":        {refuse: true, why: "list the files under filebeat.inputs"},
	"filebeat.overwrite_pipelines": {refuse: true, why: "there are no modules; remove it", same: []string{"false"}},
	"filebeat.registry_file":       {refuse: true, why: "it was renamed; write filebeat.registry.path"},
	"filebeat.registry_flush":      {refuse: true, why: "it was renamed; write filebeat.registry.flush"},
	"output.kafka":                 {refuse: true, why: "use output.logstash; Logstash can write to Kafka"},
	"output.redis":                 {refuse: true, why: "use output.logstash; Logstash can write to Redis"},
	"output.discard":               {refuse: true, why: "use output.logstash"},
	"setup":                        {why: "index templates, lifecycle policies and dashboards are loaded on the server; remove it"},
	"monitoring":                   {refuse: true, why: "there is no monitoring cluster; remove it"},
	"xpack":                        {refuse: true, why: "there is no monitoring cluster; remove it"},
	"cloud":                        {refuse: true, why: "name the server under output.logstash.hosts; remove it"},
	"management":                   {refuse: true, why: "there is no central management; remove it"},
	"instrumentation":              {refuse: true, why: "there is no tracing; remove it"},
	"apm":                          {refuse: true, why: "there is no tracing; remove it"},
	"seccomp":                      {refuse: true, why: "restrict system calls in the systemd unit (SystemCallFilter); remove it"},
	"features":                     {why: "there are no feature flags"},
	"timestamp.precision":          {why: "times are in milliseconds", same: []string{"millisecond"}},
	"logging.to_eventlog":          {why: "logs go to standard error", same: []string{"false"}},
	"logging.event_data":           {why: "events are never logged"},
	"logging.ecs":                  {why: "the JSON log lines have the fields time, level, component, message", same: []string{"false"}},

	"filebeat.inputs.*.take_over":                            {why: "the state of a file is continued whatever input it was of", same: []string{"false"}},
	"filebeat.inputs.*.read_until_eof":                       {why: "a stop waits for filebeat.shutdown_timeout"},
	"filebeat.inputs.*.include_file_owner_name":              {why: "events do not name the file's owner", same: []string{"false"}},
	"filebeat.inputs.*.include_file_owner_group_name":        {why: "events do not name the file's group", same: []string{"false"}},
	"filebeat.inputs.*.close.on_state_change.check_interval": {why: "open files are looked at in each scan"},
	"filebeat.inputs.*.allow_deprecated_id_duplication":      {why: "two filestream inputs may not share an id", same: []string{"false"}},
	"filebeat.inputs.*.legacy_clean_inactive":                {why: "clean_inactive must always be greater than ignore_older and the scan interval", same: []string{"false"}},

	"output.logstash.queue":      {why: "the followed files themselves are the queue"},
	"output.elasticsearch.queue": {why: "the followed files themselves are the queue"},
	"output.file.queue":          {why: "the followed files themselves are the queue"},
	"output.console.queue":       {why: "the followed files themselves are the queue"},

	"output.elasticsearch.allow_older_versions": {why: "any version is tried", same: []string{"true"}},
	"output.elasticsearch.kerberos":             {refuse: true, why: "use api_key, or username and password"},
	"output.elasticsearch.non_indexable_policy": {why: "what the server refuses goes to the file dead_letter.path"},
}

// known handles a name that is an option of Filebeat which sluice does not
// have; false when it is not.
func (d *decoder) known(m member, full string) bool {
	generic := generalName(full)
	if a, ok := absent[generic]; ok {
		d.apply(a, m, full)
		return true
	}
	if !isAbsentSection(generic) {
		return false
	}
	if m.value.kind != mapKind {
		if !m.value.isNull() {
			d.faults.add(m.value.at, full, "wants a section of options (name: value), found %s", m.value.describe(isSecret(full)))
		}
		return true
	}
	for _, inner := range m.value.members {
		if name := join(full, inner.key); !d.known(inner, name) {
			d.faults.add(inner.at, name, "unknown option")
		}
	}
	return true
}

func isAbsentSection(generic string) bool {
	for name := range absent {
		if strings.HasPrefix(name, generic+".") {
			return true
		}
	}
	return false
}

func (d *decoder) apply(a absence, m member, full string) {
	isOutput := strings.HasPrefix(full, "output.")
	if m.value.isNull() && !isOutput || isDisabled(m.value) {
		return
	}
	if m.value.kind == scalarKind {
		text := m.value.text
		if b, ok := boolean(text); ok {
			text = "false"
			if b {
				text = "true"
			}
		}
		if slices.Contains(a.same, text) {
			return
		}
	}
	if a.refuse {
		d.faults.add(m.at, full, "not supported by sluice: %s", a.why)
		return
	}
	if a.why != "" {
		d.faults.warn(m.at, full, "has no effect: %s", a.why)
	}
}

// isDisabled tells whether a section is switched off with enabled: false.
func isDisabled(n *node) bool {
	enabled := n.get("enabled")
	if enabled == nil || enabled.kind != scalarKind {
		return false
	}
	on, ok := boolean(enabled.text)
	return ok && !on
}

// generalName replaces the numbers of list entries by *.
func generalName(full string) string {
	parts := strings.Split(full, ".")
	for i, part := range parts {
		if _, ok := entryNumber(part); ok {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, ".")
}

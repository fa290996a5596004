package processor_test

import (
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"sluice/config"
	"sluice/internal/event"
	"sluice/internal/processor"
)

// Every option of these processors, as a configuration writes it.
const everyOption = `
filebeat.inputs:
- {type: filestream, id: a, paths: [/var/log/a.log]}
output.logstash.hosts: [localhost]
processors:
- add_observer_metadata: {cache.ttl: 1m, netinfo.enabled: false, geo: {name: n, location: '40.7, -74.0', continent_name: a, country_iso_code: b, country_name: c, region_name: d, region_iso_code: e, city_name: f}}
- add_network_direction: {source: source.ip, destination: destination.ip, target: network.direction, internal_networks: [private, 192.0.2.0/24]}
- add_formatted_index: {index: '%{[message]}-%{+yyyy.MM.dd}'}
- extract_field: {field: message, separator: ' ', index: 1, target: second.word}
- add_process_metadata: {match_pids: [process.pid], target: x, include_fields: [process.name], ignore_missing: false, overwrite_keys: true, restricted_fields: true, host_path: /, cgroup_prefixes: [/docker], cgroup_cache_expire_time: 0}
- add_process_metadata: {match_pids: process.pid, cgroup_regex: 'x(y)'}
- cache: {backend: {memory.id: m, capacity: 5}, put: {key_field: message, value_field: message, ttl: 168h}, ignore_missing: false, ignore_failure: true, overwrite_keys: true}
- cache: {backend.memory: {id: m}, get: {key_field: message, target_field: cached.message}}
- cache: {backend.file: {id: f, write_interval: 1m}, delete.key_field: message}
- community_id: {fields: {source_ip: a, source_port: b, destination_ip: c, destination_port: d, iana_number: e, transport: f, icmp_type: g, icmp_code: h}, target: t, seed: 65535}
- decode_base64_field: {field: {from: base64, to: plain}, ignore_missing: true, fail_on_error: false}
- decode_duration: {field: duration, format: hours}
- decode_xml: {field: xml, target_field: "", overwrite_keys: false, to_lower: false, document_id: a, ignore_missing: true, ignore_failure: true}
- decompress_gzip_field: {field: {from: gzip, to: plain}, ignore_missing: true, fail_on_error: false}
- detect_mime_type: {field: message, target: '@metadata.mime'}
- dns:
    type: reverse
    action: append
    transport: tls
    fields: {server.ip: server.domain, client: {ip: client.domain}}
    success_cache: {capacity.initial: 10, capacity.max: 100, min_ttl: 1m, enabled: true}
    failure_cache: {capacity: {initial: 10, max: 100}, ttl: 1m, enabled: false}
    nameservers: ['192.0.2.1', '203.0.113.1']
    timeout: 500ms
    tag_on_failure: [_dns_reverse_lookup_failed]
- extract_array: {field: list, mappings: {a.b: 0, c: 1}, ignore_missing: true, overwrite_keys: true, fail_on_error: false, omit_empty: true}
- lowercase: {fields: [Message], values: [message], ignore_missing: true, fail_on_error: false, full_path: true}
- uppercase: {fields: [], values: message, alter_full_field: true}
- append: {target_field: all, fields: [message], values: [x, 1, ~], ignore_empty_values: true, fail_on_error: false, allow_duplicate: false, ignore_missing: true}
- move_fields: {from: second, fields: [word], exclude: [x], to: 'moved.', ignore_missing: true}
- registered_domain: {field: d, target_field: a, target_etld_field: b, target_subdomain_field: c, ignore_missing: true, ignore_failure: true, id: x}
- syslog: {field: message, format: auto, timezone: '+0200', overwrite_keys: true, ignore_missing: true, ignore_failure: true, tag: t, when.has_fields: [nope]}
- urldecode: {fields: [{from: url, to: plain}], ignore_missing: true, fail_on_error: false}
`

func TestEveryOption(t *testing.T) {
	cfg, err := config.Parse("filebeat.yml", []byte(everyOption))
	if err != nil {
		t.Fatal(err)
	}
	chain, err := processor.Compile(cfg.Processors, processor.Env{Log: zerolog.Nop(), DataPath: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	e := &event.Event{Fields: map[string]any{"message": "first second"}}
	if !chain.Run(e) {
		t.Error("dropped")
	}
	if err := chain.Close(); err != nil {
		t.Error(err)
	}
	delete(e.Fields, "observer")
	got := string(e.AppendJSON(nil, event.Base{}, false))
	for _, want := range []string{`"all":["FIRST SECOND","x",1]`, `"message":"FIRST SECOND"`, `"cached":{"message":"first second"}`, `"moved":{"word":"second"}`, `"mime":"text/plain; charset=utf-8"`, `"raw_index":"first second-0001.01.01"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
}

func TestRefusals(t *testing.T) {
	for options, want := range map[string]string{
		"script: {lang: javascript, source: x}":             "not supported by sluice",
		"lowercase: {fields: [a], when.has_fields: [a]}":    "unknown option",
		"lowercase: {values: [a]}":                          "fields: is required",
		"add_network_direction: {source: a}":                "internal_networks",
		"community_id: {seed: 65536}":                       "too large",
		"cache: {backend.memory.id: m}":                     "exactly one of put, get and delete",
		"extract_array: {field: l, mappings: {a.b: first}}": "mappings.a.b",
	} {
		text := "output.logstash.hosts: [localhost]\nfilebeat.inputs: [{type: log, allow_deprecated_use: true, paths: [/x]}]\nprocessors: [{" + options + "}]\n"
		_, err := config.Parse("filebeat.yml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", options, err, want)
		}
	}
}

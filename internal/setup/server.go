package setup

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"sluice/internal/pki"
)

// Names on the server.
const (
	serverRepository = "mqtt-backup"
	serverSnapshots  = "mqtt-daily"
	// serverRollover is the longest time that a data stream writes into one index.
	serverRollover = 30
)

// Server is what "setup server --apply" puts into Elasticsearch or OpenSearch:
// templates, pipeline, lifecycle, roles, users, backup, and dashboards.
type Server struct {
	// URL of the server: https://HOST:9200. CA is the file of the authority that its
	// certificate is from, and Kibana's; empty: those of the system.
	URL, CA string
	// Auth is the header Authorization; see BasicAuth and KeyAuth. It is a secret.
	Auth string
	// KeepDays is how long readings stay.
	KeepDays int
	// Replicas of each index; more than 0 needs more than one server.
	Replicas int
	// DataStream adds the template and lifecycle of the data stream mqtt-stream.
	DataStream bool
	// Snapshots is the folder of backups on the server, which path.repo must allow;
	// empty: no backup.
	Snapshots string
	// Secrets is the folder where users' passwords lie, as USER.password; those that
	// are missing are made. Empty: no users.
	Secrets string
	// Sites get a role and a user each, who see that site only.
	Sites []string
	// Audit and Monitoring switch on what the server has of them.
	Audit, Monitoring bool
	// Kibana is its URL, where the dashboard goes; empty: nowhere.
	Kibana string
	// Gateway is a gateway that gets an API key, or with OpenSearch a user; then
	// nothing else is done. See gatewayAccess.
	Gateway GatewayAccess
}

// Validate fails where an option makes no sense.
func (o *Server) Validate() error {
	switch {
	case o.KeepDays < 1 || o.KeepDays > 36500:
		return errors.New("--keep must be between 1d and 36500d")
	case o.Replicas < 0 || o.Replicas > 10:
		return errors.New("--replicas must be between 0 and 10")
	case o.Snapshots != "" && !filepath.IsAbs(o.Snapshots):
		return fmt.Errorf("--snapshots: %q must be an absolute path on the server", o.Snapshots)
	case len(o.Sites) > 0 && o.Secrets == "":
		return errors.New("--site makes a user: give --secrets FOLDER for the password")
	}
	for _, site := range o.Sites {
		if err := pki.CheckName(site); err != nil {
			return fmt.Errorf("--site: %w", err)
		}
	}
	return o.Gateway.validate()
}

// Apply does it.
func (o *Server) Apply(ctx context.Context, s *Session) error {
	if err := o.Validate(); err != nil {
		return err
	}
	c, err := newServerClient("--apply", o.URL, "9200", o.CA, o.Auth)
	if err != nil {
		return err
	}
	k, err := c.look(ctx)
	if err != nil {
		return err
	}
	steps := []Step{Note(c.base + " is " + k.String())}
	if c.open() && o.Auth != "" {
		steps = append(steps, Note("this is plain HTTP: the password or API key can be read on the way"))
	}
	if o.Gateway.Name != "" {
		more, err := o.gatewaySteps(c, k)
		if err != nil {
			return err
		}
		return s.Apply(ctx, append(steps, more...)...)
	}
	steps = append(steps, o.lifecycles(c, k)...)
	steps = append(steps, o.templates(c, k)...)
	steps = append(steps, o.roles(c, k)...)
	steps = append(steps, o.users(c, k)...)
	steps = append(steps, o.snapshots(c, k)...)
	steps = append(steps, o.extras(c, k)...)
	if o.Kibana != "" {
		dashboards, err := o.dashboards(k)
		if err != nil {
			return err
		}
		steps = append(steps, dashboards)
	}
	return s.Apply(ctx, steps...)
}

func days(n int) string { return fmt.Sprintf("%dd", n) }

// lifecycles: a data stream's index is deleted some time after its last reading.
func (o *Server) lifecycles(c *serverClient, k *serverKind) (steps []Step) {
	add := func(name, file string, stream bool) {
		object := serverObject{client: c, what: "lifecycle " + name, without: k.noLifecycle}
		if k.openSearch {
			object.path, object.counted = "/_plugins/_ism/policies/"+name, true
			object.body = serverFile("opensearch-" + file)
			age, hot := "min_index_age", []string{"policy", "states", "0"}
			if stream {
				age = "min_rollover_age"
				put(inside(object.body, append(hot, "actions", "0", "rollover")...), days(min(o.KeepDays, serverRollover)), "min_index_age")
			}
			put(inside(object.body, append(hot, "transitions", "0", "conditions")...), days(o.KeepDays), age)
		} else {
			object.path, object.in = "/_ilm/policy/"+name, []string{name}
			object.body = serverFile(file)
			put(object.body, days(o.KeepDays), "policy", "phases", "delete", "min_age")
			if stream {
				put(object.body, days(min(o.KeepDays, serverRollover)), "policy", "phases", "hot", "actions", "rollover", "max_age")
			}
		}
		steps = append(steps, object)
	}
	add("mqtt", "lifecycle.json", false)
	if o.DataStream && (k.openSearch || k.atLeast(7, 9)) {
		add("mqtt-stream", "lifecycle-datastream.json", true)
	}
	return steps
}

// templates: what they are composed of comes first.
func (o *Server) templates(c *serverClient, k *serverKind) []Step {
	pipeline := serverObject{
		client: c, what: "ingest pipeline mqtt", path: "/_ingest/pipeline/mqtt", in: []string{"mqtt"},
		body: serverFile("ingest-mqtt.json"), exact: []string{"processors", "on_failure"},
		lacking: lacksPart("No processor type exists with name", "script_lang not supported"),
	}
	if !k.openSearch && !k.atLeast(7, 8) {
		return append(o.oldTemplate(c, k), pipeline)
	}
	settings := serverComponent(c, "mqtt-settings")
	put(settings.body, o.Replicas, "template", "settings", "index.number_of_replicas")
	if !k.openSearch && k.atLeast(8, 14) {
		// A device that invents ever new names does not cost its readings.
		put(settings.body, true, "template", "settings", "index.mapping.total_fields.ignore_dynamic_beyond_limit")
	}
	steps := []Step{serverComponent(c, "mqtt-mappings"), settings, serverTemplate(c, k, "mqtt", "index-template.json")}
	if o.DataStream {
		stream := serverTemplate(c, k, "mqtt-stream", "index-template-datastream.json")
		stream.lacking = lacksPart("unknown field [data_stream]")
		steps = append(steps, stream)
	}
	return append(steps, pipeline)
}

func serverComponent(c *serverClient, name string) serverObject {
	return serverObject{
		client: c, what: "component template " + name, path: "/_component_template/" + name,
		in: []string{"component_templates", "0", "component_template"}, body: serverFile("component-" + name + ".json"),
		exact: []string{"template"},
	}
}

// serverTemplate is an index template. In OpenSearch the lifecycle names its
// indices, and not they it.
func serverTemplate(c *serverClient, k *serverKind, name, file string) serverObject {
	body := serverFile(file)
	if !k.openSearch && k.noLifecycle == "" {
		put(body, name, "template", "settings", "index.lifecycle.name")
	}
	return serverObject{
		client: c, what: "index template " + name, path: "/_index_template/" + name,
		in: []string{"index_templates", "0", "index_template"}, body: body, exact: []string{"template"},
	}
}

// oldTemplate is that of Elasticsearch before 7.8, in one piece.
func (o *Server) oldTemplate(c *serverClient, k *serverKind) []Step {
	t := serverObject{
		client: c, what: "index template mqtt", path: "/_template/mqtt", in: []string{"mqtt"},
		body: serverFile("index-template-7.6.json"), exact: []string{"mappings"},
	}
	put(t.body, o.Replicas, "settings", "index.number_of_replicas")
	if k.noLifecycle == "" {
		put(t.body, "mqtt", "settings", "index.lifecycle.name")
	}
	if !o.DataStream {
		return []Step{t}
	}
	return []Step{t, serverObject{what: "index template mqtt-stream", without: "Elasticsearch has data streams since 7.9"}}
}

// snapshots: a repository, and a backup into it each night.
func (o *Server) snapshots(c *serverClient, k *serverKind) []Step {
	if o.Snapshots == "" {
		return []Step{Note("no backup: --snapshots FOLDER names the folder on the server where it goes")}
	}
	repository := serverObject{
		client: c, what: "snapshot repository " + serverRepository, path: "/_snapshot/" + serverRepository,
		in: []string{serverRepository}, body: serverFile("snapshot-repository.json"),
		mend: "the folder must be below path.repo in elasticsearch.yml (opensearch.yml), and the server must be able to write to it",
	}
	put(repository.body, o.Snapshots, "settings", "location")
	policy := serverObject{client: c, what: "snapshot policy " + serverSnapshots, without: k.noSnapshotPolicy}
	if policy.without != "" {
		policy.without += "; let cron PUT /_snapshot/" + serverRepository + "/NAME each night"
	}
	if k.openSearch {
		policy.path, policy.in = "/_plugins/_sm/policies/"+serverSnapshots, []string{"sm_policy"}
		policy.create, policy.counted = "POST", true
		policy.body = serverFile("opensearch-snapshot-policy.json")
	} else {
		policy.path, policy.in = "/_slm/policy/"+serverSnapshots, []string{serverSnapshots, "policy"}
		policy.body = serverFile("snapshot-policy.json")
	}
	return []Step{repository, policy}
}

// extras are audit and monitoring.
func (o *Server) extras(c *serverClient, k *serverKind) (steps []Step) {
	settings := func(what, file, without string) Step {
		return serverObject{
			client: c, what: what, path: "/_cluster/settings", read: "/_cluster/settings?flat_settings=true",
			body: serverFile(file), without: without,
		}
	}
	switch {
	case o.Audit && k.openSearch:
		steps = append(steps, serverObject{
			client: c, what: "audit log", path: "/_plugins/_security/api/audit/config", read: "/_plugins/_security/api/audit",
			in: []string{"config"}, body: serverFile("opensearch-audit.json"), without: k.noSecurity,
		})
	case o.Audit:
		steps = append(steps, settings("log of administrators' requests", "audit-requests.json", ""),
			Note("who does it is in the audit log proper, which needs the licence Platinum and xpack.security.audit.enabled: true in elasticsearch.yml"))
	}
	if o.Monitoring {
		steps = append(steps, settings("monitoring of itself", "monitoring.json", k.noMonitoring))
	}
	return steps
}

// dashboards puts the saved objects into Kibana.
func (o *Server) dashboards(k *serverKind) (Step, error) {
	c, err := newServerClient("--kibana", o.Kibana, "5601", o.CA, o.Auth)
	if err != nil {
		return nil, err
	}
	if k.openSearch {
		return serverObject{what: "dashboard", without: "it is for Kibana, and OpenSearch has Dashboards of its own"}, nil
	}
	return kibanaImport{client: c}, nil
}

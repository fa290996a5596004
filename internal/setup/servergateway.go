package setup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"sluice/internal/keystore"
	"sluice/internal/pki"
)

// Keys of the keystore, for the configuration of a gateway.
const (
	ElasticKeyName      = "ELASTIC_API_KEY"
	ElasticPasswordName = "ELASTIC_PASSWORD"
)

// GatewayAccess is a gateway's right to write, and nothing else: with Elasticsearch
// an API key sluice-NAME, with OpenSearch, which has none, a user NAME.
type GatewayAccess struct {
	// Name of the gateway; empty: none.
	Name string
	// File gets the key as id:key, or the password, with mode 600; empty: none. It is
	// on this machine.
	File string
	// Keystore gets it instead, as ElasticKeyName or ElasticPasswordName. It is made
	// if missing; empty: none.
	Keystore string
	// New makes another one, and withdraws the earlier ones.
	New bool
}

func (g *GatewayAccess) validate() error {
	switch {
	case g.Name == "" && (g.File != "" || g.Keystore != "" || g.New):
		return errors.New("--key-file, --keystore and --new-key belong to --gateway NAME")
	case g.Name == "":
		return nil
	case (g.File == "") == (g.Keystore == ""):
		return errors.New("--gateway wants --key-file FILE or --keystore FILE, not both")
	}
	if err := pki.CheckName(g.Name); err != nil {
		return fmt.Errorf("--gateway: %w", err)
	}
	return nil
}

// held reads the secret that lies here; "" where there is none.
func (g *GatewayAccess) held(s *Session, name string) (string, error) {
	if g.File != "" {
		return readPasswordFile(s.Path(g.File))
	}
	if !keystore.Exists(s.Path(g.Keystore)) {
		return "", nil
	}
	store, err := keystore.Open(s.Path(g.Keystore))
	if err != nil {
		return "", err
	}
	value, _ := store.Get(name)
	return value, nil
}

// keep is the step that stores the secret.
func (g *GatewayAccess) keep(name, value string) Step {
	if g.File != "" {
		return File{Path: g.File, Content: []byte(value + "\n"), Mode: 0o600, Secret: true, NoBackup: true}
	}
	return secret{Keystore: g.Keystore, Name: name, Value: value}
}

// place is where the secret is, for people.
func (g *GatewayAccess) place(name string) string {
	if g.File != "" {
		return g.File
	}
	return name + " in the keystore " + g.Keystore
}

func (o *Server) gatewaySteps(c *serverClient, k *serverKind) ([]Step, error) {
	if k.noSecurity != "" {
		return nil, fmt.Errorf("--gateway: there are no rights to give: %s", k.noSecurity)
	}
	if k.openSearch {
		return []Step{o.role(c, k, roleWriter), gatewayUser{serverUser{client: c, kind: k, name: o.Gateway.Name, role: roleWriter}, &o.Gateway},
			Note("in sluice.yml: output.elasticsearch: {username: " + o.Gateway.Name + ", password: \"${" + ElasticPasswordName + "}\"}")}, nil
	}
	body := serverFile("api-key.json")
	put(body, "sluice-"+o.Gateway.Name, "name")
	oldPrivileges(k, inside(body, "role_descriptors", roleWriter))
	return []Step{gatewayKey{client: c, body: body, name: "sluice-" + o.Gateway.Name, g: &o.Gateway, single: !k.atLeast(7, 10)},
		Note("in sluice.yml: output.elasticsearch.api_key: \"${" + ElasticKeyName + "}\"")}, nil
}

// gatewayUser is a gateway's user.
type gatewayUser struct {
	serverUser
	g *GatewayAccess
}

func (u gatewayUser) do(ctx context.Context, s *Session) (report, error) {
	now, err := u.client.do(ctx, http.MethodGet, u.path(), nil)
	if err != nil {
		return report{}, err
	}
	if !now.ok() && now.status != http.StatusNotFound {
		return report{}, fmt.Errorf("user %s: %w", u.name, u.client.refused(http.MethodGet, u.path(), now))
	}
	have, there := at(now.body, []string{u.name})
	there = there && now.ok()
	if there && !covers(have, u.body("")) {
		return report{}, fmt.Errorf("user %s is there, and has other roles than %s: choose another name for the gateway", u.name, u.role)
	}
	password, err := u.g.held(s, ElasticPasswordName)
	if err != nil {
		return report{}, err
	}
	if there && !u.g.New {
		fits, err := u.fits(ctx, password)
		if err != nil {
			return report{}, err
		}
		if !fits {
			return report{}, fmt.Errorf("user %s is there, and its password is not that of %s: --new-key gives it a new one", u.name, u.g.place(ElasticPasswordName))
		}
		return report{verb: "same", line: fmt.Sprintf("user %s, password: %s", u.name, u.g.place(ElasticPasswordName))}, nil
	}
	if password == "" || u.g.New {
		password = newPassword()
		// Stored first: what fails later leaves a password that a second run sets.
		if err := s.Apply(ctx, u.g.keep(ElasticPasswordName, password)); err != nil {
			return report{}, err
		}
	}
	return u.write(ctx, s, password)
}

// gatewayKey is a gateway's API key.
type gatewayKey struct {
	client *serverClient
	body   map[string]any
	name   string
	g      *GatewayAccess
	single bool // one at a time is withdrawn: before Elasticsearch 7.10
}

func (a gatewayKey) do(ctx context.Context, s *Session) (report, error) {
	ids, err := a.valid(ctx)
	if err != nil {
		return report{}, err
	}
	held, err := a.g.held(s, ElasticKeyName)
	if err != nil {
		return report{}, err
	}
	place := a.g.place(ElasticKeyName)
	if len(ids) > 0 && !a.g.New {
		if !slices.ContainsFunc(ids, func(id string) bool { return len(held) > len(id) && held[:len(id)+1] == id+":" }) {
			return report{}, fmt.Errorf("there is an API key %s, and it is not in %s: --new-key makes another one, and withdraws that", a.name, place)
		}
		return report{verb: "same", line: "API key " + a.name + ": " + place}, nil
	}
	r := report{verb: "put", line: "API key " + a.name + ": " + place, changed: true}
	if s.DryRun {
		r.detail = File{Content: indented(a.body)}.shown()
		return r, nil
	}
	if err := a.writable(s); err != nil {
		return report{}, err
	}
	key, id, err := a.make(ctx)
	if err != nil {
		return report{}, err
	}
	if err := s.Apply(ctx, a.g.keep(ElasticKeyName, key)); err != nil {
		return report{}, errors.Join(err, a.withdraw(context.WithoutCancel(ctx), []string{id}))
	}
	if len(ids) > 0 {
		r.line += fmt.Sprintf("; %d withdrawn", len(ids))
	}
	return r, a.withdraw(ctx, ids)
}

// writable fails early where the secret could not be stored.
func (a gatewayKey) writable(s *Session) error {
	path := a.g.File
	if path == "" {
		path = a.g.Keystore
	}
	dir := filepath.Dir(s.Path(path))
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("folder of the key: %w: make it first", err)
	case !info.IsDir():
		return fmt.Errorf("folder of the key: %s is no folder", dir)
	}
	return nil
}

// valid returns the ids of the gateway's keys that were not withdrawn.
func (a gatewayKey) valid(ctx context.Context) (ids []string, err error) {
	path := "/_security/api_key?name=" + url.QueryEscape(a.name)
	r, err := a.client.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	if r.status == http.StatusNotFound {
		return nil, nil
	}
	if !r.ok() {
		return nil, fmt.Errorf("API key %s: %w", a.name, a.client.refused(http.MethodGet, path, r))
	}
	keys, _ := r.body["api_keys"].([]any)
	for _, key := range keys {
		k, _ := key.(map[string]any)
		id, _ := k["id"].(string)
		if k["name"] == a.name && k["invalidated"] != true && id != "" {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// make makes a key and returns it as id:key.
func (a gatewayKey) make(ctx context.Context) (key, id string, err error) {
	const path = "/_security/api_key"
	r, err := a.client.do(ctx, http.MethodPost, path, a.body)
	if err != nil {
		return "", "", err
	}
	if !r.ok() {
		return "", "", fmt.Errorf("API key %s: %w", a.name, a.client.refused(http.MethodPost, path, r))
	}
	id, _ = r.body["id"].(string)
	value, _ := r.body["api_key"].(string)
	if id == "" || value == "" {
		return "", "", fmt.Errorf("API key %s: the server's answer has no id and key", a.name) // which is not shown: it may have a part of it
	}
	return id + ":" + value, id, nil
}

func (a gatewayKey) withdraw(ctx context.Context, ids []string) error {
	if a.single {
		var all error
		for _, id := range ids {
			all = errors.Join(all, a.delete(ctx, map[string]any{"id": id}))
		}
		return all
	}
	if len(ids) == 0 {
		return nil
	}
	return a.delete(ctx, map[string]any{"ids": ids})
}

func (a gatewayKey) delete(ctx context.Context, which map[string]any) error {
	const path = "/_security/api_key"
	r, err := a.client.do(ctx, http.MethodDelete, path, which)
	if err == nil && !r.ok() {
		err = a.client.refused(http.MethodDelete, path, r)
	}
	if err != nil {
		return fmt.Errorf("withdraw API keys %v: %w", which, err)
	}
	return nil
}

package setup

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// BasicAuth is the header Authorization of a user. It is a secret.
func BasicAuth(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// KeyAuth is the header Authorization of an API key, id:key or its base64 form. It
// is a secret.
func KeyAuth(key string) string {
	if strings.Contains(key, ":") {
		key = base64.StdEncoding.EncodeToString([]byte(key))
	}
	return "ApiKey " + key
}

// The roles, and the users beside gateways, who are called like theirs.
const (
	roleWriter   = "mqtt-writer"
	roleLogstash = "mqtt-logstash"
	roleReader   = "mqtt-reader"
	roleAdmin    = "mqtt-admin"
)

// role reads a role's file, in the form of the server.
func (o *Server) role(c *serverClient, k *serverKind, name string) serverObject {
	file := "role-" + strings.TrimPrefix(name, "mqtt-") + ".json"
	r := serverObject{client: c, what: "role " + name, in: []string{name}, without: k.noSecurity}
	if k.openSearch {
		r.path, r.body = "/_plugins/_security/api/roles/"+name, serverFile("opensearch-"+file)
		r.exact = []string{"cluster_permissions", "tenant_permissions"}
		return r
	}
	r.path, r.body = "/_security/role/"+name, serverFile(file)
	r.exact = []string{"cluster"}
	oldPrivileges(k, r.body)
	return r
}

// oldPrivileges takes those that an earlier Elasticsearch has in place of those of
// the file: before 7.9 there was no auto_configure.
func oldPrivileges(k *serverKind, role map[string]any) {
	if k.atLeast(7, 9) {
		return
	}
	privileges, _ := at(role, []string{"indices", "0", "privileges"})
	list, _ := privileges.([]any)
	if i := slices.Index(list, any("auto_configure")); i >= 0 {
		list[i] = "create_index"
	}
}

func (o *Server) roles(c *serverClient, k *serverKind) (steps []Step) {
	for _, name := range []string{roleWriter, roleLogstash, roleReader, roleAdmin} {
		steps = append(steps, o.role(c, k, name))
	}
	for _, site := range o.Sites {
		steps = append(steps, o.siteRole(c, k, site))
	}
	return steps
}

// siteRole is a reader's role with a filter.
func (o *Server) siteRole(c *serverClient, k *serverKind, site string) serverObject {
	r := o.role(c, k, roleReader)
	name := roleReader + "-" + site
	r.what, r.path, r.in = "role "+name, strings.TrimSuffix(r.path, roleReader)+name, []string{name}
	if k.noSecurity == "" {
		r.without = k.noFilters
	}
	filter := fmt.Sprintf(`{"term":{"site":%q}}`, site)
	if k.openSearch {
		put(inside(r.body, "index_permissions", "0"), filter, "dls")
	} else {
		put(inside(r.body, "indices", "0"), filter, "query")
	}
	return r
}

func (o *Server) users(c *serverClient, k *serverKind) (steps []Step) {
	switch {
	case o.Secrets == "" && k.noSecurity == "":
		return []Step{Note("no users: --secrets FOLDER names the folder where their passwords lie or are made")}
	case o.Secrets == "":
		return nil
	}
	user := func(name, without string) serverUser {
		return serverUser{client: c, kind: k, name: name, role: name, file: filepath.Join(o.Secrets, name+".password"), without: without}
	}
	if k.noSecurity == "" {
		steps = append(steps, secretDir(o.Secrets))
	}
	for _, name := range []string{roleLogstash, roleReader, roleAdmin} {
		steps = append(steps, user(name, k.noSecurity))
	}
	for _, site := range o.Sites {
		steps = append(steps, user(roleReader+"-"+site, k.noFilters))
	}
	return steps
}

// secretDir is a folder of secrets; one that is there stays as it is.
type secretDir string

func (d secretDir) do(ctx context.Context, s *Session) (report, error) {
	if info, err := os.Stat(s.Path(string(d))); err == nil && info.IsDir() {
		return report{verb: "same", line: string(d) + "/"}, nil
	}
	return Dir{Path: string(d), Mode: 0o700}.do(ctx, s)
}

// serverUser is a user whose password lies in a file. The file is made if it is
// missing; what it holds becomes the user's password.
type serverUser struct {
	client     *serverClient
	kind       *serverKind
	name, role string
	file       string
	without    string
}

func (u serverUser) path() string {
	if u.kind.openSearch {
		return "/_plugins/_security/api/internalusers/" + u.name
	}
	return "/_security/user/" + u.name
}

func (u serverUser) body(password string) map[string]any {
	body := map[string]any{}
	if u.kind.openSearch {
		body["opendistro_security_roles"] = []any{u.role}
		body["description"] = "sluice"
	} else {
		body["roles"] = []any{u.role}
		body["full_name"] = "sluice"
	}
	if password != "" {
		body["password"] = password
	}
	return body
}

func (u serverUser) do(ctx context.Context, s *Session) (report, error) {
	what := fmt.Sprintf("user %s  (password in %s)", u.name, u.file)
	if u.without != "" {
		return report{verb: "skip", line: "user " + u.name + ": " + u.without}, nil
	}
	now, err := u.client.do(ctx, http.MethodGet, u.path(), nil)
	if err != nil {
		return report{}, err
	}
	if !now.ok() && now.status != http.StatusNotFound {
		return report{}, fmt.Errorf("user %s: %w", u.name, u.client.refused(http.MethodGet, u.path(), now))
	}
	password, err := readPasswordFile(s.Path(u.file))
	if err != nil {
		return report{}, err
	}
	if have, there := at(now.body, []string{u.name}); there && now.ok() && covers(have, u.body("")) {
		switch fits, err := u.fits(ctx, password); {
		case err != nil:
			return report{}, err
		case password == "":
			return report{verb: "same", line: fmt.Sprintf("user %s  (its password is not in %s)", u.name, u.file)}, nil
		case fits:
			return report{verb: "same", line: what}, nil
		}
	} else if there && now.ok() && password == "" {
		return u.write(ctx, s, "") // it keeps the password that nobody here knows
	}
	if password == "" {
		password = newPassword()
		if err := s.Apply(ctx, File{Path: u.file, Content: []byte(password + "\n"), Mode: 0o600, Secret: true}); err != nil {
			return report{}, err
		}
	}
	return u.write(ctx, s, password)
}

// fits tells whether the password is the user's. Asked for the version, a server
// says 200 or, to those without that right, 403.
func (u serverUser) fits(ctx context.Context, password string) (bool, error) {
	if password == "" {
		return false, nil
	}
	c := *u.client
	c.auth = BasicAuth(u.name, password)
	r, err := c.do(ctx, http.MethodGet, "/", nil)
	if err != nil {
		return false, err
	}
	return r.status != http.StatusUnauthorized, nil
}

func (u serverUser) write(ctx context.Context, s *Session, password string) (report, error) {
	r := report{verb: "put", line: fmt.Sprintf("user %s with the role %s", u.name, u.role), changed: true}
	if password != "" && u.file != "" {
		r.line += ", password in " + u.file
	}
	if s.DryRun {
		return r, nil
	}
	done, err := u.client.do(ctx, http.MethodPut, u.path(), u.body(password))
	if err != nil {
		return report{}, err
	}
	if !done.ok() {
		return report{}, fmt.Errorf("user %s: %w", u.name, u.client.refused(http.MethodPut, u.path(), done))
	}
	return r, nil
}

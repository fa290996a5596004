package setup

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
)

// serverKind is what a server is, and what it can do.
type serverKind struct {
	openSearch bool
	number     string // such as 8.19.5
	major      int
	minor      int
	// What it can't do, each with the reason; "" where it can.
	noLifecycle, noSecurity, noSnapshotPolicy, noMonitoring, noFilters string
}

func (k *serverKind) String() string {
	if k.openSearch {
		return "OpenSearch " + k.number
	}
	return "Elasticsearch " + k.number
}

// atLeast compares with a version of Elasticsearch.
func (k *serverKind) atLeast(major, minor int) bool {
	return k.major > major || k.major == major && k.minor >= minor
}

// look asks a server what it is.
func (c *serverClient) look(ctx context.Context) (*serverKind, error) {
	r, err := c.do(ctx, "GET", "/", nil)
	if err != nil {
		return nil, err
	}
	if !r.ok() {
		return nil, c.refused("GET", "/", r)
	}
	k, err := parseServer(r.text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.addr, err)
	}
	if k.openSearch {
		return k, c.plugins(ctx, k)
	}
	return k, c.features(ctx, k)
}

// parseServer reads the answer to GET /.
func parseServer(text []byte) (*serverKind, error) {
	var r struct {
		Version struct {
			Number       string `json:"number"`
			Distribution string `json:"distribution"`
		} `json:"version"`
	}
	if json.Unmarshal(text, &r) != nil || r.Version.Number == "" {
		return nil, fmt.Errorf("this is neither Elasticsearch nor OpenSearch; GET / says: %s", serverLine(string(text)))
	}
	k := &serverKind{number: serverLine(r.Version.Number), openSearch: r.Version.Distribution == "opensearch"}
	var known bool
	k.major, k.minor, known = stackVersion(k.number)
	switch {
	case !known:
		return nil, fmt.Errorf("%s: the version has no form that is known", k)
	case k.openSearch && k.major < 1, !k.openSearch && !k.atLeast(7, 6):
		return nil, fmt.Errorf("%s is too old: update it; Elasticsearch is known from 7.6 on", k)
	}
	return k, nil
}

// features asks Elasticsearch for its licence and what is switched on.
func (c *serverClient) features(ctx context.Context, k *serverKind) error {
	const path = "/_xpack?categories=license,features"
	r, err := c.do(ctx, "GET", path, nil)
	if err != nil {
		return err
	}
	if r.status == 401 || r.status == 403 {
		return c.refused("GET", path, r)
	}
	if !r.ok() {
		const why = "this distribution has no x-pack"
		k.noLifecycle, k.noSecurity, k.noSnapshotPolicy, k.noMonitoring, k.noFilters = why, why, why, why, why
		return nil
	}
	var x struct {
		License struct {
			Type string `json:"type"`
		} `json:"license"`
		Features map[string]struct {
			Available bool `json:"available"`
			Enabled   bool `json:"enabled"`
		} `json:"features"`
	}
	if err := json.Unmarshal(r.text, &x); err != nil {
		return fmt.Errorf("%s: GET %s: %w", c.addr, path, err)
	}
	lacks := func(name string) string {
		switch f, ok := x.Features[name]; {
		case !ok:
			return "this server has no " + name
		case !f.Available:
			return fmt.Sprintf("%s is not in the licence %q", name, x.License.Type)
		case !f.Enabled:
			return name + " is switched off: xpack." + name + ".enabled"
		}
		return ""
	}
	k.noLifecycle, k.noSecurity = lacks("ilm"), lacks("security")
	k.noSnapshotPolicy, k.noMonitoring = lacks("slm"), lacks("monitoring")
	if !slices.Contains([]string{"platinum", "enterprise", "trial"}, x.License.Type) {
		k.noFilters = fmt.Sprintf("a filter in a role needs the licence Platinum, and this is %q", x.License.Type)
	}
	return nil
}

// plugins asks OpenSearch what is installed.
func (c *serverClient) plugins(ctx context.Context, k *serverKind) error {
	const path = "/_cat/plugins?format=json"
	r, err := c.do(ctx, "GET", path, nil)
	if err != nil {
		return err
	}
	if !r.ok() {
		return c.refused("GET", path, r)
	}
	var list []struct {
		Component string `json:"component"`
	}
	if err := json.Unmarshal(r.text, &list); err != nil {
		return fmt.Errorf("%s: GET %s: %w", c.addr, path, err)
	}
	lacks := func(name string) string {
		for _, p := range list {
			if p.Component == name {
				return ""
			}
		}
		return "the plugin " + name + " is not installed"
	}
	k.noSecurity = lacks("opensearch-security")
	k.noFilters = k.noSecurity
	k.noLifecycle = lacks("opensearch-index-management")
	k.noSnapshotPolicy = k.noLifecycle
	k.noMonitoring = "OpenSearch has none of its own: read /_cat and /_nodes/stats"
	return nil
}

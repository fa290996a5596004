package processor

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"sluice/internal/event"
)

// Adds what is known of this machine under host. Filebeat: add_host_metadata.
type addHostMetadata struct {
	// NetInfo holds netinfo.enabled.
	NetInfo netInfo `config:"netinfo"`
	// Cache holds cache.ttl.
	Cache hostCache `config:"cache"`
	// Geo says where the machine is; it becomes host.geo. Default: none.
	Geo geo `config:"geo"`
	// Name takes the place of the host name in host.name. Default: none.
	Name string `config:"name"`
	// ReplaceFields replaces fields of host that are there; without it, events
	// with other fields of host than name stay as they are. Default: true.
	ReplaceFields bool `config:"replace_fields"`
	// ExpireUpdateTimeout is accepted without effect: an event waits for the
	// few files that are read. Default: none.
	ExpireUpdateTimeout *time.Duration `config:"expire_update_timeout"`

	Common `config:",squash"`
}

// netInfo is add_host_metadata.netinfo.
type netInfo struct {
	// Enabled adds the addresses of the network interfaces as host.ip and
	// host.mac. Default: true.
	Enabled bool `config:"enabled"`
}

// hostCache is add_host_metadata.cache.
type hostCache struct {
	// TTL is how long what was read is used; 0 or negative reads it anew for
	// each event. Default: 5m.
	TTL time.Duration `config:"ttl"`
}

// geo is a place.
type geo struct {
	// Name of the place, such as a rack. Default: none.
	Name string `config:"name"`
	// Location is latitude and longitude: "40.7128, -74.0060". Default: none.
	Location string `config:"location"`
	// ContinentName is the name of the continent. Default: none.
	ContinentName string `config:"continent_name"`
	// CountryISOCode is the country's ISO code. Default: none.
	CountryISOCode string `config:"country_iso_code"`
	// CountryName is the name of the country. Default: none.
	CountryName string `config:"country_name"`
	// RegionISOCode is the region's ISO code. Default: none.
	RegionISOCode string `config:"region_iso_code"`
	// RegionName is the name of the region. Default: none.
	RegionName string `config:"region_name"`
	// CityName is the name of the city. Default: none.
	CityName string `config:"city_name"`
}

// validate checks the location; section is where the options stand.
func (g *geo) validate(section string) error {
	if g.Location == "" {
		return nil
	}
	latitude, longitude, _ := strings.Cut(g.Location, ",")
	for _, part := range []struct {
		text string
		most float64
	}{{latitude, 90}, {longitude, 180}} {
		f, err := strconv.ParseFloat(strings.TrimSpace(part.text), 64)
		if err != nil || !(f >= -part.most && f <= part.most) {
			return fault(section+".location", "%q is no place; write latitude and longitude, for example \"40.7128, -74.0060\"", g.Location)
		}
	}
	return nil
}

// fields are the fields of geo; nil if no option is given.
func (g *geo) fields() map[string]any {
	m := make(map[string]any)
	for name, text := range map[string]string{
		"name": g.Name, "location": g.Location, "continent_name": g.ContinentName, "country_iso_code": g.CountryISOCode,
		"country_name": g.CountryName, "region_iso_code": g.RegionISOCode, "region_name": g.RegionName, "city_name": g.CityName,
	} {
		if text != "" {
			m[name] = text
		}
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

func (o *addHostMetadata) Validate() error { return o.Geo.validate("geo") }

func (o *addHostMetadata) warnings() []*OptionError {
	if o.ExpireUpdateTimeout == nil {
		return nil
	}
	return []*OptionError{{"expire_update_timeout", "has no effect: an event waits for the few files that are read"}}
}

func (o *addHostMetadata) compile(Env) (step, error) {
	return &hostStep{options: o, read: readHost}, nil
}

// hostStep is a compiled add_host_metadata.
type hostStep struct {
	options *addHostMetadata
	read    func(netInfo bool) (map[string]any, error)

	mu     sync.Mutex
	fields map[string]any
	until  time.Time
}

func (s *hostStep) run(e *event.Event) (drop bool, err error) {
	if !s.options.ReplaceFields && hasOwnHost(e) {
		return false, nil
	}
	fields, err := s.host()
	event.Merge(e.Fields, fields, true)
	return false, err
}

// hasOwnHost says whether the event has more of host than a name.
func hasOwnHost(e *event.Event) bool {
	host, ok := e.Fields["host"].(map[string]any)
	_, named := host["name"]
	return ok && !(named && len(host) == 1)
}

// host returns {host: …}, which nobody may change; after an error, what was
// known before.
func (s *hostStep) host() (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.fields != nil && now.Before(s.until) {
		return s.fields, nil
	}
	host, err := s.read(s.options.NetInfo.Enabled)
	s.until = now.Add(s.options.Cache.TTL)
	if err != nil && s.fields != nil {
		return s.fields, fmt.Errorf("read the machine's metadata: %w", err)
	}
	if s.options.Name != "" {
		host["name"] = s.options.Name
	}
	if place := s.options.Geo.fields(); place != nil {
		host["geo"] = place
	}
	s.fields = map[string]any{"host": host}
	return s.fields, errors.Join(err)
}

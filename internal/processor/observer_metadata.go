package processor

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"sluice/internal/event"
)

// Adds what is known of this machine under observer: for events that were seen
// here, but come from elsewhere. Filebeat: add_observer_metadata.
type addObserverMetadata struct {
	// NetInfo holds netinfo.enabled.
	NetInfo observerNet `config:"netinfo"`
	// Cache holds cache.ttl.
	Cache observerCache `config:"cache"`
	// Geo says where the machine is; it becomes observer.geo. Default: none.
	Geo geo `config:"geo"`

	Common `config:",squash"`
}

// observerNet is add_observer_metadata.netinfo.
type observerNet struct {
	// Enabled adds the addresses of the network interfaces as observer.ip and
	// observer.mac. Default: true.
	Enabled bool `config:"enabled"`
}

// observerCache is add_observer_metadata.cache.
type observerCache struct {
	// TTL is how long what was read is used; 0 or negative reads it anew for
	// each event. Default: 5m.
	TTL time.Duration `config:"ttl"`
}

func (o *addObserverMetadata) Validate() error { return o.Geo.validate("geo") }

func (o *addObserverMetadata) compile(Env) (step, error) {
	return &observerStep{options: o}, nil
}

// observerStep is a compiled add_observer_metadata.
type observerStep struct {
	options *addObserverMetadata

	mu     sync.Mutex
	fields map[string]any
	until  time.Time
}

func (s *observerStep) run(e *event.Event) (drop bool, err error) {
	fields, err := s.observer()
	if e.Fields == nil {
		e.Fields = make(map[string]any)
	}
	event.Merge(e.Fields, fields, true)
	return false, err
}

// observer returns {observer: …}, which nobody may change.
func (s *observerStep) observer() (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.fields != nil && now.Before(s.until) {
		return s.fields, nil
	}
	s.until = now.Add(s.options.Cache.TTL)
	observer := map[string]any{"type": "filebeat", "vendor": "elastic"}
	name, err := os.Hostname()
	if err == nil {
		observer["hostname"] = name
	}
	if s.options.NetInfo.Enabled {
		ips, macs, netErr := addresses()
		err = errors.Join(err, netErr)
		if len(ips) > 0 {
			observer["ip"] = ips
		}
		if len(macs) > 0 {
			observer["mac"] = macs
		}
	}
	if err != nil {
		err = fmt.Errorf("read the machine's metadata: %w", err)
		if s.fields != nil {
			return s.fields, err
		}
	}
	if place := s.options.Geo.fields(); place != nil {
		observer["geo"] = place
	}
	s.fields = map[string]any{"observer": observer}
	return s.fields, err
}

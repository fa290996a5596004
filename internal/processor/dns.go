package processor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"sluice/internal/event"
)

// Asks name servers: for the name of an address, or for the addresses or texts
// of a name. An event waits for its answers, so the caches matter. An error
// does not set error.message. /etc/hosts is not read. Filebeat: dns.
type dns struct {
	// Type is reverse (or PTR), A, AAAA or TXT; reverse gives a text, the others
	// a list of texts. Required.
	Type string `config:"type"`
	// Action is what to do if the target is there: append makes a list of both,
	// replace replaces it. Default: append.
	Action string `config:"action"`
	// Fields are the fields with the questions, each with the field that takes
	// the answer. Required.
	Fields map[string]any `config:"fields"`
	// SuccessCache keeps answers as long as they say.
	SuccessCache dnsSuccess `config:"success_cache"`
	// FailureCache keeps failures.
	FailureCache dnsFailure `config:"failure_cache"`
	// Nameservers are the addresses of the servers, with a port if it is not 53
	// (853 with tls), asked in this order. Default: those of /etc/resolv.conf.
	Nameservers []string `config:"nameservers"`
	// Timeout is the wait for each server. Default: 500ms.
	Timeout time.Duration `config:"timeout"`
	// TagOnFailure are added to tags when a question fails. Default: none.
	TagOnFailure []string `config:"tag_on_failure"`
	// Transport is udp or tls. Default: udp.
	Transport string `config:"transport"`

	Common `config:",squash"`
}

// dnsCapacity is the capacity of a cache.
type dnsCapacity struct {
	// Initial is for how many entries there is memory from the start. Default: 1000.
	Initial int `config:"initial"`
	// Max is how many entries there may be; any one makes room. Default: 10000.
	Max int `config:"max"`
}

// dnsSuccess is dns.success_cache.
type dnsSuccess struct {
	// Enabled switches the cache on. Default: true.
	Enabled bool `config:"enabled"`
	// Capacity bounds the cache.
	Capacity dnsCapacity `config:"capacity"`
	// MinTTL is the least time that an answer is kept. Default: 1m.
	MinTTL time.Duration `config:"min_ttl"`
}

// dnsFailure is dns.failure_cache.
type dnsFailure struct {
	// Enabled switches the cache on. Default: true.
	Enabled bool `config:"enabled"`
	// Capacity bounds the cache.
	Capacity dnsCapacity `config:"capacity"`
	// TTL is how long a failure is kept. Default: 1m.
	TTL time.Duration `config:"ttl"`
}

func defaultDNS() *dns {
	capacity := dnsCapacity{1000, 10000}
	return &dns{
		Action: "append", Timeout: 500 * time.Millisecond, Transport: "udp",
		SuccessCache: dnsSuccess{true, capacity, time.Minute}, FailureCache: dnsFailure{true, capacity, time.Minute},
	}
}

// dnsTypes are the values of type, in lower case.
var dnsTypes = map[string]dnsmessage.Type{
	"reverse": dnsmessage.TypePTR, "ptr": dnsmessage.TypePTR, "a": dnsmessage.TypeA, "aaaa": dnsmessage.TypeAAAA, "txt": dnsmessage.TypeTXT,
}

func (o *dns) Validate() error {
	var errs []error
	if _, ok := dnsTypes[strings.ToLower(o.Type)]; !ok {
		errs = append(errs, oneOf("type", o.Type, "reverse", "PTR", "A", "AAAA", "TXT"))
	}
	errs = append(errs, oneOf("action", o.Action, "append", "replace"), oneOf("transport", o.Transport, "udp", "tls"),
		required("fields", len(o.Fields) > 0, "{source.ip: source.domain}"))
	for name, to := range event.Flatten(o.Fields) {
		if text, ok := to.(string); !ok || text == "" {
			errs = append(errs, fault("fields."+name, "wants the name of a field, found %s", describe(to)))
		}
	}
	if o.Timeout <= 0 {
		errs = append(errs, fault("timeout", "%s is not greater than 0; use for example 500ms", o.Timeout))
	}
	errs = append(errs, o.SuccessCache.Capacity.validate("success_cache.capacity"), o.FailureCache.Capacity.validate("failure_cache.capacity"))
	if o.SuccessCache.MinTTL < 0 {
		errs = append(errs, fault("success_cache.min_ttl", "%s is negative; use 0 for the time that answers say", o.SuccessCache.MinTTL))
	}
	if o.FailureCache.TTL <= 0 {
		errs = append(errs, fault("failure_cache.ttl", "%s is not greater than 0; use for example 1m", o.FailureCache.TTL))
	}
	_, err := o.servers(false)
	return errors.Join(append(errs, err)...)
}

func (c dnsCapacity) validate(section string) error {
	if c.Initial < 0 || c.Max < 1 || c.Initial > c.Max {
		return fault(section, "initial is %d and max %d: 0 <= initial <= max and max >= 1 is wanted", c.Initial, c.Max)
	}
	return nil
}

func (o *dns) compile(Env) (step, error) {
	servers, err := o.servers(true)
	if err != nil {
		return nil, err
	}
	s := &dnsStep{
		options: o, kind: dnsTypes[strings.ToLower(o.Type)], fields: make(map[string]string),
		client:   dnsClient{servers: servers, tls: o.Transport == "tls", timeout: o.Timeout},
		answers:  newDNSCache(o.SuccessCache.Enabled, o.SuccessCache.Capacity),
		failures: newDNSCache(o.FailureCache.Enabled, o.FailureCache.Capacity),
	}
	for name, to := range event.Flatten(o.Fields) {
		s.fields[name] = to.(string)
	}
	s.order = slices.Sorted(maps.Keys(s.fields))
	return s, nil
}

// servers returns the servers' addresses with ports.
func (o *dns) servers(compile bool) (list []string, err error) {
	port := "53"
	if o.Transport == "tls" {
		port = "853"
	}
	names := o.Nameservers
	if len(names) == 0 {
		if !compile {
			return nil, nil
		}
		if names, err = readResolvConf("/etc/resolv.conf"); err != nil {
			return nil, fault("nameservers", "none are given, and %s", err)
		}
	}
	for _, name := range names {
		if host, _, err := net.SplitHostPort(name); err == nil && host != "" {
			list = append(list, name)
			continue
		}
		host := strings.Trim(name, "[]")
		if _, err := netip.ParseAddr(host); err != nil && strings.ContainsAny(host, ":/ ") || host == "" {
			return nil, fault("nameservers", "%q is no address of a server; use for example 192.0.2.1 or 192.0.2.1:53", name)
		}
		list = append(list, net.JoinHostPort(host, port))
	}
	return list, nil
}

// dnsStep is a compiled dns.
type dnsStep struct {
	options           *dns
	kind              dnsmessage.Type
	fields            map[string]string
	order             []string
	client            dnsClient
	answers, failures *dnsCache
}

func (s *dnsStep) run(e *event.Event) (drop bool, err error) {
	var errs []error
	for _, name := range s.order {
		v, err := e.Get(name)
		if err != nil {
			continue
		}
		text, ok := v.(string)
		if !ok {
			continue
		}
		answer, err := s.ask(text)
		if err == nil {
			err = s.add(e, s.fields[name], answer)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("dns: %s of %s (%s): %w", s.options.Type, name, text, err))
		}
	}
	if len(errs) > 0 && len(s.options.TagOnFailure) > 0 {
		s.addTags(e)
	}
	return false, ignored(errors.Join(errs...))
}

// addTags adds the tags that are not there yet.
func (s *dnsStep) addTags(e *event.Event) {
	have, _ := e.Get("tags")
	for _, tag := range s.options.TagOnFailure {
		if !slices.Contains(entriesOf(have), any(tag)) {
			e.AddTags(tag)
		}
	}
}

// ask answers from a cache, or asks the servers.
func (s *dnsStep) ask(text string) ([]string, error) {
	now := time.Now()
	if c, ok := s.answers.get(text, now); ok {
		return c.answer, nil
	}
	if c, ok := s.failures.get(text, now); ok {
		return nil, c.err
	}
	answer, ttl, err := s.client.lookup(context.Background(), s.kind, text)
	if err != nil {
		s.failures.put(text, dnsEntry{err: err, until: now.Add(s.options.FailureCache.TTL)})
		return nil, err
	}
	s.answers.put(text, dnsEntry{answer: answer, until: now.Add(max(ttl, s.options.SuccessCache.MinTTL))})
	return answer, nil
}

// add puts the answer into the event.
func (s *dnsStep) add(e *event.Event, to string, answer []string) error {
	var v any = answer[0]
	if s.kind != dnsmessage.TypePTR {
		v = entriesOf(answer)
	}
	if old, err := e.Get(to); err == nil && old != nil && s.options.Action == "append" {
		v = append(entriesOf(old), entriesOf(v)...)
	}
	if _, err := e.Put(to, v); err != nil {
		return fmt.Errorf("add %s: %w", to, err)
	}
	return nil
}

package processor

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"

	"sluice/internal/event"
)

// Takes a host name apart by the list of public suffixes:
// www.example.co.uk has the suffix co.uk, the registered domain example.co.uk
// and the subdomain www. An error leaves the event as it is. Filebeat:
// registered_domain.
type registeredDomain struct {
	// Field is the host name. Required.
	Field string `config:"field"`
	// TargetField takes the registered domain. Required.
	TargetField string `config:"target_field"`
	// TargetETLDField takes the public suffix. Default: none.
	TargetETLDField string `config:"target_etld_field"`
	// TargetSubdomainField takes the subdomain, if there is one. Default: none.
	TargetSubdomainField string `config:"target_subdomain_field"`
	// IgnoreMissing takes a field that is not there for no error. Default: false.
	IgnoreMissing bool `config:"ignore_missing"`
	// IgnoreFailure keeps all errors out of the debug log; none of them gets into
	// error.message. Default: false.
	IgnoreFailure bool `config:"ignore_failure"`
	// ID names this processor in the debug log. Default: none.
	ID string `config:"id"`

	Common `config:",squash"`
}

func (o *registeredDomain) Validate() error {
	return errors.Join(required("field", o.Field != "", "dns.question.name"),
		required("target_field", o.TargetField != "", "dns.question.registered_domain"))
}

func (o *registeredDomain) compile(Env) (step, error) {
	return change(func(e *event.Event) error {
		err := o.split(e)
		switch {
		case err == nil || o.IgnoreFailure:
			return nil
		case o.ID != "":
			return fmt.Errorf("%s: %w", o.ID, err)
		}
		return err
	}), nil
}

func (o *registeredDomain) split(e *event.Event) error {
	v, missing, err := fetch(e, o.Field, o.IgnoreMissing)
	if err != nil || missing {
		return err
	}
	name, ok := v.(string)
	if !ok {
		return fmt.Errorf("%s is a %T, no text", o.Field, v)
	}
	domain, suffix, err := registered(name)
	if err != nil {
		return fmt.Errorf("find the registered domain of %q: %w", name, err)
	}
	subdomain := strings.TrimSuffix(strings.TrimSuffix(name, domain), ".")
	for _, part := range []struct{ field, text string }{
		{o.TargetField, domain}, {o.TargetETLDField, suffix}, {o.TargetSubdomainField, subdomain},
	} {
		if part.field == "" || part.text == "" {
			continue
		}
		if _, err := e.Put(part.field, part.text); err != nil {
			return fmt.Errorf("add %s: %w", part.field, err)
		}
	}
	return nil
}

// registered returns the registered domain and its public suffix. An IPv4
// address counts as a name that is in no list, as in Filebeat: 192.0.2.1 has
// the suffix 1.
func registered(name string) (domain, suffix string, err error) {
	if a, err := netip.ParseAddr(name); err == nil && a.Is4() {
		parts := strings.Split(name, ".")
		return parts[2] + "." + parts[3], parts[3], nil
	}
	if domain, err = publicsuffix.EffectiveTLDPlusOne(name); err != nil {
		return "", "", err
	}
	suffix, _ = publicsuffix.PublicSuffix(domain)
	return domain, suffix, nil
}

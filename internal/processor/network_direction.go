package processor

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"sluice/internal/event"
)

// Says whether a connection enters or leaves the own networks: internal,
// external, inbound or outbound. An event without both addresses stays as it
// is. Filebeat: add_network_direction.
type addNetworkDirection struct {
	// Source is the field with the address where the connection begins. Required.
	Source string `config:"source"`
	// Destination is the field with the address where it ends. Required.
	Destination string `config:"destination"`
	// Target is the field that takes the direction. Required.
	Target string `config:"target"`
	// InternalNetworks are the own networks: a CIDR, or a name that the
	// condition network knows, such as private. Required.
	InternalNetworks []string `config:"internal_networks"`

	Common `config:",squash"`
}

func (o *addNetworkDirection) Validate() error {
	_, err := o.networks()
	return errors.Join(required("source", o.Source != "", "source.ip"), required("destination", o.Destination != "", "destination.ip"),
		required("target", o.Target != "", "network.direction"), required("internal_networks", len(o.InternalNetworks) > 0, "[private]"), err)
}

func (o *addNetworkDirection) networks() (list []network, err error) {
	var errs []error
	for i, text := range o.InternalNetworks {
		n, err := compileNet(text)
		errs = append(errs, inside("internal_networks."+strconv.Itoa(i), err))
		list = append(list, n)
	}
	return list, errors.Join(errs...)
}

func (o *addNetworkDirection) compile(Env) (step, error) {
	own, err := o.networks()
	if err != nil {
		return nil, err
	}
	internal := func(e *event.Event, field string) (yes, known bool) {
		v, err := e.Get(field)
		a, ok := addressOf(v)
		if err != nil || !ok {
			return false, false
		}
		return slices.ContainsFunc(own, func(n network) bool { return n(a) }), true
	}
	return change(func(e *event.Event) error {
		from, ok1 := internal(e, o.Source)
		to, ok2 := internal(e, o.Destination)
		if !ok1 || !ok2 {
			return nil
		}
		if _, err := e.Put(o.Target, direction(from, to)); err != nil {
			return fmt.Errorf("add the network's direction as %s: %w", o.Target, err)
		}
		return nil
	}), nil
}

func direction(fromInternal, toInternal bool) string {
	switch {
	case fromInternal && toInternal:
		return "internal"
	case fromInternal:
		return "outbound"
	case toInternal:
		return "inbound"
	}
	return "external"
}

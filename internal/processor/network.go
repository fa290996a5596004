package processor

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sluice/internal/event"
)

// network says whether an address belongs to it.
type network func(a netip.Addr) bool

// broadcast is IPv4's limited broadcast address.
var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// namedNetworks are the networks that have a name instead of a CIDR.
var namedNetworks = map[string]network{
	"loopback":                  netip.Addr.IsLoopback,
	"unicast":                   isUnicast,
	"global_unicast":            isUnicast,
	"multicast":                 netip.Addr.IsMulticast,
	"interface_local_multicast": netip.Addr.IsInterfaceLocalMulticast,
	"link_local_unicast":        netip.Addr.IsLinkLocalUnicast,
	"link_local_multicast":      netip.Addr.IsLinkLocalMulticast,
	"private":                   netip.Addr.IsPrivate,
	"public":                    isPublic,
	"unspecified":               netip.Addr.IsUnspecified,
}

func isUnicast(a netip.Addr) bool { return a.IsGlobalUnicast() && a != broadcast }

func isPublic(a netip.Addr) bool {
	return !(a.IsLoopback() || a.IsUnspecified() || a == broadcast || a.IsLinkLocalUnicast() ||
		a.IsLinkLocalMulticast() || a.IsInterfaceLocalMulticast() || a.IsPrivate())
}

// compileNet reads a CIDR or the name of a network.
func compileNet(text string) (network, error) {
	if named, ok := namedNetworks[text]; ok {
		return named, nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return nil, fault("", "%q is neither a network such as 10.0.0.0/8 nor private, public, loopback, unicast, multicast, interface_local_multicast, link_local_unicast, link_local_multicast or unspecified", text)
	}
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked().Contains, nil
}

// addressOf reads an event's IP address.
func addressOf(v any) (netip.Addr, bool) {
	text, ok := v.(string)
	if !ok || strings.ContainsRune(text, '%') {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(text)
	return a.Unmap(), err == nil
}

// fieldNetworks wants a field's address to be in one of the networks.
type fieldNetworks struct {
	field    string
	networks []network
}

type networks []fieldNetworks

func compileNetwork(fields map[string]any) (test, error) {
	var list networks
	err := eachField(fields, func(name string, value any) error {
		items, ok := value.([]any)
		if !ok {
			items = []any{value}
		}
		one := fieldNetworks{field: name}
		for i, item := range items {
			text, isText := item.(string)
			if !isText {
				return fault("", "wants a network or its name, found %s", describe(item))
			}
			n, err := compileNet(text)
			if err != nil && ok {
				return inside(strconv.Itoa(i), err)
			}
			if err != nil {
				return err
			}
			one.networks = append(one.networks, n)
		}
		list = append(list, one)
		return nil
	})
	return list, err
}

func (l networks) holds(e *event.Event) bool {
	return !slices.ContainsFunc(l, func(n fieldNetworks) bool {
		v, err := e.Get(n.field)
		if err != nil {
			return true
		}
		a, ok := addressOf(v)
		return !ok || !slices.ContainsFunc(n.networks, func(in network) bool { return in(a) })
	})
}

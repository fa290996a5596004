package processor

import (
	"net/netip"
	"strings"
	"testing"

	"sluice/internal/event"
)

func TestConditions(t *testing.T) {
	yes := func(c Condition, events ...string) { t.Helper(); decide(t, c, true, events...) }
	no := func(c Condition, events ...string) { t.Helper(); decide(t, c, false, events...) }
	f := func(text string) map[string]any { return fields(t, text) }

	eq := Condition{Equals: f(`{"a": {"b": 1}, "c": "x"}`)}
	yes(eq, `{"a": {"b": 1}, "c": "x"}`, `{"a.b": 1, "c": "x"}`)
	no(eq, `{"a": {"b": 1.0}, "c": "x"}`, `{"a": {"b": "1"}, "c": "x"}`, `{"a": {"b": 1}}`, `{"a": 1, "c": "x"}`, `{"a": {"b": 1}, "c": ["x"]}`, `{}`)
	no(Condition{Equals: f(`{"a": "null"}`)}, `{"a": null}`)

	contains := Condition{Contains: f(`{"a": "ell"}`)}
	yes(contains, `{"a": "hello"}`, `{"a": [1, "bell"]}`)
	no(contains, `{"a": "HELLO"}`, `{"a": ["e", "ll"]}`, `{"a": 1}`, `{"a": {"b": "hello"}}`, `{}`)

	regexp := Condition{Regexp: f(`{"a": "^h.*o$"}`)}
	yes(regexp, `{"a": "hello"}`, `{"a": ["x", "ho"]}`)
	no(regexp, `{"a": "hell"}`, `{"a": 5}`, `{}`)

	ranges := Condition{Range: f(`{"a": {"gte": 1, "lt": 2.5}, "b.gt": -1}`)}
	yes(ranges, `{"a": 1, "b": 0}`, `{"a": "2.4", "b": "1e3"}`)
	no(ranges, `{"a": 2.5, "b": 0}`, `{"a": 1, "b": -1}`, `{"a": true, "b": 0}`, `{"a": 1}`, `{"a": "", "b": 0}`)

	has := Condition{HasFields: []string{"a.b", "@timestamp"}}
	yes(has, `{"a": {"b": null}}`)
	no(has, `{"a": 1}`, `{}`)

	network := Condition{Network: f(`{"a": ["10.0.0.0/8", "private", "2001:db8::/32"]}`)}
	yes(network, `{"a": "10.1.2.3"}`, `{"a": "192.168.1.1"}`, `{"a": "::ffff:10.0.0.1"}`, `{"a": "2001:db8::1"}`, `{"a": "fd00::1"}`)
	no(network, `{"a": "11.1.2.3"}`, `{"a": "x"}`, `{"a": ["10.1.2.3"]}`, `{"a": 10}`, `{"a": "fe80::1%eth0"}`, `{}`)

	yes(Condition{And: []Condition{eq, contains}}, `{"a.b": 1, "c": "x", "a": "bell"}`)
	no(Condition{And: []Condition{has, contains}}, `{"a": "bell"}`)
	yes(Condition{Or: []Condition{has, contains}}, `{"a": "bell"}`, `{"a": {"b": 1}}`)
	no(Condition{Or: []Condition{has, contains}}, `{}`)
	yes(Condition{Not: &contains}, `{}`)
	no(Condition{Not: &contains}, `{"a": "bell"}`)
	yes(Condition{Equals: f(`{"a": 1}`), Contains: f(`{"b": "x"}`)}, `{"a": 1}`)
}

func decide(t *testing.T, c Condition, want bool, events ...string) {
	t.Helper()
	compiled, err := c.compile()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range events {
		if got := compiled.holds(&event.Event{Time: start, Fields: fields(t, text)}); got != want {
			t.Errorf("%+v of %s is %v", c, text, got)
		}
	}
}

func TestConditionsThatAreRefused(t *testing.T) {
	f := func(text string) map[string]any { return fields(t, text) }
	for _, c := range []struct {
		condition Condition
		want      string
	}{
		{Condition{}, "the condition is missing or empty"},
		{Condition{Equals: f(`{"a": 1.5}`)}, "equals.a: wants a text, an integer or a boolean, found 1.5"},
		{Condition{Equals: f(`{"a": [1]}`)}, "equals.a: wants a text, an integer or a boolean, found a list"},
		{Condition{Contains: f(`{"a": {"b": 5}}`)}, "contains.a.b: wants a text, found 5; put it in quotes"},
		{Condition{Regexp: f(`{"a": "("}`)}, `regexp.a: "(" is no regular expression (RE2): missing closing ): ` + "`(`"},
		{Condition{Range: f(`{"a": {"ge": 5}}`)}, "range.a.ge: wants FIELD.gt, FIELD.gte, FIELD.lt or FIELD.lte with a number"},
		{Condition{Range: f(`{"gt": 5}`)}, "range.gt: wants FIELD.gt, FIELD.gte, FIELD.lt or FIELD.lte with a number"},
		{Condition{Range: f(`{"a.gt": "x"}`)}, `range.a.gt: wants a number, found "x"`},
		{Condition{Network: f(`{"a": "10.0.0.0/99"}`)}, `network.a: "10.0.0.0/99" is neither a network`},
		{Condition{Network: f(`{"a": ["private", "here"]}`)}, `network.a.1: "here" is neither a network`},
		{Condition{Network: f(`{"a": 5}`)}, "network.a: wants a network or its name, found 5"},
		{Condition{And: []Condition{{Not: &Condition{}}}}, "and.0.not: the condition is missing"},
		{Condition{Equals: f(`{"a": 1}`), Regexp: f(`{"b": "["}`)}, `regexp.b: "[" is no regular expression`},
	} {
		if err := c.condition.validate(); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("fault %v\nwant  %s", err, c.want)
		}
	}
	two := Condition{Not: &Condition{Equals: f(`{"a": 1}`), HasFields: []string{"b"}, Or: []Condition{{HasFields: []string{"c"}}}}}
	w := two.warnings()
	if len(w) != 2 || w[0].Error() != "not.has_fields: has no effect beside equals: write both under and" || w[1].Option != "not.or" {
		t.Errorf("warnings %v", w)
	}
}

func TestNamedNetworks(t *testing.T) {
	for name, in := range map[string][]string{
		"loopback": {"127.0.0.1", "127.9.9.9", "::1"}, "unicast": {"8.8.8.8", "10.0.0.1", "2001:db8::1"}, "global_unicast": {"8.8.8.8"},
		"multicast": {"224.0.0.1", "ff02::1"}, "interface_local_multicast": {"ff01::1"}, "link_local_unicast": {"169.254.1.1", "fe80::1"},
		"link_local_multicast": {"224.0.0.5", "ff02::1"}, "private": {"10.0.0.1", "172.16.0.1", "192.168.0.1", "fc00::1"},
		"public": {"8.8.8.8", "2606:4700::1"}, "unspecified": {"0.0.0.0", "::"},
	} {
		n, err := compileNet(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range in {
			if !n(netip.MustParseAddr(a)) {
				t.Errorf("%s is not %s", a, name)
			}
		}
	}
	for name, out := range map[string][]string{
		"unicast": {"255.255.255.255", "224.0.0.1", "127.0.0.1"}, "public": {"10.0.0.1", "127.0.0.1", "255.255.255.255", "169.254.0.1", "0.0.0.0", "ff01::1"},
		"private": {"172.32.0.1", "8.8.8.8"}, "::ffff:10.0.0.0/104": {"11.0.0.1"},
	} {
		n, err := compileNet(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range out {
			if n(netip.MustParseAddr(a)) {
				t.Errorf("%s is %s", a, name)
			}
		}
	}
}

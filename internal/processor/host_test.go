package processor

import (
	"errors"
	"net"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/event"
)

func TestHostMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := with(t, "add_host_metadata", func(o *addHostMetadata) { o.Geo = geo{Name: "hall", Location: "40.7128, -74.0060"} })
		if err := o.Validate(); err != nil {
			t.Fatal(err)
		}
		reads, fail := 0, false
		s := &hostStep{options: o, read: func(netInfo bool) (map[string]any, error) {
			if reads++; fail {
				return map[string]any{}, errors.New("gone")
			}
			return map[string]any{"name": "pi", "reads": int64(reads), "netinfo": netInfo}, nil
		}}
		after := func(text string) string {
			e := &event.Event{Fields: fields(t, text)}
			if drop, err := s.run(e); drop || (err != nil) != fail {
				t.Errorf("%v, %v", drop, err)
			}
			return string(event.AppendJSON(nil, e.Fields, false))
		}
		const place = `"geo": {"name": "hall", "location": "40.7128, -74.0060"}`
		same(t, after(`{"host": {"name": "x", "own": 1}}`), `{"host": {"name": "pi", "own": 1, "reads": 1, "netinfo": true, `+place+`}}`)
		time.Sleep(4 * time.Minute)
		same(t, after(`{"host": "x"}`), `{"host": {"name": "pi", "reads": 1, "netinfo": true, `+place+`}}`)
		time.Sleep(2 * time.Minute)
		same(t, after(`{}`), `{"host": {"name": "pi", "reads": 2, "netinfo": true, `+place+`}}`)
		fail = true
		time.Sleep(6 * time.Minute)
		same(t, after(`{}`), `{"host": {"name": "pi", "reads": 2, "netinfo": true, `+place+`}}`)
		fail = false
		o.Cache.TTL, o.NetInfo.Enabled, o.Name, o.Geo = -1, false, "gw", geo{}
		time.Sleep(6 * time.Minute)
		after(`{}`)
		same(t, after(`{}`), `{"host": {"name": "gw", "reads": 5, "netinfo": false}}`)
		o.ReplaceFields = false
		same(t, after(`{"host": {"name": "x"}}`), `{"host": {"name": "gw", "reads": 6, "netinfo": false}}`)
		same(t, after(`{"host": {"name": "x", "own": 1}}`), `{"host": {"name": "x", "own": 1}}`)
		same(t, after(`{"host": {}}`), `{"host": {}}`)
	})
}

func TestThisHost(t *testing.T) {
	o := with[addHostMetadata](t, "add_host_metadata", nil)
	s, err := o.compile(Env{})
	if err != nil {
		t.Fatal(err)
	}
	e := &event.Event{}
	e.Fields = map[string]any{}
	if _, err := s.run(e); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"host.name", "host.hostname", "host.architecture", "host.containerized", "host.os.type", "host.os.kernel"} {
		if !e.Has(name) {
			t.Errorf("lacks %s: %v", name, e.Fields)
		}
	}
}

func TestOSRelease(t *testing.T) {
	for text, want := range map[string]map[string]any{
		"PRETTY_NAME=\"Raspbian GNU/Linux 10 (buster)\"\nNAME=\"Raspbian GNU/Linux\"\nVERSION_ID=\"10\"\nVERSION=\"10 (buster)\"\n# x=y\nVERSION_CODENAME=buster\nID=raspbian\nID_LIKE=debian\n": {
			"platform": "raspbian", "name": "Raspbian GNU/Linux", "version": "10 (buster)", "family": "debian", "codename": "buster"},
		"NAME='Alpine Linux'\nID=alpine\nVERSION_ID=3.20.1\n":           {"platform": "alpine", "name": "Alpine Linux", "version": "3.20.1", "family": "alpine"},
		"ID=mine\nID_LIKE=\"x fedora\"\nVERSION=\"9 (Plow)\"\nnonsense": {"platform": "mine", "version": "9 (Plow)", "family": "redhat", "codename": "Plow"},
		"": {},
	} {
		got := map[string]any{}
		describeOS(got, parseRelease([]byte(text)))
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	}
}

func TestPlaces(t *testing.T) {
	for location, ok := range map[string]bool{"40.7128, -74.0060": true, "-90,180": true, "": true, "91,0": false, "0,181": false, "0": false, "x,y": false, "1,2,3": false, "NaN,0": false} {
		g := geo{Location: location}
		if err := g.validate("geo"); (err == nil) != ok {
			t.Errorf("%q: %v", location, err)
		}
	}
	if got := macText(net.HardwareAddr{0xb8, 0x27, 0xeb, 0, 1, 2}); got != "B8-27-EB-00-01-02" {
		t.Error(got)
	}
	timeout := time.Second
	o := with(t, "add_host_metadata", func(o *addHostMetadata) { o.ExpireUpdateTimeout = &timeout })
	w := List{{kind: "add_host_metadata", chosen: 1, options: o}}.Warnings()
	if len(w) != 1 || w[0].Option != "0.add_host_metadata.expire_update_timeout" {
		t.Errorf("warnings %v", w)
	}
}

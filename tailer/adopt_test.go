package tailer

import (
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/registry"
)

// known puts States into the registry, as a run before this one left them.
func (g *gateway) known(states ...registry.State) {
	g.t.Helper()
	reg, err := registry.Open(g.path("data"), registry.DefaultConfig(), zerolog.Nop())
	if err != nil {
		g.t.Fatal(err)
	}
	for _, s := range states {
		s.Timestamp, s.TTL = time.Now(), -1
		reg.Commit(s)
	}
	if err := reg.Close(); err != nil {
		g.t.Fatal(err)
	}
}

// A file that inputs of both types have followed goes on, under another id or
// identity, from where the input of its own type was.
func TestStateOfTheSameTypeIsTakenFirst(t *testing.T) {
	for name, c := range map[string]struct {
		filestream          bool
		inLog, inFilestream int64
	}{
		"filestream": {true, 4, 8},
		"log":        {false, 8, 4},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			if c.filestream {
				g = newFilestream(t)
			}
			g.write("a.log", "one\ntwo\nthree\n")
			info, err := statFile(g.path("a.log"), true)
			if err != nil {
				t.Fatal(err)
			}
			logKey, _ := registry.LogKey("path::"+g.path("a.log"), nil)
			g.known(
				registry.State{Key: logKey, Source: g.path("a.log"), Offset: c.inLog, Inode: info.ino, Device: info.dev},
				registry.State{Key: registry.FilestreamKey("gone", nativeID(info.inode)), Source: g.path("a.log"), Offset: c.inFilestream, Inode: info.ino, Device: info.dev},
			)
			g.start()
			g.want("three")
		})
	}
}

// What one stream of a container's log was sent up to says nothing of the
// other: its lines would be lost.
func TestStateOfOneStreamIsNotTheOthers(t *testing.T) {
	g := newGateway(t)
	in := &g.cfg.Inputs[0]
	in.Type, in.Stream = TypeContainer, "stderr"
	g.write("a.log", `{"log":"out\n","stream":"stdout","time":"2026-11-21T19:42:02Z"}`+"\n"+`{"log":"err\n","stream":"stderr","time":"2026-11-21T19:42:02Z"}`+"\n")
	info, err := statFile(g.path("a.log"), true)
	if err != nil {
		t.Fatal(err)
	}
	meta := map[string]string{"stream": "stdout"}
	key, id := registry.LogKey(nativeID(info.inode), meta)
	g.known(registry.State{Key: key, ID: id, Meta: meta, Type: TypeContainer, Source: g.path("a.log"), Offset: info.size, Inode: info.ino, Device: info.dev})
	g.start()
	g.want("err")
	g.eventually("both streams have a State", func() bool { return len(g.reg.States()) == 2 })
}

func TestOrphansAreFoundByPlaceAndEndByKey(t *testing.T) {
	o := newOrphans()
	a := registry.State{Key: "filebeat::logs::native::1-2", Inode: 1, Source: "/a"}
	b := registry.State{Key: "filestream::x::native::1-2", Inode: 1, Source: "/a"}
	o.add(a, "/a")
	o.add(a, "/renamed")
	o.add(b, "/a")
	any := func(*registry.State) bool { return true }
	if s, ok := o.find(1, "/renamed", any); !ok || s.Key != a.Key {
		t.Errorf("found %v %v", s, ok)
	}
	o.remove(a)
	if s, ok := o.find(1, "/a", any); !ok || s.Key != b.Key {
		t.Errorf("found %v %v", s, ok)
	}
	if s, ok := o.find(1, "/renamed", any); ok {
		t.Errorf("found %v", s)
	}
	o.remove(b)
	if len(o.at) > 0 || len(o.places) > 0 || len(o.all()) > 0 {
		t.Errorf("left are %v", o)
	}
}

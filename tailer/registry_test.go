package tailer

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/registry"
)

// TestUnsentOfPartOfABatch: a connection without a limit may take a part, and
// then has room for the rest.
func TestUnsentOfPartOfABatch(t *testing.T) {
	for sent, want := range []string{"aabbcc", "bbcc", "cc"} {
		b := &batch{buf: []byte("aabbcc"), ends: []int{2, 4, 6}, offs: []int64{3, 6, 9}, sent: sent}
		for _, limit := range []int{math.MaxInt, 3, 1} {
			buf, ends := b.unsent(nil, limit)
			n := min(limit, 3-sent)
			if string(buf) != want[:2*n] || len(ends) != n || ends[n-1] != 2*n {
				t.Errorf("%d sent, limit %d: %q with ends %v, want %q", sent, limit, buf, ends, want[:2*n])
			}
		}
	}
}

// TestAFullDiskOfTheRegistryIsToldOnce, and its end too.
func TestAFullDiskOfTheRegistryIsToldOnce(t *testing.T) {
	g := newGateway(t)
	data := g.path("data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("no small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(data, syscall.MNT_DETACH) })
	cfg := registry.DefaultConfig()
	cfg.Flush = time.Nanosecond
	reg, err := registry.Open(data, cfg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer reg.Close()
	var said bytes.Buffer
	tl, err := New(g.cfg, reg, g.server, zerolog.New(&said))
	if err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(data, "filler")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the disk is too large")
	}
	keep := time.NewTimer(time.Hour)
	defer keep.Stop()
	const failed, again = "can't write the registry", "the registry is written again"
	for n := int64(1); reg.Stats().Failures < 2; n++ { // one every second at most
		g.eventually("the timer", func() bool {
			reg.Commit(registry.State{Key: "filestream::x::native::1-1", Source: "/x", Offset: n, TTL: -1})
			tl.keepRegistry(keep)
			return reg.Stats().Failures > 0
		})
	}
	if strings.Count(said.String(), failed) != 1 || strings.Contains(said.String(), again) {
		t.Errorf("said of a full disk:\n%s", said.String())
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	g.eventually("it is written again", func() bool { tl.keepRegistry(keep); return strings.Contains(said.String(), again) })
	if strings.Count(said.String(), failed) != 1 || strings.Count(said.String(), again) != 1 || reg.Stats().Failing {
		t.Errorf("said in all:\n%s", said.String())
	}
}

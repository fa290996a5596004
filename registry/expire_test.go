package registry

import (
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func TestExpire(t *testing.T) {
	dataDir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := open(t, dataDir)
		defer closeAll(t, r)
		commit := func(id string, ttl time.Duration, at time.Time) {
			s := State{Key: FilestreamKey(id, "native::1-2"), Source: "/a", Offset: 5, TTL: ttl, Timestamp: at}
			r.Commit(s)
		}
		old := time.Now().Add(-30 * 24 * time.Hour)
		commit("not-started", 0, time.Time{})
		commit("for-ever", -1, old)
		commit("inactive", time.Hour, old)
		commit("held", time.Hour, old)
		commit("held-later", 0, old)
		commit("long", 72*time.Hour, old)
		s := logState(1, 5)
		s.TTL, s.Timestamp = time.Hour, old
		r.Commit(s)

		expire := func(held ...string) (ids []string) {
			for _, s := range r.Expire(time.Now(), func(key string) bool {
				return slices.Contains(held, key)
			}) {
				ids = append(ids, s.Key)
			}
			slices.Sort(ids)
			return ids
		}
		key := func(id string) string { return FilestreamKey(id, "native::1-2") }
		for _, step := range []struct {
			wait       time.Duration
			held, gone []string
		}{
			{0, nil, nil},
			{4 * time.Minute, nil, nil}, // cleanup_interval is 5m
			{2 * time.Minute, []string{key("held-later")}, []string{key("not-started")}}, // open for less than an hour
			{time.Minute, nil, nil}, // nor that long ago
			{time.Hour, []string{key("held")}, []string{key("held-later"), key("inactive")}},
			{time.Hour, []string{key("held")}, nil},
			{80 * time.Hour, []string{key("for-ever")}, []string{key("held"), key("long")}},
		} {
			time.Sleep(step.wait)
			if got := expire(step.held...); !reflect.DeepEqual(got, step.gone) {
				t.Errorf("after %v: %v are gone, want %v", step.wait, got, step.gone)
			}
		}
		if got := r.States(); len(got) != 2 {
			t.Errorf("left are %v", got)
		}
	})
}

// TestExpireCountsTheTimeOfTheRun: a wall clock that was years behind makes no
// State old.
func TestExpireCountsTheTimeOfTheRun(t *testing.T) {
	cfg := DefaultConfig()
	cfg.CleanupInterval = time.Nanosecond
	r, err := Open(t.TempDir(), cfg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(t, r)
	r.Commit(State{Key: FilestreamKey("in", "native::1-2"), Source: "/a", TTL: time.Hour, Timestamp: time.Unix(0, 0)})
	if gone := r.Expire(time.Now(), func(string) bool { return false }); len(gone) > 0 {
		t.Errorf("gone are %v", gone)
	}
}

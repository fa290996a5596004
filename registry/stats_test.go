package registry

import (
	"errors"
	"testing"

	"sluice/internal/durable"
)

func TestStatsCountWhatHappened(t *testing.T) {
	r := open(t, t.TempDir())
	defer r.Close()
	r.Commit(logState(1, 10))
	r.Commit(logState(1, 10)) // no change
	r.Commit(logState(2, 10))
	if err := r.Sync(); err != nil {
		t.Fatal(err)
	}
	if got, want := r.Stats(), (Stats{States: 2, Updates: 2, Writes: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	commit := r.commitJournal
	r.commitJournal = func(*durable.File) error { return errors.New("the disk is ill") }
	r.Forget(logState(1, 0).Key)
	r.Forget("filebeat::logs::native::77-7") // unknown
	if r.Sync() == nil {
		t.Error("no error of an ill disk")
	}
	if got, want := r.Stats(), (Stats{States: 1, Updates: 2, Cleanups: 1, Writes: 2, Failures: 1, Failing: true}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	r.commitJournal = commit
	if err := r.Sync(); err != nil {
		t.Fatal(err)
	}
	if got := r.Stats(); got.Failing || got.Writes != 3 || got.Failures != 1 {
		t.Errorf("%+v", got)
	}
}

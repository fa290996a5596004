package gateway

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/rs/zerolog"

	"sluice/cleaner"
	"sluice/config"
	"sluice/recorder"
	"sluice/registry"
)

// NewRecorder prepares the recorder: its spool is checked and locked.
func NewRecorder(cfg *config.Config, log zerolog.Logger) (*recorder.Recorder, error) {
	if err := cfg.NothingToRecord(); err != nil {
		return nil, err
	}
	r, err := recorder.New(*cfg.Recorder, component(log, "recorder"))
	if err != nil {
		return nil, err
	}
	spool, err := filepath.Abs(cfg.Recorder.Spool.Path)
	if err != nil {
		return nil, err
	}
	r.FreeWith(freeFrom(cfg.RegistryPath(), spool))
	return r, nil
}

// freeFrom deletes, by the cleaner's rule and whatever their age, segments of a
// spool that a registry knows to be acknowledged. The registry is read only: its
// tailer forgets their States (clean_removed).
func freeFrom(registryPath, spool string) recorder.Free {
	return func(ctx context.Context, need int64) (freed int64, err error) {
		view, err := registry.Read(registryPath)
		if errors.Is(err, fs.ErrNotExist) {
			return 0, nil // nothing was ever shipped
		}
		if err != nil {
			return 0, err
		}
		bySource := map[string][]registry.State{}
		var segments []string
		for _, s := range view.States() {
			if filepath.Dir(s.Source) != spool {
				continue
			}
			if bySource[s.Source] == nil {
				segments = append(segments, s.Source)
			}
			bySource[s.Source] = append(bySource[s.Source], s)
		}
		slices.Sort(segments) // a name sorts by the segment's number
		for _, path := range segments {
			if freed >= need {
				break
			}
			report, err := cleaner.Clean(ctx, bySource[path], CleanOptions(0, nil))
			if err != nil {
				return freed, err
			}
			freed += report.Freed
		}
		return freed, nil
	}
}

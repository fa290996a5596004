package gateway

import (
	"context"
	"time"

	"sluice/cleaner"
	"sluice/recorder"
	"sluice/registry"
	"sluice/tailer"
)

// Clean deletes what a registry, held by this process, knows to be
// acknowledged to its last byte, and forgets its States.
func Clean(ctx context.Context, reg *registry.Registry, olderThan time.Duration) (cleaner.Report, error) {
	states, err := cleaner.DurableStates(reg)
	if err != nil {
		return cleaner.Report{}, err
	}
	return cleaner.Clean(ctx, states, CleanOptions(olderThan, reg))
}

// CleanOptions returns the cleaner's options with what it must know of the
// recorder's segments and the tailer's hashes. Without a registry to write,
// States stay, and the tailer that holds it forgets them (clean_removed).
func CleanOptions(olderThan time.Duration, reg *registry.Registry) cleaner.Options {
	o := cleaner.Options{OlderThan: olderThan, Sealed: recorder.Sealed, PrefixHash: tailer.PrefixHash}
	if reg != nil {
		o.Forget = reg.Forget
	}
	return o
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"sluice/cleaner"
	"sluice/config"
	"sluice/internal/gateway"
	"sluice/registry"
)

const cleanerHelp = `Delete the files that are acknowledged to their last byte, sealed, and older
than --older-than. It may run while recorder and tailer run: only offsets that
are on disk count, and no file that a process has open for writing is deleted.

REGISTRY is a registry's folder or its data.json, also that of Filebeat 7.6,
which is only read. Without it, the configuration says where the registry is; as
long as the tailer has not made it, there is nothing to clean.`

func (a *app) cleanerCommand() *cobra.Command {
	var o cleanerFlags
	cmd := &cobra.Command{
		Use: "cleaner [REGISTRY]", Short: "Delete files that are shipped to their last byte", Long: cleanerHelp,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("cleaner takes one REGISTRY, found %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.registry = args[0]
			}
			o.ageGiven = cmd.Flags().Changed("older-than")
			return a.clean(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be deleted, and delete nothing")
	f.StringVar(&o.olderThan, "older-than", "", "least `AGE` of a file, by the later of its mtime and ctime (default 48h, or cleaner.older_than)")
	f.BoolVar(&o.json, "json", false, "print the report as one JSON object")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print failures only")
	return cmd
}

type cleanerFlags struct {
	registry, olderThan           string
	dryRun, json, quiet, ageGiven bool
}

// clean runs one pass of the cleaner and prints its report.
func (a *app) clean(ctx context.Context, o cleanerFlags) error {
	where, cfg, err := a.locate(o.registry)
	if err != nil {
		return err
	}
	age, err := cleanAge(o, cfg)
	if err != nil {
		return err
	}
	view, err := where.read(a.stderr)
	if errors.Is(err, errNoRegistry) {
		return a.nothingShipped(err, o)
	}
	if err != nil {
		return err
	}
	unlock, err := cleaner.Lock(folderOf(view))
	if err != nil {
		return err
	}
	defer func() { _ = unlock() }() // the end of the process unlocks, too
	options := gateway.CleanOptions(age, nil)
	options.DryRun = o.dryRun
	report, err := a.cleanWith(ctx, where, view, options)
	if printErr := a.printReport(&report, o); err == nil {
		err = printErr
	}
	if err == nil && report.Failed > 0 {
		return silentError{}
	}
	return err
}

// nothingShipped ends a run before the tailer's first start, in which nothing can
// be deleted. That is no failure: the weekly run of a new gateway may come first.
func (a *app) nothingShipped(why error, o cleanerFlags) error {
	if !o.quiet {
		fmt.Fprintf(a.stderr, "nothing to clean: %s\n", why)
	}
	if !o.json {
		return nil
	}
	return a.printReport(&cleaner.Report{Files: []cleaner.Candidate{}, DryRun: o.dryRun}, o)
}

// cleanAge is the least age: the flag's, else the configuration's, else 48h.
func cleanAge(o cleanerFlags, cfg *config.Config) (time.Duration, error) {
	if o.ageGiven {
		age, err := config.ParseDuration(o.olderThan)
		if err != nil || age < 0 {
			return 0, fmt.Errorf("--older-than: wants an age such as 48h (a plain number is seconds), found %q", o.olderThan)
		}
		return age, nil
	}
	if cfg != nil {
		return cfg.Cleaner.OlderThan, nil
	}
	return cleaner.DefaultConfig().OlderThan, nil
}

// cleanWith opens the registry to forget states, if nobody else has it open;
// else the states are left to the tailer's clean_removed.
func (a *app) cleanWith(ctx context.Context, where store, view *registry.View, o cleaner.Options) (cleaner.Report, error) {
	if o.DryRun {
		return cleaner.Clean(ctx, view.States(), o)
	}
	reg, err := where.open(view, zerolog.Nop())
	if errors.Is(err, registry.ErrLocked) || errors.Is(err, errForeign) {
		// What the tailer makes durable meanwhile is not seen: files are kept a
		// little longer, never deleted too early.
		return cleaner.Clean(ctx, view.States(), o)
	}
	if err != nil {
		return cleaner.Report{}, err
	}
	states, err := cleaner.DurableStates(reg)
	if err != nil {
		return cleaner.Report{}, errors.Join(err, reg.Close())
	}
	o.Forget = reg.Forget
	report, err := cleaner.Clean(ctx, states, o)
	if closeErr := reg.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("write the registry after cleaning: %w", closeErr)
	}
	return report, err
}

func (a *app) printReport(r *cleaner.Report, o cleanerFlags) error {
	if o.json {
		return json.NewEncoder(a.stdout).Encode(r)
	}
	return r.WriteText(a.stdout, o.quiet)
}

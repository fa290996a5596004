package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"sluice/internal/order"
	"sluice/registry"
)

// registryFlags are those of all registry commands.
type registryFlags struct {
	path string
	json bool
}

func (a *app) registryCommand() *cobra.Command {
	var o registryFlags
	cmd := group("registry", "Show and change what is known about files",
		&cobra.Command{
			Use: "list", Short: "List all files with offset, size and lag", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return a.list(o) },
		},
		&cobra.Command{
			Use: "show FILE", Short: "Show everything about a file, and whether it may be deleted", Args: oneFile,
			RunE: func(cmd *cobra.Command, args []string) error { return a.show(cmd.Context(), o, args[0]) },
		},
		&cobra.Command{
			Use: "forget FILE", Short: "Drop a file's state: a file that is there is sent again", Args: oneFile,
			RunE: func(_ *cobra.Command, args []string) error { return a.forget(o, args[0]) },
		},
		&cobra.Command{
			Use: "sync", Short: "Bring data.json up to date", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return a.syncRegistry(cmd.Context(), o) },
		},
		a.registryExportCommand(&o))
	f := cmd.PersistentFlags()
	f.StringVar(&o.path, "registry", "", "registry `FOLDER` or data.json, instead of the configuration's")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func (a *app) list(o registryFlags) error {
	where, _, err := a.locate(o.path)
	if err != nil {
		return err
	}
	view, err := where.read(a.stderr)
	if err != nil {
		return err
	}
	rows := []fileRow{}
	for _, s := range view.States() {
		rows = append(rows, rowOf(s))
	}
	order.By(rows, compareRows)
	if o.json {
		return json.NewEncoder(a.stdout).Encode(rows)
	}
	return writeTable(a.stdout, rows)
}

// oneFile wants one argument.
func oneFile(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s needs one FILE, as \"sluice registry list\" shows it", cmd.CommandPath())
	}
	return nil
}

// statesOf returns the states of a file, named by its path or by a key.
func statesOf(view *registry.View, name string) ([]registry.State, error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("find the file: %w", err)
	}
	var found []registry.State
	for _, s := range view.States() {
		if s.Source == path || s.Source == name || s.Key == name {
			found = append(found, s)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: the registry has no state of this file (\"sluice registry list\" shows all)", name)
	}
	return found, nil
}

func (a *app) forget(o registryFlags, name string) error {
	where, _, err := a.locate(o.path)
	if err != nil {
		return err
	}
	view, err := where.read(a.stderr)
	if err != nil {
		return err
	}
	found, err := statesOf(view, name)
	if err != nil {
		return err
	}
	if err := becomeOwner(view); err != nil {
		return err
	}
	reg, err := where.open(view, zerolog.Nop())
	if errors.Is(err, registry.ErrLocked) {
		return fmt.Errorf("%s: the tailer runs and would write the state again; stop it, forget, then start it", name)
	}
	if err != nil {
		return err
	}
	keys := []string{}
	for _, s := range found {
		reg.Forget(s.Key)
		keys = append(keys, s.Key)
	}
	if err := reg.Close(); err != nil {
		return fmt.Errorf("write the registry: %w", err)
	}
	if o.json {
		return json.NewEncoder(a.stdout).Encode(map[string][]string{"forgotten": keys})
	}
	for _, s := range found {
		fmt.Fprintf(a.stdout, "forgot %s at offset %d (%s)\n", s.Source, s.Offset, s.Key)
	}
	return nil
}

// syncRegistry makes data.json current: by opening the registry, or, while the
// tailer has it open, from what is on disk when the tailer has written what it
// knows now.
func (a *app) syncRegistry(ctx context.Context, o registryFlags) error {
	where, _, err := a.locate(o.path)
	if err != nil {
		return err
	}
	view, err := where.read(a.stderr)
	if err != nil {
		return err
	}
	path := filepath.Join(folderOf(view), "data.json")
	if view.Format == registry.FormatVersion1 {
		if err := becomeOwner(view); err != nil {
			return err
		}
		reg, err := where.open(view, zerolog.Nop())
		switch {
		case errors.Is(err, registry.ErrLocked):
			if err = awaitFlush(ctx, folderOf(view), where.cfg.Flush); err == nil {
				err = snapshotDurable(where, path)
			}
		case errors.Is(err, errForeign):
			err = snapshotDurable(where, path)
		case err == nil:
			err = errors.Join(reg.Snapshot(), reg.Close())
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if o.json {
		return json.NewEncoder(a.stdout).Encode(map[string]any{"path": path, "bytes": info.Size()})
	}
	_, err = fmt.Fprintf(a.stdout, "%s is current (%d bytes)\n", path, info.Size())
	return err
}

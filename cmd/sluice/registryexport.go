package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"sluice/registry"
)

// exportFormat is the one form other than our own, which is that of Filebeat
// 7.9 to 9.
const exportFormat = "filebeat-7"

func (a *app) registryExportCommand(o *registryFlags) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "export --format " + exportFormat + " DIR", Short: "Write the states for Filebeat 7.0 to 7.8",
		Long: `Write the states as a registry of Filebeat 7.0 to 7.8 to DIR, which is what
filebeat.registry.path names there. Stop the tailer before, so that nothing is
sent twice. Filebeat 7.9 and later go on with sluice's registry as it is.`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case format != exportFormat:
				return fmt.Errorf("%s needs --format %s, found %q (Filebeat 7.9 and later need no export)", cmd.CommandPath(), exportFormat, format)
			case len(args) != 1:
				return fmt.Errorf("%s needs one DIR, found %d", cmd.CommandPath(), len(args))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return a.exportRegistry(*o, args[0]) },
	}
	cmd.Flags().StringVar(&format, "format", "", "`FORMAT`: "+exportFormat)
	return cmd
}

// exportRegistry writes a registry of Filebeat 7.0 to 7.8.
func (a *app) exportRegistry(o registryFlags, dir string) error {
	where, _, err := a.locate(o.path)
	if err != nil {
		return err
	}
	view, err := where.read(a.stderr)
	if err != nil {
		return err
	}
	states := view.States()
	left, err := registry.ExportV0(dir, states, fs.FileMode(where.cfg.FilePermissions))
	if err != nil {
		return err
	}
	path, written := filepath.Join(dir, "filebeat", "data.json"), len(states)-len(left)
	if o.json {
		lines := []string{}
		for _, l := range left {
			lines = append(lines, l.String())
		}
		return json.NewEncoder(a.stdout).Encode(map[string]any{"path": path, "states": written, "left_out": lines})
	}
	if pid, name := registry.HeldBy(where.dataDir); where.dataDir != "" && pid != 0 {
		fmt.Fprintf(a.stderr, "warning: %s, process %d, runs and ships on: the Filebeat would send that again; stop it, and export then\n", name, pid)
	}
	for _, l := range left {
		fmt.Fprintf(a.stderr, "warning: left out: %s\n", l)
	}
	_, err = fmt.Fprintf(a.stdout, "wrote %d of %d states to %s\n", written, len(states), path)
	return err
}

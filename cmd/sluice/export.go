package main

import (
	"io"

	"github.com/spf13/cobra"

	"sluice/config"
)

func (a *app) exportCommand() *cobra.Command {
	return group("export", "Print the configuration or the reference of all options",
		&cobra.Command{
			Use: "config", Short: "Print the merged configuration with all defaults; secrets are hidden", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				cfg, err := a.load()
				if err != nil {
					return err
				}
				return cfg.Write(a.stdout)
			},
		},
		&cobra.Command{
			Use: "reference", Short: "Print all options with their meaning and default", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				_, err := io.WriteString(a.stdout, config.Reference())
				return err
			},
		})
}

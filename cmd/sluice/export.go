package main

import (
	"io"

	"github.com/spf13/cobra"

	"sluice/config"
)

func (a *app) exportCommand() *cobra.Command {
	return group("export", "Print the configuration or the reference of all options",
		a.exportConfigCommand(),
		&cobra.Command{
			Use: "reference", Short: "Print all options with their meaning and default", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				_, err := io.WriteString(a.stdout, config.Reference())
				return err
			},
		})
}

// exportConfigCommand prints what the files give, as Filebeat does, or, called
// sluice, all options with their defaults.
func (a *app) exportConfigCommand() *cobra.Command {
	short := "Print the merged configuration with all defaults; secrets are hidden"
	if a.brand == config.Filebeat {
		short = "Print the merged configuration with the folders filled in; secrets are hidden"
	}
	return &cobra.Command{
		Use: "config", Short: short, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			if a.brand == config.Filebeat {
				return cfg.Export(a.stdout)
			}
			return cfg.Write(a.stdout)
		},
	}
}

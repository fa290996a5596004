package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sluice/config"
	"sluice/internal/gateway"
)

// testCommand holds the checks that need no running service.
func (a *app) testCommand() *cobra.Command {
	return group("test", "Check the configuration", a.testConfigCommand(), a.testOutputCommand())
}

func (a *app) testConfigCommand() *cobra.Command {
	return &cobra.Command{
		Use: "config", Short: "Check the configuration and print every fault", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := a.read()
			if err != nil {
				return err
			}
			err = cfg.CheckFiles()
			a.warn(cfg)
			if err != nil {
				return err
			}
			ship, record := cfg.NothingToShip(), cfg.NothingToRecord()
			switch {
			case ship != nil && (record != nil || a.brand == config.Filebeat):
				return ship
			case ship != nil:
				fmt.Fprintf(a.stderr, "warning: only the recorder can run: %s\n", ship)
			}
			_, err = fmt.Fprintln(a.stdout, "Config OK")
			return err
		},
	}
}

func (a *app) testOutputCommand() *cobra.Command {
	return &cobra.Command{
		Use: "output", Short: "Try to reach each host of the output, step by step", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			if err := cfg.CheckOutputFiles(); err != nil {
				return err
			}
			return gateway.TestOutput(cmd.Context(), cfg, a.stdout)
		},
	}
}

//go:build !demo

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// setupServerCommand says that there is none: its files and what speaks to the
// server would make the program for 32-bit ARM too large.
func (a *app) setupServerCommand() *cobra.Command {
	return &cobra.Command{
		Use: "server", Short: "Not in the program for 32-bit ARM", Hidden: true, DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("the program for 32-bit ARM has no setup server; run it on the server or any other machine, or build it with -tags demo")
		},
	}
}

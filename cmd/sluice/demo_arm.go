//go:build !demo

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// demoCommand says that there is no demo: broker and receiver would make the
// program for 32-bit ARM 800 kB larger. "make test-arm" builds one that has it.
func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Not in the program for 32-bit ARM", Hidden: true, DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("the program for 32-bit ARM has no demo; run it on another machine, or build it with -tags demo")
		},
	}
}

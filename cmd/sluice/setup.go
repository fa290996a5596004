package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"sluice/internal/setup"
)

// setupFlags are those of every setup command.
type setupFlags struct {
	root   string
	dryRun bool
}

func (a *app) setupCommand() *cobra.Command {
	return group("setup", "Turn a bare machine into a gateway, its broker, or its server", // in the order of use
		a.setupPKICommand(),
		a.setupBrokerCommand(),
		a.setupDeviceCommand(),
		a.setupGatewayCommand(),
		a.setupVPNCommand(),
		a.setupServerCommand(),
	)
}

func (f *setupFlags) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "print each file and command, and change nothing")
	cmd.Flags().StringVar(&f.root, "root", "", "work on the system below `FOLDER`, such as a mounted image: commands and checks are left out")
}

// setupSession begins a setup.
func (a *app) setupSession(f setupFlags) (*setup.Session, error) {
	s := &setup.Session{DryRun: f.dryRun, Out: a.stdout}
	if f.root != "" {
		root, err := filepath.Abs(f.root)
		if err != nil {
			return nil, err
		}
		s.Root = root
	}
	return s, s.Begin()
}

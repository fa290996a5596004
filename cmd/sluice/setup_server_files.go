//go:build !arm || demo

package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"sluice/internal/setup"
)

// filesOnly are the flags of a folder.
var filesOnly = []string{"logstash", "bundle", "address", "version"}

func (f *serverFlags) registerFiles(cmd *cobra.Command) {
	flags, o := cmd.Flags(), &f.files
	flags.IntVar(&o.Logstash, "logstash", 0, "major `VERSION` of Logstash that the pipeline is for, 7, 8 or 9 (default: that of .env)")
	flags.StringVar(&o.Bundle, "bundle", "", "`FILE` of \"setup pki bundle logstash\": certificate and key of the services")
	flags.StringVar(&o.Address, "address", "", "`ADDRESS` of this machine in the VPN, where the ports are opened (default 10.8.0.1)")
}

func (a *app) writeServer(cmd *cobra.Command, f *serverFlags, folder string) error {
	for _, name := range applyOnly {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s belongs to --apply URL", name)
		}
	}
	dir, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	f.files.Dir = dir
	return f.files.Write(cmd.Context(), &setup.Session{DryRun: f.dryRun, Out: a.stdout})
}

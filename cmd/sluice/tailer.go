package main

import (
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"sluice/config"
	"sluice/internal/gateway"
)

func (a *app) tailerCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "tailer",
		Short: "Ship the lines of files to Logstash until stopped",
		Long: `Follows the files of filebeat.inputs, or the recorder's segments if there are no
inputs, and ships their lines to output.logstash. What is acknowledged is kept
in the registry below path.data; after any stop or crash shipping goes on
there.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.serve(cmd, func(cfg *config.Config, log zerolog.Logger) (service, func() string, error) {
				if err := cfg.CheckOutputFiles(); err != nil {
					return nil, nil, err
				}
				t, err := gateway.OpenTailer(cfg, log)
				if err != nil {
					return nil, nil, err
				}
				return t, func() string { return t.Status().String() }, nil
			})
		},
	}
}

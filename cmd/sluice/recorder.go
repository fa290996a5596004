package main

import (
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"sluice/config"
	"sluice/internal/gateway"
)

func (a *app) recorderCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "recorder",
		Short: "Record MQTT messages and serial ports to the spool until stopped",
		Long: `Records the messages of the configured MQTT brokers (recorder.mqtt) and what
comes from serial ports (recorder.serial) as lines of segments in the spool
(recorder.spool.path). A message is acknowledged to the broker only after it is
safe on disk. When the disk is full, nothing is acknowledged, and recording
resumes by itself.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.serve(cmd, func(cfg *config.Config, log zerolog.Logger) (service, func() string, error) {
				if err := cfg.CheckRecorderFiles(); err != nil {
					return nil, nil, err
				}
				r, err := gateway.NewRecorder(cfg, log)
				if err != nil {
					return nil, nil, err
				}
				return placed{gateway.MonitorRecorder(r, cfg, version, commit, log), cfg, "recorder"}, func() string { return r.Status().String() }, nil
			})
		},
	}
	cmd.AddCommand(a.portsCommand())
	return cmd
}

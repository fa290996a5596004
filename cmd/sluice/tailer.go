package main

import (
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"sluice/config"
	"sluice/internal/gateway"
)

const onceHelp = "stop when all files are read to their end and acknowledged"

func (a *app) tailerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tailer",
		Short: "Ship the lines of files to Logstash or Elasticsearch until stopped",
		Long: `Follows the files of filebeat.inputs, or the recorder's segments if there are no
inputs, and ships their lines to the output. What is acknowledged is kept
in the registry below path.data; after any stop or crash shipping goes on
there.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd, a.openTailer) },
	}
	cmd.Flags().BoolVar(&a.once, "once", false, onceHelp)
	a.profile.add(cmd.Flags())
	return cmd
}

// openTailer prepares the tailer, under either name.
func (a *app) openTailer(cfg *config.Config, log zerolog.Logger) (service, func() string, error) {
	if err := cfg.CheckTailerFiles(); err != nil {
		return nil, nil, err
	}
	t, err := gateway.OpenTailer(cfg, log, gateway.TailerOptions{Once: a.once, Stdin: a.stdin, Discard: a.compat.noPublish})
	if err != nil {
		return nil, nil, err
	}
	return t.Monitor(cfg, version, commit, log), t.StatusText, nil
}

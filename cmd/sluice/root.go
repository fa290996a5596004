package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"sluice/config"
)

// app is what all commands share: the name that the program was called by,
// streams, and global flags.
type app struct {
	program        string       // argv[0]
	brand          config.Brand // decides commands, flags and defaults
	stdin          io.Reader
	stdout, stderr io.Writer
	started        bool // the command line was understood

	configs   []string // -c
	overrides []string // -E
	paths     struct{ home, config, data, logs string }
	logLevel  string
	verbose   bool
	debug     []string // -d
	toStderr  bool     // -e
	strict    bool     // --strict.perms

	once    bool // --once
	profile profileFlags
	compat  compatFlags // called filebeat
}

const rootHelp = `sluice records MQTT messages and serial ports to disk, ships the lines of files
to Logstash or Elasticsearch until they are acknowledged, and deletes the files that
are.

The configuration is ./sluice.yml or /etc/sluice/sluice.yml unless -c names
another; "sluice export reference" prints all options with their defaults.

Called filebeat, or as "sluice filebeat", it takes Filebeat's commands, flags,
configuration and registry.

` + exitTable

// commands lists the subcommands in the order of the help text.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.recorderCommand(),
		a.tailerCommand(),
		a.cleanerCommand(),
		a.reshipCommand(),
		a.registryCommand(),
		a.keystoreCommand(),
		a.setupCommand(),
		a.testCommand(),
		a.exportCommand(),
		a.versionCommand(),
		a.demoCommand(),
		a.filebeatCommand(),
		a.completionCommand(),
	}
}

// root builds the command tree.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "Industrial data gateway: record, ship, clean",
		Long:  rootHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().NFlag() > 0 {
				return fmt.Errorf("flags without a command; say what to run, for example: sluice tailer -c FILE")
			}
			return cmd.Help()
		},
	}
	a.common(root)
	a.globalFlags(root)
	root.AddCommand(a.commands()...)
	return root
}

// common sets what the trees of both names have in common.
func (a *app) common(root *cobra.Command) {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %q", err, cmd.CommandPath()+" --help")
	})
	root.PersistentPreRun = func(*cobra.Command, []string) { a.started = true }
}

// execute runs one command line.
func (a *app) execute(ctx context.Context, root *cobra.Command, args []string) error {
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	return root.ExecuteContext(ctx)
}

// group makes a command that only holds others: without one of them, or with
// an unknown one, it says so.
func group(use, short string, inner ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			var names []string
			for _, c := range inner {
				if !c.Hidden {
					names = append(names, c.Name())
				}
			}
			if len(args) == 0 {
				return fmt.Errorf("%s needs one of: %s", cmd.CommandPath(), strings.Join(names, ", "))
			}
			return fmt.Errorf("unknown command %q for %q; there are: %s", args[0], cmd.CommandPath(), strings.Join(names, ", "))
		},
	}
	cmd.AddCommand(inner...)
	return cmd
}

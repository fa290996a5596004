package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/config"
)

// compatFlags are flags that only Filebeat has.
type compatFlags struct {
	noPublish      bool     // -N
	environment    string   // --environment
	moduleSettings []string // -M
	modules        []string
	plugins        []string
	hostfs         string
}

// environments are the values of --environment. In the first two, the log goes
// to standard error when no option says where to.
var environments = []string{"systemd", "container", "default", "macos_service", "windows_service"}

const filebeatHelp = `sluice, called filebeat: the same configuration, registry, keystore, commands and
flags. Without a command it runs.

The configuration is filebeat.yml in path.config; path.config is path.home, and
path.home the folder of the program or of the link that it was called by. Data
is in path.home/data, logs are in path.home/logs.

` + exitTable

// filebeatCommand is the other way to be called filebeat.
func (a *app) filebeatCommand() *cobra.Command {
	return &cobra.Command{
		Use: "filebeat", Short: "Do what Filebeat does, with its commands and flags (also as a link named filebeat)",
		DisableFlagParsing: true, // they are Filebeat's
		RunE:               func(cmd *cobra.Command, args []string) error { return a.filebeat(cmd.Context(), args) },
	}
}

// filebeat executes a command line of Filebeat.
func (a *app) filebeat(ctx context.Context, args []string) error {
	a.brand, a.started = config.Filebeat, false
	useFilebeatNames()
	root := a.filebeatRoot()
	return a.execute(ctx, root, longFlags(root, args))
}

// filebeatRoot builds the command tree of Filebeat.
func (a *app) filebeatRoot() *cobra.Command {
	run := a.runCommand()
	root := &cobra.Command{Use: "filebeat", Short: "Ship the lines of files", Long: filebeatHelp, RunE: run.RunE}
	a.common(root)
	a.filebeatFlags(root.PersistentFlags())
	a.runFlags(root.Flags())
	a.runFlags(run.Flags())
	root.AddCommand(run, a.testCommand(), a.filebeatExportCommand(), a.keystoreCommand(), a.versionCommand(), a.completionCommand(),
		refused("setup", "index templates, policies and dashboards are loaded beside Logstash, or with a Filebeat"),
		refused("modules", "modules need the ingest pipelines of Elasticsearch; list the files under filebeat.inputs"),
		refused("enroll", "there is no central management; the configuration is filebeat.yml"),
		refused("generate", "modules and their fields are made with a Filebeat"))
	return root
}

// filebeatFlags are the flags of all of Filebeat's commands.
func (a *app) filebeatFlags(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringArrayVarP(&a.configs, "c", "c", nil, "configuration `FILE`, relative to path.config; several are merged in order (default filebeat.yml)")
	f.StringArrayVarP(&a.overrides, "E", "E", nil, "set an option: `NAME=VALUE`; may be given several times")
	f.StringSliceVarP(&a.debug, "d", "d", nil, "log at level debug what these `SELECTORS` name, * for all")
	f.BoolVarP(&a.toStderr, "e", "e", false, "log to standard error instead of files")
	f.BoolVarP(&a.verbose, "v", "v", false, "log at level info, if the configuration says less")
	a.pathFlags(f)
	f.BoolVar(&a.strict, "strict.perms", strictByDefault(), "refuse configuration files that others may write")
	f.StringVar(&a.compat.environment, "environment", "", "where it runs: "+strings.Join(environments, ", ")+"; the first two log to standard error by default")
	f.StringArrayVarP(&a.compat.moduleSettings, "M", "M", nil, "`SETTING` of a module: accepted, without effect")
	f.StringSliceVar(&a.compat.modules, "modules", nil, "`MODULES`: accepted, without effect")
	f.StringArrayVar(&a.compat.plugins, "plugin", nil, "`FILE` of a plugin: accepted, without effect")
	f.StringVar(&a.compat.hostfs, "system.hostfs", "", "`FOLDER` of a host's files: accepted, without effect")
}

// strictByDefault is false if the variable BEAT_STRICT_PERMS says so.
func strictByDefault() bool {
	strict, err := strconv.ParseBool(os.Getenv("BEAT_STRICT_PERMS"))
	return err != nil || strict
}

// runFlags are those of filebeat run.
func (a *app) runFlags(f *pflag.FlagSet) {
	f.SortFlags = false
	f.BoolVar(&a.once, "once", false, onceHelp)
	f.BoolVarP(&a.compat.noPublish, "N", "N", false, "for tests: send nothing, unless the output is output.file; what is read counts as acknowledged")
	a.profile.add(f)
}

func (a *app) runCommand() *cobra.Command {
	return &cobra.Command{
		Use: "run", Short: "Ship the lines of files until stopped (the default command)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !a.environmentKnown() {
				return fmt.Errorf("--environment: %q is not one of %s", a.compat.environment, strings.Join(environments, ", "))
			}
			return a.serve(cmd, a.openTailer)
		},
	}
}

func (a *app) environmentKnown() bool {
	return a.compat.environment == "" || slices.Contains(environments, a.compat.environment)
}

func (a *app) filebeatExportCommand() *cobra.Command {
	inner := []*cobra.Command{a.exportConfigCommand()}
	for _, name := range []string{"template", "ilm-policy", "index-pattern", "dashboard"} {
		inner = append(inner, refused(name, "export it with a Filebeat; events go through Logstash"))
	}
	return group("export", "Print the configuration", inner...)
}

// refused is a command of Filebeat that is not ours.
func refused(name, why string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: "Not in sluice: " + why, Hidden: true, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fmt.Errorf("sluice has no %q: %s", cmd.CommandPath(), why)
		},
	}
}

// announce logs what Filebeat logs at its start, and the flags without effect.
func (a *app) announce(log zerolog.Logger, p config.PathConfig) {
	log.Info().Msgf("Home path: [%s] Config path: [%s] Data path: [%s] Logs path: [%s]", p.Home, p.Config, p.Data, p.Logs)
	for _, flag := range []struct {
		name, why string
		given     bool
	}{
		{"-M", "there are no modules; list the files under filebeat.inputs", len(a.compat.moduleSettings) > 0},
		{"--modules", "there are no modules; list the files under filebeat.inputs", len(a.compat.modules) > 0},
		{"--plugin", "there are no plugins", len(a.compat.plugins) > 0},
		{"--system.hostfs", "no metrics of the host are gathered", a.compat.hostfs != ""},
	} {
		if flag.given {
			log.Warn().Msgf("%s has no effect: %s", flag.name, flag.why)
		}
	}
}

// filebeatError is what Filebeat prints when a command fails.
func (a *app) filebeatError(err error) string {
	text := oneLine(err.Error())
	if !a.started {
		if !strings.Contains(text, "--help") {
			text += `; see "filebeat --help"`
		}
		return "Error: " + text
	}
	var faults config.Errors
	if !errors.As(err, &faults) {
		return "Exiting: " + text
	}
	if len(faults) > 1 {
		return fmt.Sprintf("Exiting: %d faults in the configuration:\n%s", len(faults), faults)
	}
	if faults[0].Field() == "" { // the file itself
		return "Exiting: error loading config file: " + text
	}
	return "Exiting: " + text
}

// longFlags gives long flags after a single dash, as Filebeat took them until
// 8, their second one.
func longFlags(root *cobra.Command, args []string) []string {
	run, _, _ := root.Find([]string{"run"}) // it is there
	lookup := func(name string) *pflag.Flag {
		if f := root.PersistentFlags().Lookup(name); f != nil {
			return f
		}
		return run.Flags().Lookup(name)
	}
	out := slices.Clone(args)
	for i := 0; i < len(out); i++ {
		arg := out[i]
		if arg == "--" {
			break
		}
		name, _, given := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if len(arg) < 2 || arg[0] != '-' || name == "" {
			continue
		}
		flag := lookup(name)
		switch {
		case strings.HasPrefix(arg, "--"):
		case flag != nil && len(name) > 1:
			out[i] = "-" + arg
		default: // single letters, of which the last may take the next argument
			flag, given = lastLetter(name, lookup)
		}
		if flag != nil && flag.NoOptDefVal == "" && !given {
			i++ // its value
		}
	}
	return out
}

// lastLetter finds the flag of a group of letters that takes a value, and
// whether the value follows within the group.
func lastLetter(letters string, lookup func(string) *pflag.Flag) (flag *pflag.Flag, given bool) {
	for i := range letters {
		flag = lookup(letters[i : i+1])
		if flag == nil || flag.NoOptDefVal == "" {
			return flag, i < len(letters)-1
		}
	}
	return flag, true
}

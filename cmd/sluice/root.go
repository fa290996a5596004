package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"sluice/config"
)

// app is what all commands share: streams and global flags.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	configs   []string // -c
	overrides []string // -E
	paths     struct{ home, config, data, logs string }
	logLevel  string
	verbose   bool
	debug     []string // -d
	toStderr  bool     // -e
	strict    bool     // --strict.perms
}

const rootHelp = `sluice records MQTT messages to disk, ships the lines of files to Logstash
until they are acknowledged, and deletes the files that are.

The configuration is ./sluice.yml or /etc/sluice/sluice.yml unless -c names
another; "sluice export reference" prints all options with their defaults.

` + exitTable

// commands lists the subcommands in the order of the help text.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.recorderCommand(),
		a.tailerCommand(),
		a.cleanerCommand(),
		a.registryCommand(),
		a.testCommand(),
		a.exportCommand(),
		a.versionCommand(),
		a.demoCommand(),
		a.completionCommand(),
	}
}

// root builds the command tree.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "sluice",
		Short:         "Industrial data gateway: record, ship, clean",
		Long:          rootHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().NFlag() > 0 {
				return fmt.Errorf("flags without a command; say what to run, for example: sluice tailer -c FILE")
			}
			return cmd.Help()
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %q", err, cmd.CommandPath()+" --help")
	})
	a.globalFlags(root)
	root.AddCommand(a.commands()...)
	return root
}

func (a *app) globalFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.SortFlags = false
	f.StringArrayVarP(&a.configs, "config", "c", nil, "configuration `FILE`; several are merged in order")
	f.StringArrayVarP(&a.overrides, "setting", "E", nil, "set an option: `NAME=VALUE`; may be given several times")
	f.StringVar(&a.paths.home, "path.home", "", "`FOLDER` that the other folders are below")
	f.StringVar(&a.paths.config, "path.config", "", "`FOLDER` of configuration files")
	f.StringVar(&a.paths.data, "path.data", "", "`FOLDER` of the registry")
	f.StringVar(&a.paths.logs, "path.logs", "", "`FOLDER` of log files")
	f.StringVar(&a.logLevel, "log-level", "", "`LEVEL` of the log: "+strings.Join(config.Levels, ", ")+"; wins over logging.level")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "log at level info, if the configuration says less")
	f.StringSliceVarP(&a.debug, "debug", "d", nil, "log at level debug (Filebeat's `SELECTORS`; all count)")
	f.BoolVarP(&a.toStderr, "stderr", "e", false, "log to standard error, as is always done")
	f.BoolVar(&a.strict, "strict.perms", true, "refuse configuration files that others may write")
}

// load reads the configuration that the global flags name and prints its
// warnings.
func (a *app) load() (*config.Config, error) {
	cfg, err := a.read()
	if err != nil {
		return nil, err
	}
	a.warn(cfg)
	return cfg, nil
}

// warn prints the configuration's warnings.
func (a *app) warn(cfg *config.Config) {
	for _, w := range cfg.Warnings {
		fmt.Fprintf(a.stderr, "warning: %s\n", w)
	}
}

// read reads the configuration that the global flags name.
func (a *app) read() (*config.Config, error) {
	files, err := a.configFiles()
	if err != nil {
		return nil, err
	}
	if a.strict {
		for _, file := range files {
			if err := config.CheckPermissions(file); err != nil {
				return nil, err
			}
		}
	}
	return config.Load(files, a.settings())
}

// settings are the -E flags and, winning over them, the --path.* flags.
func (a *app) settings() []string {
	list := append([]string(nil), a.overrides...)
	for _, p := range [][2]string{{"home", a.paths.home}, {"config", a.paths.config}, {"data", a.paths.data}, {"logs", a.paths.logs}} {
		if p[1] != "" {
			list = append(list, "path."+p[0]+"='"+strings.ReplaceAll(strings.ReplaceAll(p[1], "$", "$$"), "'", "''")+"'")
		}
	}
	return list
}

// configFiles returns the files of -c, relative ones below path.config as in
// Filebeat, or the one that is found at the usual places. With path.data or
// path.home and no file there is none, and the defaults count.
func (a *app) configFiles() ([]string, error) {
	dir := a.paths.config
	if dir == "" {
		dir = a.paths.home
	}
	if len(a.configs) > 0 {
		files := make([]string, len(a.configs))
		for i, file := range a.configs {
			files[i] = file
			if dir != "" && !filepath.IsAbs(file) {
				files[i] = filepath.Join(dir, file)
			}
		}
		return files, nil
	}
	usual := []string{"sluice.yml", "/etc/sluice/sluice.yml"}
	if dir != "" {
		usual = []string{filepath.Join(dir, "sluice.yml")}
	}
	for _, file := range usual {
		if _, err := os.Stat(file); err == nil {
			return []string{file}, nil
		}
	}
	if len(a.settings()) > 0 {
		return nil, nil
	}
	return nil, fmt.Errorf("no configuration at %s; name one with -c FILE (\"sluice export reference\" prints all options)", strings.Join(usual, " or "))
}

// logger returns the log that flags and configuration ask for.
func (a *app) logger(cfg config.LoggingConfig) (zerolog.Logger, error) {
	level := cfg.Level
	switch {
	case a.logLevel != "":
		level = a.logLevel
	case len(a.debug) > 0:
		level = "debug"
	case a.verbose && (level == "warning" || level == "error"):
		level = "info"
	}
	if err := (&config.LoggingConfig{Level: level}).Validate(); err != nil {
		return zerolog.Nop(), fmt.Errorf("--log-level: %s", strings.TrimPrefix(err.Error(), "level: "))
	}
	return newLogger(a.stderr, cfg.JSON, os.Getenv("JOURNAL_STREAM")).Level(levels[level]), nil
}

// group makes a command that only holds others: without one of them, or with
// an unknown one, it says so.
func group(use, short string, inner ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			names := make([]string, len(inner))
			for i, c := range inner {
				names[i] = c.Name()
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

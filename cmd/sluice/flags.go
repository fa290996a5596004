package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/config"
)

// globalFlags are the flags of every command of sluice.
func (a *app) globalFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.SortFlags = false
	f.StringArrayVarP(&a.configs, "config", "c", nil, "configuration `FILE`; several are merged in order")
	f.StringArrayVarP(&a.overrides, "setting", "E", nil, "set an option: `NAME=VALUE`; may be given several times")
	a.pathFlags(f)
	f.StringVar(&a.logLevel, "log-level", "", "`LEVEL` of the log: "+strings.Join(config.Levels, ", ")+"; wins over logging.level")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "log at level info, if the configuration says less")
	f.StringSliceVarP(&a.debug, "debug", "d", nil, "log at level debug what these `SELECTORS` name, * for all")
	f.BoolVarP(&a.toStderr, "stderr", "e", false, "log to standard error, whatever the configuration says")
	f.BoolVar(&a.strict, "strict.perms", true, "refuse configuration files that others may write")
}

// pathFlags are the flags that both names spell alike.
func (a *app) pathFlags(f *pflag.FlagSet) {
	f.StringVar(&a.paths.home, "path.home", "", "`FOLDER` that the other folders are below")
	f.StringVar(&a.paths.config, "path.config", "", "`FOLDER` of configuration files")
	f.StringVar(&a.paths.data, "path.data", "", "`FOLDER` of the registry")
	f.StringVar(&a.paths.logs, "path.logs", "", "`FOLDER` of log files")
}

// load reads the configuration that the global flags name and prints its
// warnings. A command that names the sections it uses runs without the secrets
// of the others.
func (a *app) load(sections ...string) (*config.Config, error) {
	cfg, err := a.read(sections...)
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
func (a *app) read(sections ...string) (*config.Config, error) {
	files, err := a.configFiles()
	if err != nil {
		return nil, err
	}
	if err := a.checkPermissions(files); err != nil {
		return nil, err
	}
	options, err := a.options()
	if err != nil {
		return nil, err
	}
	options.Sections = sections
	return options.Load(files, a.settings())
}

// checkPermissions refuses files that others may write (--strict.perms).
func (a *app) checkPermissions(files []string) error {
	if !a.strict {
		return nil
	}
	for _, file := range files {
		if err := config.CheckPermissions(file); err != nil && a.brand == config.Filebeat {
			return fmt.Errorf("error loading config file: %w", err) // Filebeat's words
		} else if err != nil {
			return err
		}
	}
	return nil
}

// options say how a configuration is read under the program's name.
func (a *app) options() (config.LoadOptions, error) {
	o := config.LoadOptions{Brand: a.brand, LaxPerms: !a.strict}
	var err error
	if a.brand == config.Filebeat {
		o.Home, err = programFolder(a.program)
	}
	return o, err
}

// programFolder is the folder of the program as it was called: of the link, if
// it was called by one.
func programFolder(program string) (string, error) {
	if !strings.ContainsRune(program, filepath.Separator) {
		found, err := exec.LookPath(program)
		if err != nil && !errors.Is(err, exec.ErrDot) {
			found, err = os.Executable()
		}
		if err != nil && !errors.Is(err, exec.ErrDot) {
			return "", fmt.Errorf("find the program's folder, which is the default of --path.home: %w", err)
		}
		program = found
	}
	path, err := filepath.Abs(program)
	if err != nil {
		return "", fmt.Errorf("find the program's folder, which is the default of --path.home: %w", err)
	}
	return filepath.Dir(path), nil
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

// configFolder is where relative names of -c begin: path.config, else
// path.home, of the flags or of -E; empty if neither is given.
func (a *app) configFolder() string {
	given := map[string]string{}
	for _, text := range a.overrides {
		if name, value, ok := strings.Cut(text, "="); ok {
			given[strings.TrimSpace(name)] = strings.Trim(value, ` '"`)
		}
	}
	for _, dir := range []string{a.paths.config, given["path.config"], a.paths.home, given["path.home"]} {
		if dir != "" {
			return dir
		}
	}
	return ""
}

// errNoConfig says that no configuration is at the usual places.
var errNoConfig = errors.New("no configuration")

// configFiles returns the files of -c, relative ones below path.config as in
// Filebeat, or the one that is found at the usual places. With path.data or
// path.home and no file there is none, and the defaults count. Called
// filebeat, there always is one.
func (a *app) configFiles() ([]string, error) {
	dir := a.configFolder()
	names := a.configs
	if a.brand == config.Filebeat {
		if dir == "" {
			o, err := a.options()
			if err != nil {
				return nil, err
			}
			dir = o.Home
		}
		if len(names) == 0 {
			names = []string{a.brand.FileName()}
		}
	}
	if len(names) > 0 {
		files := make([]string, len(names))
		for i, file := range names {
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
	return nil, fmt.Errorf("%w at %s; name one with -c FILE (\"sluice export reference\" prints all options)", errNoConfig, strings.Join(usual, " or "))
}

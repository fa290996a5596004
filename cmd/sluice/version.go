package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/config"
)

// Set by the linker: -X main.version=… -X main.commit=….
var (
	version = "dev"
	commit  = "unknown"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print version, commit, architecture and Go version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text := fmt.Sprintf("sluice version %s (%s), commit %s, %s", version, runtime.GOARCH, commit, runtime.Version())
			if a.brand == config.Filebeat {
				text = filebeatVersion()
			}
			_, err := fmt.Fprintln(a.stdout, text)
			return err
		},
	}
}

// filebeatVersion is the line of "filebeat version": scripts take from it
// which Filebeat to expect, so that is the one we are compatible with.
func filebeatVersion() string {
	v := config.DefaultConfig().Compatibility.Version
	built := "at an unknown time"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				built = t.UTC().Format("2006-01-02 15:04:05 -0700 MST")
			}
		}
	}
	return fmt.Sprintf("filebeat version %s (%s), libbeat %s [%s built %s by sluice %s]", v, runtime.GOARCH, v, commit, built, version)
}

func (a *app) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use: "completion bash|zsh|fish", Short: "Print the completion script of a shell",
		Long: strings.ReplaceAll(`Print the completion script of a shell, for example:
  sluice completion bash > /etc/bash_completion.d/sluice
  sluice completion zsh > "${fpath[1]}/_sluice"
  sluice completion fish > ~/.config/fish/completions/sluice.fish`, "sluice", a.brand.String()),
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("completion needs one shell: bash, zsh or fish")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch root := cmd.Root(); args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			}
			return fmt.Errorf("no completion for %q; use bash, zsh or fish", args[0])
		},
	}
}

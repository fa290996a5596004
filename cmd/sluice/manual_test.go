package main

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/config"
)

// TestManualNamesEveryCommandAndFlag keeps docs/sluice.1 true.
func TestManualNamesEveryCommandAndFlag(t *testing.T) {
	data, err := os.ReadFile("../../docs/sluice.1")
	if err != nil {
		t.Fatal(err)
	}
	manual := strings.NewReplacer(`\-`, "-", `\fB`, "", `\fI`, "", `\fR`, "").Replace(string(data))
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Name() == "help" || cmd.Hidden {
			return
		}
		if !strings.Contains(manual, cmd.CommandPath()) {
			t.Errorf("docs/sluice.1 does not name the command %q", cmd.CommandPath())
		}
		check := func(f *pflag.Flag) {
			if f.Name != "help" && !strings.Contains(manual, "--"+f.Name) {
				t.Errorf("docs/sluice.1 does not name --%s of %q", f.Name, cmd.CommandPath())
			}
			if f.Shorthand != "" && !strings.Contains(manual, "-"+f.Shorthand) {
				t.Errorf("docs/sluice.1 does not name -%s of %q", f.Shorthand, cmd.CommandPath())
			}
		}
		cmd.LocalFlags().VisitAll(check)
		for _, inner := range cmd.Commands() {
			visit(inner)
		}
	}
	visit((&app{}).root())
	visit((&app{brand: config.Filebeat}).filebeatRoot())
}

func TestManualHasTheExitStatuses(t *testing.T) {
	data, err := os.ReadFile("../../docs/sluice.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []string{"\n.B 0\n", "\n.B 1\n", "\n.B 130\n"} {
		if !strings.Contains(string(data), status) {
			t.Errorf("docs/sluice.1 lacks the exit status %q", strings.TrimSpace(status))
		}
	}
}

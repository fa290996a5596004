package systemd_test

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"sluice/systemd"
)

// The program has every unit of this folder, as it is here.
func TestUnitsAreInTheProgram(t *testing.T) {
	all := units(t)
	if len(all) != len(systemd.Units) {
		t.Errorf("%v are here, and %v in the program", all, systemd.Units)
	}
	for _, name := range append(all, systemd.SerialDropIn, systemd.Sysusers, systemd.CronWeekly) {
		here, err := os.ReadFile(name)
		must(t, err)
		if !bytes.Equal(here, systemd.File(name)) {
			t.Errorf("%s is another one in the program", name)
		}
	}
	for _, name := range systemd.Units {
		if !slices.Contains(all, name) {
			t.Errorf("%s is in the list, and not here", name)
		}
	}
}

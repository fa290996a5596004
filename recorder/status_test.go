package recorder

import (
	"strings"
	"testing"
)

func TestStatusTexts(t *testing.T) {
	for want, s := range map[string]SeriesStatus{
		"a: connecting, 0 recorded, 0 waiting":                         {Name: "a"},
		"a: not connected to b, 0 recorded, 0 waiting: refused":        {Name: "a", Broker: "b", LastError: "refused"},
		"a: connected to b, 3 recorded, 1 waiting":                     {Name: "a", Broker: "b", Connected: true, Recorded: 3, QueueRecords: 1, LastError: "old"},
		"a: not reading /dev/x, 0 recorded, 0 waiting":                 {Name: "a", Port: "/dev/x"},
		"a: reads /dev/x, 0 recorded, 0 waiting":                       {Name: "a", Port: "/dev/x", Connected: true},
		"a: connected to b, 0 recorded, 0 waiting, BLOCKED: disk full": {Name: "a", Broker: "b", Connected: true, Blocked: true, LastError: "disk full"},
	} {
		if got := s.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Under systemd the group alone gives no right: the unit has no devices.
func TestMendOfAPortThatMayNotBeOpened(t *testing.T) {
	t.Setenv("INVOCATION_ID", "")
	if got := openMend(); !strings.Contains(got, "usermod -aG dialout USER") {
		t.Error(got)
	}
	t.Setenv("INVOCATION_ID", "x")
	if got := openMend(); !strings.Contains(got, "drop-in") || strings.Contains(got, "usermod") {
		t.Error(got)
	}
}

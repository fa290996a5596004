// Package systemd holds the units of a gateway, and what belongs to them: the users
// (sysusers.d), the drop-in for serial ports and the weekly script of cron. They are
// in the program, so that "sluice setup gateway" can install them where no package
// did. README.md tells what each unit does.
package systemd

import (
	_ "embed"
	"fmt"
)

// Units are the names of the units that a gateway can have, in the order of its
// start.
var Units = []string{"sluice-vpn.service", "sluice-recorder.service", "sluice-tailer.service", "sluice-cleaner.service", "sluice-cleaner.timer"}

// Names of the files beside the units.
const (
	SerialDropIn = "sluice-recorder-serial.conf" // gives the recorder the serial ports
	Sysusers     = "sluice.sysusers"             // users and groups, for systemd-sysusers
	CronWeekly   = "cron.weekly/sluice"          // for systems without systemd
)

// Variables of their own, since an embed.FS costs several kB of program.
var (
	//go:embed sluice-vpn.service
	vpn string
	//go:embed sluice-recorder.service
	recorder string
	//go:embed sluice-tailer.service
	tailer string
	//go:embed sluice-cleaner.service
	cleaner string
	//go:embed sluice-cleaner.timer
	timer string
	//go:embed sluice-recorder-serial.conf
	serial string
	//go:embed sluice.sysusers
	sysusers string
	//go:embed cron.weekly/sluice
	cron string
)

var files = map[string]string{
	Units[0]: vpn, Units[1]: recorder, Units[2]: tailer, Units[3]: cleaner, Units[4]: timer,
	SerialDropIn: serial, Sysusers: sysusers, CronWeekly: cron,
}

// File returns the content of one of the files above. Another name is a fault of
// the program.
func File(name string) []byte {
	content, ok := files[name]
	if !ok {
		panic(fmt.Sprintf("systemd: no file %q is embedded", name))
	}
	return []byte(content)
}

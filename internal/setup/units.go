package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"sluice/systemd"
)

const (
	unitFolder   = "/etc/systemd/system"
	serialDropIn = unitFolder + "/" + recorderUnit + ".d/serial.conf"
	cronScript   = "/etc/cron.weekly/sluice"
)

func parent(path string) string { return filepath.Dir(path) }

func groupOf(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Gid)
	}
	return -1
}

// program installs program and units where no package did. Where one did later,
// it takes setup's units away, which would win over the package's.
func (g *gateway) program() (steps []Step) {
	switch {
	case g.packaged:
	case g.s.Root != "":
		if !g.there(gatewayProgram) {
			steps = append(steps, Note("there is no "+gatewayProgram+" below "+g.s.Root+": put the program for that machine there, or install the package"))
		}
	case g.o.Program != "":
		content, err := os.ReadFile(g.o.Program)
		if err != nil {
			return []Step{failed{fmt.Errorf("read this program, to install it: %w", err)}}
		}
		steps = append(steps, File{Path: gatewayProgram, Content: content, Mode: 0o755})
	}
	switch {
	case g.o.NoUnits:
		return steps
	case !g.systemd:
		return append(steps, File{Path: cronScript, Content: systemd.File(systemd.CronWeekly), Mode: 0o755})
	}
	for _, unit := range systemd.Units {
		ours := unitFolder + "/" + unit
		switch packaged := g.packageUnit(unit); {
		case packaged == "":
			steps = append(steps, kept{Path: ours, Text: systemd.File(unit), Mode: 0o644})
		case g.there(ours):
			steps = append(steps, gone{ours, packaged + " of the package takes its place"})
		}
	}
	return append(steps, Command{Args: []string{"systemctl", "daemon-reload"}, IfChanged: true})
}

// dropIn gives the recorder the serial ports, when it needs them.
func (g *gateway) dropIn() []Step {
	switch {
	case g.o.NoUnits || !g.systemd:
		return nil
	case g.use.serial:
		return []Step{
			kept{Path: serialDropIn, Text: systemd.File(systemd.SerialDropIn), Mode: 0o644},
			Command{Args: []string{"systemctl", "daemon-reload"}, IfChanged: true},
		}
	case g.there(serialDropIn):
		return []Step{gone{serialDropIn, "no serial port is recorded"}, Command{Args: []string{"systemctl", "daemon-reload"}, IfChanged: true}}
	}
	return nil
}

func (g *gateway) accounts() []Step {
	switch {
	case g.systemd: // the units give the groups
		return []Step{accounts{}}
	case len(g.o.Serial) > 0:
		return []Step{accounts{groups: []string{"adm", "dialout"}}}
	}
	return []Step{accounts{groups: []string{"adm"}}}
}

// accounts are the users that the services run as.
type accounts struct {
	groups []string // that the user sluice must be in, where they exist
}

func (a accounts) do(ctx context.Context, s *Session) (report, error) {
	r := report{verb: "same", line: "the users sluice and sluice-vpn, and their groups"}
	missing := false
	for _, name := range []string{"sluice", "sluice-vpn"} {
		_, _, err := s.ids(Owner{User: name, Group: name})
		missing = missing || err != nil
	}
	commands, stdin := a.commands(s, missing)
	if len(commands) == 0 {
		return r, nil
	}
	r.verb, r.changed = "make", true
	for _, c := range commands {
		r.detail += "    | " + strings.Join(c, " ") + "\n"
	}
	if s.DryRun {
		return r, nil
	}
	for _, c := range commands {
		if err := s.run(ctx, Command{Args: c, Stdin: stdin}); err != nil {
			return report{}, explainAccounts(err)
		}
	}
	return r, nil
}

// commands make the users by systemd-sysusers or, where that is missing, by
// useradd. Both work on another root than that of this machine.
func (a accounts) commands(s *Session, missing bool) (all [][]string, stdin []byte) {
	root := func(option string) []string {
		if s.Root == "" {
			return nil
		}
		return []string{option + s.Root}
	}
	if _, err := exec.LookPath("systemd-sysusers"); err == nil && missing {
		all = append(all, append(append([]string{"systemd-sysusers"}, root("--root=")...), "-"))
		stdin = systemd.File(systemd.Sysusers)
	} else if missing {
		for _, user := range [][2]string{{"sluice", gatewayData}, {"sluice-vpn", "/"}} {
			if _, err := s.id("/etc/passwd", user[0], "user"); err == nil {
				continue
			}
			add := append([]string{"useradd"}, root("--prefix=")...)
			all = append(all, append(add, "--system", "--user-group", "--no-create-home", "--home-dir", user[1], "--shell", "/usr/sbin/nologin", user[0]))
		}
	}
	for _, group := range a.groups {
		if _, err := s.id("/etc/group", group, "group"); err == nil && !s.inGroup("sluice", group) {
			all = append(all, append(append([]string{"usermod"}, root("--prefix=")...), "--append", "--groups", group, "sluice"))
		}
	}
	return all, stdin
}

func explainAccounts(err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w: install it (on Debian the package passwd), or make the system users sluice and sluice-vpn by hand", err)
	}
	return err
}

// inGroup tells whether a group lists a user.
func (s *Session) inGroup(user, group string) bool {
	content, _ := s.ReadFile("/etc/group") // none: nobody is
	for line := range bytes.Lines(content) {
		fields := strings.Split(strings.TrimSpace(string(line)), ":")
		if len(fields) == 4 && fields[0] == group {
			for name := range strings.SplitSeq(fields[3], ",") {
				if name == user {
					return true
				}
			}
		}
	}
	return false
}

package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	// linkWait is how long recorder and VPN may take to reach the other end.
	linkWait = 20 * time.Second
	// firstWait is how long a first message is waited for.
	firstWait = 5 * time.Second
	// linkPoll is the time between two looks.
	linkPoll = 250 * time.Millisecond
	// causeLines bounds what is shown of a service's journal.
	causeLines = 8
)

// services enables what the configuration needs, disables what it does not, and
// starts it.
func (g *gateway) services() (steps []Step) {
	switch {
	case g.o.NoUnits:
		return nil
	case !g.systemd:
		return []Step{Note("there is no systemd here: start \"sluice recorder\" and \"sluice tailer\" as the user sluice by your own init; the cleaner is run by cron")}
	}
	steps = append(steps, g.validation()...)
	for _, one := range []struct {
		unit string
		on   bool
	}{{recorderUnit, g.use.record}, {tailerUnit, g.use.ship}, {timerUnit, g.use.record || g.use.ship}} {
		steps = append(steps, enable{unit: one.unit, on: one.on})
		if one.on && !g.o.NoStart {
			steps = append(steps, start{unit: one.unit, sources: g.sources(one.unit)})
		}
	}
	return append(g.tunnels(), steps...)
}

// sources are the files that a unit reads at its start. A folder is changed by
// what goes, too.
func (g *gateway) sources(unit string) []string {
	if unit == timerUnit {
		return []string{unitFolder + "/" + unit}
	}
	dropIns := unitFolder + "/" + unit + ".d"
	return []string{unitFolder + "/" + unit, dropIns, dropIns + "/" + filepath.Base(serialDropIn), GatewayConfig, gatewayProgram,
		gatewayCA, g.certPath(), g.keyPath(), g.keystorePath(), gatewayFolder + "/environment"}
}

// tunnels are started first: broker and Logstash may be behind them.
func (g *gateway) tunnels() (steps []Step) {
	for _, one := range []struct {
		unit, profile string
		given         bool
	}{{vpnUnit, gatewayProfile, len(g.o.OpenVPN) > 0}, {wireGuardUnit, wireGuardFile, len(g.o.WireGuard) > 0}} {
		if !one.given {
			continue
		}
		steps = append(steps, enable{unit: one.unit, on: true})
		if !g.o.NoStart {
			steps = append(steps, start{unit: one.unit, sources: []string{one.profile}, noWait: true})
		}
	}
	return steps
}

// enable is a unit that is started with the machine, or not.
type enable struct {
	unit string
	on   bool
}

func (e enable) do(ctx context.Context, s *Session) (report, error) {
	args := []string{"systemctl"}
	if s.Root != "" {
		args = append(args, "--root="+s.Root)
	}
	state := output(ctx, append(args[:len(args):len(args)], "is-enabled", e.unit)...)
	r := report{verb: "same", line: e.unit + " is not enabled"}
	verb := []string{"disable", e.unit}
	if e.on {
		r.line, verb = e.unit+" is enabled", []string{"enable", e.unit}
	}
	if is := state == "enabled"; is == e.on {
		return r, nil
	}
	if !e.on && s.Root == "" {
		verb = []string{"disable", "--now", e.unit}
	}
	args = append(args, verb...)
	r = report{verb: "run", line: strings.Join(args, " "), changed: true}
	if s.DryRun {
		return r, nil
	}
	return r, s.run(ctx, Command{Args: args})
}

// start is a unit that runs, and has read its files as they are now.
type start struct {
	unit    string
	sources []string // files that it reads at its start
	noWait  bool     // until it is ready
}

func (u start) do(ctx context.Context, s *Session) (report, error) {
	if s.Root != "" {
		return report{verb: "skip", line: "start " + u.unit}, nil
	}
	verb := "start"
	if state := output(ctx, "systemctl", "is-active", u.unit); state == "active" || state == "activating" {
		if verb = "restart"; !u.stale(ctx, s) {
			return report{verb: "same", line: u.unit + " is " + state}, nil
		}
	}
	args := []string{"systemctl", verb, u.unit}
	if u.noWait {
		args = []string{"systemctl", "--no-block", verb, u.unit}
	}
	r := report{verb: "run", line: strings.Join(args, " "), changed: true}
	if s.DryRun {
		return r, nil
	}
	since := time.Now()
	err := s.run(ctx, Command{Args: args})
	if !u.noWait {
		state := output(ctx, "systemctl", "is-active", u.unit)
		if err == nil && state != "active" {
			err = errors.New(state)
		}
		if err != nil {
			return report{}, fmt.Errorf("%s does not start: %s", u.unit, cmp.Or(cause(ctx, u.unit, since), err.Error()))
		}
	}
	return r, err
}

// stale tells whether a running unit began before one of its files, or a folder
// of them, was changed.
func (u start) stale(ctx context.Context, s *Session) bool {
	text := output(ctx, "systemctl", "show", "--timestamp=us+utc", "-p", "ActiveEnterTimestamp", "-p", "ExecMainStartTimestamp", "--value", u.unit)
	var began time.Time
	for line := range strings.Lines(text) {
		if at, err := time.Parse("Mon 2006-01-02 15:04:05.999999 MST", strings.TrimSpace(line)); err == nil && (began.IsZero() || at.Before(began)) {
			began = at
		}
	}
	return slices.ContainsFunc(u.sources, func(path string) bool {
		info, err := os.Stat(s.Path(path))
		return err == nil && info.ModTime().After(began)
	})
}

// output returns what a command prints, trimmed: also when it fails, since
// "systemctl is-active" says what is, and is no success.
func output(ctx context.Context, args ...string) string {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = time.Second
	out, _ := cmd.Output() // see above
	return strings.TrimSpace(string(out))
}

// cause is why a unit's program has ended since a time: its last words in the
// journal, in one line; empty: nothing is there.
func cause(ctx context.Context, unit string, since time.Time) string {
	program := map[string]string{recorderUnit: "sluice", tailerUnit: "sluice", vpnUnit: "openvpn", wireGuardUnit: "wg-quick"}[unit]
	return lastWords(output(ctx, "journalctl", "--no-pager", "-o", "cat", "-n", "60", "-u", unit, "SYSLOG_IDENTIFIER="+program, fmt.Sprintf("--since=@%d", since.Unix())))
}

// steady tells whether a unit runs on: one that is ready may end right after.
func steady(ctx context.Context, unit string, since time.Time) error {
	lines := strings.Fields(output(ctx, "systemctl", "show", "-p", "ActiveState", "-p", "NRestarts", unit))
	if slices.Contains(lines, "ActiveState=active") && slices.Contains(lines, "NRestarts=0") {
		return nil
	}
	return fmt.Errorf("%s ends again and again: %s", unit, cause(ctx, unit, since))
}

// lastWords are the last lines of the last run that has said anything after its
// first line, "sluice recorder starts", and before its end, "sluice recorder
// stopped".
func lastWords(text string) string {
	var before, lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.Contains(line, " starts version="):
			if len(lines) > 0 {
				before, lines = lines, nil
			}
		case strings.HasPrefix(line, "sluice ") && strings.HasSuffix(line, " stopped"):
		case line != "" && !slices.Contains(lines, line):
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		lines = before
	}
	return strings.Join(lines[max(0, len(lines)-causeLines):], "; ")
}

// asService runs the program with a service's user and secrets, as README.md of
// package systemd has it.
func (g *gateway) asService(ctx context.Context, args ...string) (string, error) {
	all := []string{"--quiet", "--wait", "--pipe", "-p", "User=sluice", "-p", "Group=sluice", "-p", "SupplementaryGroups=adm", "-p", "LoadCredential=sluice:" + gatewayCredentials,
		"-p", "EnvironmentFile=-" + gatewayFolder + "/environment", gatewayProgram, "-c", GatewayConfig, "-E", "keystore.path=${CREDENTIALS_DIRECTORY}/sluice_keystore"}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "systemd-run", append(all, args...)...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil && text != "" {
		return "", errors.New(text)
	}
	return text, err
}

// validation is the check before the start, which stops the setup.
func (g *gateway) validation() []Step {
	if !g.use.ship && !g.use.record {
		return nil
	}
	return []Step{Check{What: "the configuration, with the services' secrets", Try: func(ctx context.Context) (string, error) {
		if _, err := g.asService(ctx, "test", "config"); err != nil {
			return "", err
		}
		return "good", nil
	}}}
}

// softCheck is a check whose failure ends nothing, and is told at the end.
type softCheck struct {
	Check
	failed *int
}

func (a softCheck) do(ctx context.Context, s *Session) (report, error) {
	r, err := a.Check.do(ctx, s)
	if err == nil || ctx.Err() != nil {
		return r, err
	}
	*a.failed++
	return report{verb: "FAIL", line: err.Error()}, nil
}

// checks are the attempts after the start.
func (g *gateway) checks() (steps []Step) {
	if g.o.NoUnits || g.o.NoStart || !g.systemd {
		return nil
	}
	try := func(what string, do func(context.Context) (string, error)) {
		steps = append(steps, softCheck{Check{What: what, Try: do}, &g.failed})
	}
	if len(g.o.OpenVPN) > 0 {
		try("the VPN", func(ctx context.Context) (string, error) { return g.tunnel(ctx, vpnUnit) })
	}
	if len(g.o.WireGuard) > 0 {
		try("WireGuard", func(ctx context.Context) (string, error) { return g.tunnel(ctx, wireGuardUnit) })
	}
	if g.use.record {
		try("the recorder's sources", g.recorderLinks)
	}
	if g.use.ship {
		try("Logstash", func(ctx context.Context) (string, error) {
			if _, err := g.asService(ctx, "test", "output"); err != nil {
				return "", errors.New(lastLine(err.Error()))
			}
			return "reached", steady(ctx, tailerUnit, g.began)
		})
	}
	return steps
}

func lastLine(text string) string { return text[strings.LastIndexByte(text, '\n')+1:] }

// poll looks until done, or until the time is over.
func poll(ctx context.Context, wait time.Duration, done func() bool) bool {
	end := time.Now().Add(wait)
	for !done() {
		select {
		case <-time.After(linkPoll):
		case <-ctx.Done():
			return false
		}
		if time.Now().After(end) {
			return done()
		}
	}
	return true
}

func (g *gateway) tunnel(ctx context.Context, unit string) (string, error) {
	var state string
	if poll(ctx, linkWait, func() bool { state = output(ctx, "systemctl", "is-active", unit); return state == "active" }) {
		return unit + " is active", nil
	}
	return "", fmt.Errorf("%s is %s after %v: %s", unit, state, linkWait, cause(ctx, unit, g.began))
}

var someRecorded = regexp.MustCompile(`\b[1-9][0-9]* recorded`)

// recorderLinks waits until the recorder's status says that all sources are
// there, and then a little for a first message.
func (g *gateway) recorderLinks(ctx context.Context) (string, error) {
	var status string
	var ended error
	linked := poll(ctx, linkWait, func() bool {
		status = recorderStatus(ctx)
		ended = steady(ctx, recorderUnit, g.began)
		return ended != nil || status != "" && !strings.Contains(status, ": not ") && !strings.Contains(status, ": connecting")
	})
	switch {
	case ended != nil:
		return "", ended
	case !linked:
		return "", fmt.Errorf("after %v: %s", linkWait, cmp.Or(status, "no status"))
	}
	came := poll(ctx, firstWait, func() bool {
		status = recorderStatus(ctx)
		return someRecorded.MatchString(status)
	})
	if !came {
		status += " (no message came yet)"
	}
	return status, nil
}

func recorderStatus(ctx context.Context) string {
	return output(ctx, "systemctl", "show", "-p", "StatusText", "--value", recorderUnit)
}

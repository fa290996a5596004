package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// startTime is how long a broker may take until it listens.
	startTime = 20 * time.Second
	// reloadTime is how long it may take to read its lists again.
	reloadTime = 5 * time.Second
)

// changes does steps, and tells whether they have changed something.
func (s *Session) changes(ctx context.Context, steps ...Step) (bool, error) {
	before := s.changed
	s.changed = false
	err := s.Apply(ctx, steps...)
	changed := s.changed
	s.changed = s.changed || before
	return changed, err
}

// caller is who called sudo; not ok: nobody did.
func caller() (uid, gid int, ok bool) {
	uid, uidErr := strconv.Atoi(os.Getenv("SUDO_UID"))
	gid, gidErr := strconv.Atoi(os.Getenv("SUDO_GID"))
	return uid, gid, os.Geteuid() == 0 && uidErr == nil && gidErr == nil
}

func writeAll(content []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	}
}

// start makes Mosquitto use its files: by a restart for its configuration, else by
// a signal for certificate, users and rights.
func (b *broker) start(ctx context.Context, view *brokerView, restart, reload bool) error {
	s := b.s
	down := !s.DryRun && s.Root == "" && !view.listens(ctx, 200*time.Millisecond)
	switch {
	case restart || down:
		if err := restartMosquitto(ctx, s, &b.scan); err != nil {
			return err
		}
		if s.DryRun || s.Root != "" {
			break
		}
		if !view.listens(ctx, startTime) {
			return fmt.Errorf("mosquitto was started and does not listen on %s: journalctl -u %s and its log tell why; the files that were replaced are beside the new ones", view.address(), mosquittoUnit)
		}
	case reload:
		if err := reloadMosquitto(ctx, s, &b.scan); err != nil {
			return err
		}
	}
	if b.changedPassword {
		return restartRecorder(ctx, s)
	}
	return nil
}

// hasSystemd tells whether systemd runs the machine.
func (s *Session) hasSystemd() bool {
	_, err := os.Stat(s.Path("/run/systemd/system"))
	return err == nil
}

// systemctl is a step for a machine with systemd.
func systemctl(why string, args ...string) Command {
	return Command{Args: append([]string{"systemctl"}, args...), Why: why}
}

func restartMosquitto(ctx context.Context, s *Session, scan *mosquittoScan) error {
	if s.DryRun || s.Root != "" || s.hasSystemd() {
		return s.Apply(ctx,
			systemctl("also after the next boot", "enable", mosquittoUnit),
			systemctl("listeners are made at the start", "restart", mosquittoUnit))
	}
	pid, err := mosquittoPID(s, scan)
	if err != nil {
		return fmt.Errorf("no systemd runs here, and %w: start it with \"mosquitto -c %s\", then run \"sluice setup broker --check\"", err, mosquittoMain)
	}
	return fmt.Errorf("no systemd runs here: stop Mosquitto (process %d), start it again with \"mosquitto -c %s\", then run \"sluice setup broker --check\"", pid, mosquittoMain)
}

// reloadMosquitto makes Mosquitto read certificate, users and rights again.
//
// A broker that was started while the recorder was away, and gets SIGHUP before it
// has come back, forgets the rights of its session: what then comes is dropped
// (seen with 2.0.11). A restart does not do that. So a recorder of this machine
// that does not run is a reason for a restart.
func reloadMosquitto(ctx context.Context, s *Session, scan *mosquittoScan) error {
	switch {
	case s.DryRun || s.Root != "":
		return s.Apply(ctx, systemctl("it reads certificate, users and rights again", "reload", mosquittoUnit))
	case s.hasSystemd() && s.hasUnit(recorderUnit) && !active(ctx, recorderUnit):
		return s.Apply(ctx, systemctl("a reload could lose what waits for the recorder, which does not run", "restart", mosquittoUnit))
	case s.hasSystemd() && active(ctx, mosquittoUnit):
		return s.Apply(ctx, systemctl("it reads certificate, users and rights again", "reload", mosquittoUnit))
	}
	pid, err := mosquittoPID(s, scan)
	if err != nil {
		return fmt.Errorf("the files are written, and %w: start it, or send it SIGHUP", err)
	}
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		return fmt.Errorf("send SIGHUP to Mosquitto (process %d): %w", pid, err)
	}
	return s.Apply(ctx, Note(fmt.Sprintf("Mosquitto (process %d) reads certificate, users and rights again", pid)))
}

// restartRecorder makes a recorder of this machine read its new password.
func restartRecorder(ctx context.Context, s *Session) error {
	if !s.hasUnit(recorderUnit) || !s.DryRun && s.Root == "" && !s.hasSystemd() {
		return s.Apply(ctx, Note("the recorder has a new password: give it to the machine where it runs, and start it again"))
	}
	return s.Apply(ctx, systemctl("it has a new password", "try-restart", recorderUnit))
}

func (s *Session) hasUnit(unit string) bool {
	for _, folder := range []string{"/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system"} {
		if _, err := os.Stat(s.Path(folder + "/" + unit)); err == nil {
			return true
		}
	}
	return false
}

func active(ctx context.Context, unit string) bool {
	return exec.CommandContext(ctx, "systemctl", "is-active", "--quiet", unit).Run() == nil
}

// mosquittoPID finds the broker: by its pid_file, else as the only process of its
// name.
func mosquittoPID(s *Session, scan *mosquittoScan) (int, error) {
	if file := scan.value("pid_file"); file != "" {
		if text, err := s.ReadFile(file); err == nil {
			if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && commandOf(pid) == "mosquitto" {
				return pid, nil
			}
		}
	}
	var found []int
	names, _ := filepath.Glob("/proc/[0-9]*/comm") // the pattern is good
	for _, name := range names {
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil && commandOf(pid) == "mosquitto" {
			found = append(found, pid)
		}
	}
	switch len(found) {
	case 0:
		return 0, errors.New("mosquitto does not run")
	case 1:
		return found[0], nil
	}
	return 0, fmt.Errorf("%d processes are called mosquitto, and no pid_file tells which is meant", len(found))
}

func commandOf(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(name))
}

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"sluice/config"
	"sluice/internal/gateway"
)

// service is a part that runs until it is told to stop.
type service interface {
	Run(ctx context.Context) error
}

// placed is a service whose errors name options relative to a section of the
// configuration; it gives them their full name, file and line.
type placed struct {
	service
	cfg     *config.Config
	section string
}

func (p placed) Run(ctx context.Context) error {
	return p.cfg.Place(p.section, p.service.Run(ctx))
}

const (
	// statusInterval is the time between two status texts for systemd.
	statusInterval = 10 * time.Second
	// After a start, when somebody may look, they come each second for a while.
	firstStatusInterval = time.Second
	firstStatusTime     = 30 * time.Second
)

// opener prepares a service; nothing is read or sent before Run.
type opener func(*config.Config, zerolog.Logger) (s service, status func() string, err error)

// serve loads the configuration, opens a service and runs it until SIGTERM or
// SIGINT. Under systemd (Type=notify) it tells readiness, a status text,
// and that it is alive (WatchdogSec).
func (a *app) serve(cmd *cobra.Command, open opener) (err error) {
	cfg, err := a.read()
	if err != nil {
		return err
	}
	log, err := a.openLog(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.close()) }()
	if err = a.runService(cmd, cfg, log, open); err != nil && log.place != toStderr {
		log.Error().Msgf("Exiting: %s", oneLine(err.Error())) // standard error, which has it too, may lead nowhere
	}
	return err
}

// runService runs a service between the lines of its start and end.
func (a *app) runService(cmd *cobra.Command, cfg *config.Config, log *logs, open opener) error {
	started, stopped := fmt.Sprintf("sluice %s starts", cmd.Name()), fmt.Sprintf("sluice %s stopped", cmd.Name())
	if a.brand == config.Filebeat {
		started, stopped = "filebeat start running.", "filebeat stopped."
		a.announce(log.Logger, cfg.Path)
	}
	a.logWarnings(cfg, log)
	gateway.Tune(cfg)
	endProfile, err := a.profile.start(log.Logger)
	if err != nil {
		return err
	}
	s, status, err := open(cfg, log.Logger)
	if err != nil {
		return errors.Join(err, endProfile())
	}
	log.Info().Str("version", version).Msg(started)
	ctx, end := context.WithCancel(cmd.Context())
	defer end()
	notified := make(chan struct{})
	go func() {
		defer close(notified)
		notifySystemd(ctx, log.Logger, status)
	}()
	err = s.Run(ctx)
	end()
	<-notified
	log.Info().Msg(stopped)
	return errors.Join(err, endProfile())
}

// logWarnings tells the configuration's warnings: as plain lines where the log
// goes to standard error, since they belong to the start.
func (a *app) logWarnings(cfg *config.Config, log *logs) {
	if a.brand != config.Filebeat && log.place == toStderr {
		a.warn(cfg)
		return
	}
	for _, w := range cfg.Warnings {
		log.Warn().Msg(w)
	}
}

// notifySystemd tells the service manager how things are until ctx ends. It
// does nothing, and wakes nobody, where there is none.
func notifySystemd(ctx context.Context, log zerolog.Logger, status func() string) {
	told, err := daemon.SdNotify(false, daemon.SdNotifyReady)
	if err != nil {
		log.Warn().Err(err).Msg("can't tell systemd that the service is ready; NOTIFY_SOCKET is set, but nobody listens")
	}
	if !told {
		return
	}
	interval := statusInterval
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn().Err(err).Msg("WATCHDOG_USEC can't be read; the watchdog is not served")
	}
	if watchdog > 0 {
		interval = min(interval, watchdog/2)
	}
	tick := time.NewTicker(min(interval, firstStatusInterval))
	defer tick.Stop()
	settled := time.After(firstStatusTime)
	for {
		text := fmt.Sprintf("STATUS=%s\n", status())
		if watchdog > 0 {
			text += daemon.SdNotifyWatchdog
		}
		_, _ = daemon.SdNotify(false, text) // the next tick tries again
		select {
		case <-tick.C:
		case <-settled:
			tick.Reset(interval)
		case <-ctx.Done():
			_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping) // systemd sees the end anyway
			return
		}
	}
}

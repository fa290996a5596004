package main

import (
	"context"
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

// statusInterval is the time between two status texts for systemd.
const statusInterval = 10 * time.Second

// serve loads the configuration, opens a service and runs it until SIGTERM or
// SIGINT. Under systemd (Type=notify) it tells readiness, a status text,
// and that it is alive (WatchdogSec).
func (a *app) serve(cmd *cobra.Command, open func(*config.Config, zerolog.Logger) (service, func() string, error)) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	log, err := a.logger(cfg.Logging)
	if err != nil {
		return err
	}
	gateway.Tune(cfg)
	s, status, err := open(cfg, log)
	if err != nil {
		return err
	}
	log.Info().Str("version", version).Msgf("sluice %s starts", cmd.Name())
	ctx, end := context.WithCancel(cmd.Context())
	defer end()
	notified := make(chan struct{})
	go func() {
		defer close(notified)
		notifySystemd(ctx, log, status)
	}()
	err = s.Run(ctx)
	end()
	<-notified
	if err != nil {
		return err
	}
	log.Info().Msgf("sluice %s stopped", cmd.Name())
	return nil
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
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		text := fmt.Sprintf("STATUS=%s\n", status())
		if watchdog > 0 {
			text += daemon.SdNotifyWatchdog
		}
		_, _ = daemon.SdNotify(false, text) // the next tick tries again
		select {
		case <-tick.C:
		case <-ctx.Done():
			_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping) // systemd sees the end anyway
			return
		}
	}
}

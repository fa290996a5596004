//go:build !arm

package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/rs/zerolog"

	"sluice/internal/monitor"
)

// start begins what the flags ask for; end finishes the files.
func (p *profileFlags) start(log zerolog.Logger) (end func() error, err error) {
	var ends []func() error
	end = func() error {
		var errs []error
		for _, f := range ends {
			errs = append(errs, f())
		}
		return errors.Join(errs...)
	}
	for _, begin := range []func(zerolog.Logger) (func() error, error){p.startCPU, p.startMemory, p.startHTTP} {
		f, err := begin(log)
		if err != nil {
			return nil, errors.Join(err, end())
		}
		ends = append(ends, f)
	}
	return end, nil
}

func nothing() error { return nil }

func (p *profileFlags) startCPU(zerolog.Logger) (func() error, error) {
	if p.cpu == "" {
		return nothing, nil
	}
	f, err := os.Create(p.cpu)
	if err != nil {
		return nil, fmt.Errorf("--cpuprofile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("--cpuprofile: %w", err), f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

func (p *profileFlags) startMemory(zerolog.Logger) (func() error, error) {
	if p.memory == "" {
		return nothing, nil
	}
	f, err := os.Create(p.memory) // now, since at the end it would be too late to tell
	if err != nil {
		return nil, fmt.Errorf("--memprofile: %w", err)
	}
	return func() error {
		runtime.GC() // the profile is of what the last collection saw
		if err := pprof.WriteHeapProfile(f); err != nil {
			return errors.Join(fmt.Errorf("--memprofile: %w", err), f.Close())
		}
		return f.Close()
	}, nil
}

func (p *profileFlags) startHTTP(log zerolog.Logger) (func() error, error) {
	if p.http == "" {
		return nothing, nil
	}
	host, port, err := net.SplitHostPort(p.http)
	if err != nil {
		return nil, fmt.Errorf("--httpprof: wants [HOST]:PORT such as :6060, found %q", p.http)
	}
	if host == "" {
		host = "localhost"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("--httpprof: %w", err)
	}
	s := &http.Server{Handler: monitor.Profiles(), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	log.Info().Msgf("profiles are at http://%s/debug/pprof/", l.Addr())
	return func() error {
		err := s.Close()
		if served := <-served; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}, nil
}

package main

import "github.com/rs/zerolog"

// start says that there are no profiles: on 32-bit ARM they would make the
// program 200 kB larger.
func (p *profileFlags) start(log zerolog.Logger) (end func() error, err error) {
	if p.cpu != "" || p.memory != "" || p.http != "" {
		log.Warn().Msg("--cpuprofile, --memprofile and --httpprof have no effect: the program for 32-bit ARM takes no profiles; use another machine's")
	}
	return func() error { return nil }, nil
}

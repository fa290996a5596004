package main

import "github.com/spf13/pflag"

// profileFlags say where a service writes what it spends time and memory on.
type profileFlags struct {
	cpu, memory, http string
}

func (p *profileFlags) add(f *pflag.FlagSet) {
	f.StringVar(&p.cpu, "cpuprofile", "", "write a CPU profile to `FILE`")
	f.StringVar(&p.memory, "memprofile", "", "write a memory profile to `FILE` at the end")
	f.StringVar(&p.http, "httpprof", "", "serve profiles at `[HOST]:PORT`; without HOST, for this machine only")
}

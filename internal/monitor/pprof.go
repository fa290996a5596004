//go:build !arm

package monitor

import (
	"fmt"
	"net/http"
	"runtime"
	"runtime/pprof"
	"strconv"
	"time"
)

// profiling says whether the program can take profiles.
const profiling = true

// The profiles are served by runtime/pprof itself: net/http/pprof would make
// the program 300 kB larger.

// maxProfile bounds ?seconds of a CPU profile.
const maxProfile = 10 * time.Minute

// sampling sets the rates of http.pprof.*.
func (p *Pprof) sampling() {
	if !p.Enabled {
		return
	}
	runtime.SetBlockProfileRate(p.BlockProfileRate)
	runtime.SetMutexProfileFraction(p.MutexProfileRate)
	runtime.MemProfileRate = p.MemProfileRate
}

// Profiles serves the program's profiles below /debug/pprof/, without the
// configuration (filebeat --httpprof).
func Profiles() http.Handler {
	mux := http.NewServeMux()
	profiles(mux)
	return mux
}

// profiles adds the routes below /debug/pprof/.
func profiles(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/{$}", func(w http.ResponseWriter, _ *http.Request) {
		plain(w)
		fmt.Fprintln(w, "profile")
		for _, p := range pprof.Profiles() {
			fmt.Fprintln(w, p.Name())
		}
	})
	mux.HandleFunc("GET /debug/pprof/profile", cpuProfile)
	mux.HandleFunc("GET /debug/pprof/{name}", func(w http.ResponseWriter, r *http.Request) {
		p := pprof.Lookup(r.PathValue("name"))
		if p == nil {
			http.NotFound(w, r)
			return
		}
		form, _ := strconv.Atoi(r.FormValue("debug")) // anything else is the binary form
		if p.Name() == "heap" && r.FormValue("gc") != "" {
			runtime.GC()
		}
		binary(w, form)
		_ = p.WriteTo(w, form) // the client has gone
	})
}

// cpuProfile samples the CPU for ?seconds (30).
func cpuProfile(w http.ResponseWriter, r *http.Request) {
	wait := 30 * time.Second
	if n, err := strconv.Atoi(r.FormValue("seconds")); err == nil && n > 0 {
		wait = min(time.Duration(min(n, 1e6))*time.Second, maxProfile)
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + writeTimeout)) // else the answer is cut
	binary(w, 0)
	if err := pprof.StartCPUProfile(w); err != nil {
		http.Error(w, "another profile is being taken: "+err.Error(), http.StatusConflict)
		return
	}
	defer pprof.StopCPUProfile()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

// binary says what kind of profile follows.
func binary(w http.ResponseWriter, form int) {
	if form > 0 {
		plain(w)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
}

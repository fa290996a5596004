package monitor

import "net/http"

// profiling says whether the program can take profiles: on 32-bit ARM they
// would make it 200 kB larger.
const profiling = false

func (p *Pprof) sampling() {}

func profiles(*http.ServeMux) {}

// Package monitor tells how a running sluice is: over HTTP (http.*), and in a
// line of the log every 30 seconds (logging.metrics.*).
//
// # Nouns
//
//   - A Source is what is watched. It gives Numbers (counters since the start,
//     and gauges), the Files that are followed, and its Health.
//   - A leaf is one number or text with a dotted name, as Filebeat has it:
//     libbeat.output.events.acked. A counter only grows; a gauge goes up and
//     down.
//   - The tree is all leaves, nested: what /stats answers and the log line
//     carries.
//
// The package knows nothing of tailers, outputs and registries: whoever puts
// the parts together (internal/gateway) fills the Source.
//
// # Endpoints
//
//	/          who this is: name, version, uuid, user
//	/stats     the tree
//	/state     what is configured, and on which machine
//	/inputs/   an array, one object for each input; ?type=log chooses
//	/dataset   the same objects by the inputs' ids
//	/metrics   all of it, and the lag of every file, for Prometheus
//	/healthz   200 if the program is alive, 503 if not
//	/readyz    200 if the program can do its work, 503 if not
//	/debug/pprof/  profiles, with http.pprof.enabled
//
// The first five answer JSON in Filebeat's shape; ?pretty indents it. /metrics
// is Prometheus' text format 0.0.4; its names are listed in prometheus.go. At
// most maxFiles files are listed there, those with the greatest lag; the sums
// count them all.
//
// There is no password: the default is the loopback address, and a warning is
// logged for any other. A unix socket (http.host: unix:///run/sluice.sock) has
// mode 0660; one that a crash left behind is replaced, one that is in use is not.
//
// # Healthy and ready
//
// Healthy means that the process answers and its loop goes on: the one that
// looks for files, follows notifications and writes the registry. It is not
// healthy when that loop is more than a minute late, as on a file system that
// hangs: a restart may help. An output that is away is no illness, since a
// restart does not bring it back.
//
// Ready means healthy, and also: every input was started and its paths were
// looked at once, the output is reachable, and every source of a recorder in
// this process can be recorded from: the broker of an input of type mqtt, and
// of the recorder (recorder.http) each broker and each serial port. Whoever is
// not ready says so with one line for each reason.
//
// Reachable is what the last connections have shown: at least one host is not
// in an outage. An outage begins with the first failure and ends with the next
// acknowledgement, not with a mere connection, since a server that refuses every
// event accepts those too. Before the first try, when there was nothing to send,
// the output counts as reachable; and while there is nothing to send, an outage
// that has begun lasts, since nobody looks. A broker counts as away until it has
// accepted the session and the subscriptions, and a source whose segments can't
// be written as well. During a stop the program is not ready.
//
// So readiness tells whether what comes in arrives right now. It is no reason for
// a restart: what has come waits on disk. Liveness is /healthz.
//
// # Lag
//
// A file's lag in bytes is its size minus the offset: what is on disk and not
// acknowledged. Its lag in seconds is how long the oldest of those bytes may
// have waited: the time since a look at the file after which all that was
// there is acknowledged. Of what was there before the start, it counts from the
// start. Of a compressed file, only what was read counts.
//
// # Cost
//
// Nothing is gathered before somebody asks, one at a time: further requests
// take the answer of the one under way. A Source that does not answer within
// patience (a disk that hangs) makes them fail with 503; /healthz does not
// depend on it.
package monitor

package monitor

import (
	"encoding/json"
	"math"
	"strings"
	"time"
)

// leaf is one entry of the tree.
type leaf struct {
	name  string
	value any // int64, float64 or string
	// gauge goes up and down, and is logged in each line; of others, the line
	// says by how much they have grown.
	gauge bool
}

// leaves are gathered in order of their groups.
type leaves []leaf

func (l *leaves) count(name string, n int64) { *l = append(*l, leaf{name, n, false}) }
func (l *leaves) gauge(name string, n int64) { *l = append(*l, leaf{name, n, true}) }
func (l *leaves) real(name string, f float64) {
	*l = append(*l, leaf{name, f, true})
}
func (l *leaves) text(name, s string) { *l = append(*l, leaf{name, s, false}) }

// stats returns all leaves of /stats.
func (m *Monitor) stats(n *Numbers, p *process) leaves {
	l := make(leaves, 0, 110)
	m.beatLeaves(&l, p)
	inputLeaves(&l, n)
	l.text("libbeat.output.type", m.info.OutputType)
	outputLeaves(&l, n)
	pipelineLeaves(&l, n)
	registryLeaves(&l, &n.Registry)
	loadLeaves(&l, p)
	return l
}

func (m *Monitor) beatLeaves(l *leaves, p *process) {
	for _, t := range []struct {
		name string
		time time.Duration
	}{{"system", p.system}, {"user", p.user}, {"total", p.system + p.user}} {
		l.gauge("beat.cpu."+t.name+".ticks", t.time.Milliseconds())
		l.count("beat.cpu."+t.name+".time.ms", t.time.Milliseconds())
	}
	l.gauge("beat.cpu.total.value", (p.system + p.user).Milliseconds())
	l.gauge("beat.handles.limit.hard", p.hard)
	l.gauge("beat.handles.limit.soft", p.soft)
	l.gauge("beat.handles.open", p.open)
	l.text("beat.info.ephemeral_id", m.info.EphemeralID)
	l.text("beat.info.name", m.info.Beat)
	l.text("beat.info.version", m.info.Version)
	l.gauge("beat.info.uptime.ms", m.uptime().Milliseconds())
	l.gauge("beat.memstats.gc_next", p.next)
	l.gauge("beat.memstats.memory_alloc", p.alloc)
	l.gauge("beat.memstats.memory_sys", p.in)
	l.gauge("beat.memstats.memory_total", p.total)
	l.gauge("beat.memstats.rss", p.rss)
	l.gauge("beat.runtime.goroutines", p.goroutines)
}

// added and done count as Filebeat: a filtered line counts in both.
func (n *Numbers) added() int64 { return n.Events + n.Filtered }
func (n *Numbers) done() int64  { return n.Acked + n.DeadLetters + n.Filtered }

// active is what was read and is not done.
func (n *Numbers) active() int64 { return max(0, n.added()-n.done()) }

func inputLeaves(l *leaves, n *Numbers) {
	l.gauge("filebeat.events.active", n.active())
	l.count("filebeat.events.added", n.added())
	l.count("filebeat.events.done", n.done())
	l.count("filebeat.harvester.closed", max(0, n.HarvestersStarted-n.HarvestersOpen))
	l.gauge("filebeat.harvester.open_files", n.HarvestersOpen)
	l.gauge("filebeat.harvester.running", n.HarvestersOpen)
	l.count("filebeat.harvester.skipped", n.HarvestersSkipped)
	l.count("filebeat.harvester.started", n.HarvestersStarted)
	l.count("filebeat.input.log.files.renamed", n.Renamed)
	l.count("filebeat.input.log.files.truncated", n.Truncated)
	l.gauge("libbeat.config.module.running", int64(n.Reload.Running))
	l.count("libbeat.config.module.starts", n.Reload.Starts)
	l.count("libbeat.config.module.stops", n.Reload.Stops)
	l.count("libbeat.config.reloads", n.Reload.Reloads)
	l.count("libbeat.config.scans", n.Reload.Scans)
}

func outputLeaves(l *leaves, n *Numbers) {
	o := &n.Output
	l.count("libbeat.output.batches.split", 0) // nothing that the server takes back is split
	l.count("libbeat.output.events.acked", n.Acked)
	l.gauge("libbeat.output.events.active", o.Active)
	l.count("libbeat.output.events.batches", o.Batches)
	l.count("libbeat.output.events.dead_letter", n.DeadLetters)
	l.count("libbeat.output.events.dropped", 0)    // never
	l.count("libbeat.output.events.duplicates", 0) // only Elasticsearch tells
	l.count("libbeat.output.events.failed", n.Retried)
	l.count("libbeat.output.events.toomany", 0) // only Elasticsearch tells
	l.count("libbeat.output.events.total", o.Sent)
	l.count("libbeat.output.read.bytes", o.BytesRead)
	l.count("libbeat.output.read.errors", o.ReadErrors)
	l.count("libbeat.output.write.bytes", o.BytesWritten)
	l.count("libbeat.output.write.errors", o.WriteErrors)
	for _, v := range o.Latency.summary(time.Millisecond).list() {
		*l = append(*l, leaf{"libbeat.output.write.latency.histogram." + v.name, v.value, true})
	}
}

func pipelineLeaves(l *leaves, n *Numbers) {
	q := &n.Queue
	l.gauge("libbeat.pipeline.clients", int64(len(n.Inputs)))
	l.gauge("libbeat.pipeline.events.active", n.active())
	l.count("libbeat.pipeline.events.dropped", 0) // never
	l.count("libbeat.pipeline.events.failed", 0)  // never
	l.count("libbeat.pipeline.events.filtered", n.Filtered)
	l.count("libbeat.pipeline.events.published", n.Events)
	l.count("libbeat.pipeline.events.retry", n.Retried)
	l.count("libbeat.pipeline.events.total", n.added())
	l.count("libbeat.pipeline.queue.acked", n.Acked)
	l.count("libbeat.pipeline.queue.max_bytes", q.MaxBytes)
	l.count("libbeat.pipeline.queue.max_events", q.MaxEvents)
	l.count("libbeat.pipeline.queue.added.bytes", q.AddedBytes)
	l.count("libbeat.pipeline.queue.added.events", q.AddedEvents)
	// Nothing waits in the queue that is not on its way: what is added is consumed.
	l.count("libbeat.pipeline.queue.consumed.bytes", q.AddedBytes)
	l.count("libbeat.pipeline.queue.consumed.events", q.AddedEvents)
	l.gauge("libbeat.pipeline.queue.filled.bytes", max(0, q.AddedBytes-q.RemovedBytes))
	l.gauge("libbeat.pipeline.queue.filled.events", q.filled())
	full := 0.0
	if q.MaxEvents > 0 {
		full = float64(q.filled()) / float64(q.MaxEvents)
	}
	l.real("libbeat.pipeline.queue.filled.pct", math.Round(full*1e4)/1e4)
	l.count("libbeat.pipeline.queue.removed.bytes", q.RemovedBytes)
	l.count("libbeat.pipeline.queue.removed.events", q.RemovedEvents)
}

func (q *Queue) filled() int64 { return max(0, q.AddedEvents-q.RemovedEvents) }

func registryLeaves(l *leaves, r *Registry) {
	l.count("registrar.states.cleanup", r.Cleanups)
	l.gauge("registrar.states.current", int64(r.States))
	l.count("registrar.states.update", r.Updates)
	l.count("registrar.writes.fail", r.WriteFailures)
	l.count("registrar.writes.success", max(0, r.Writes-r.WriteFailures))
	l.count("registrar.writes.total", r.Writes)
}

func loadLeaves(l *leaves, p *process) {
	l.count("system.cpu.cores", p.cores)
	for i, name := range []string{"1", "5", "15"} {
		l.real("system.load."+name, p.load[i])
		l.real("system.load.norm."+name, math.Round(p.load[i]/float64(max(1, p.cores))*1e4)/1e4)
	}
}

// nest makes maps of dotted names.
func (l leaves) nest() map[string]any {
	root := make(map[string]any)
	for _, v := range l {
		at, name := root, v.name
		for {
			head, rest, more := strings.Cut(name, ".")
			if !more {
				at[name] = v.value
				break
			}
			next, ok := at[head].(map[string]any)
			if !ok {
				next = make(map[string]any)
				at[head] = next
			}
			at, name = next, rest
		}
	}
	return root
}

// MarshalJSON writes the leaves as nested objects.
func (l leaves) MarshalJSON() ([]byte, error) { return json.Marshal(l.nest()) }

// since returns what the log line tells: gauges and the identity as they are,
// counters by how much they have grown since before, without those that
// haven't.
func (l leaves) since(before leaves) (delta leaves) {
	old := make(map[string]any, len(before))
	for _, v := range before {
		old[v.name] = v.value
	}
	for _, v := range l {
		switch now := v.value.(type) {
		case int64:
			if was, _ := old[v.name].(int64); !v.gauge {
				v.value = now - was
			}
			if !v.gauge && v.value == int64(0) {
				continue
			}
		case string:
			if old[v.name] == v.value && !strings.HasPrefix(v.name, "beat.info.") {
				continue
			}
		}
		delta = append(delta, v)
	}
	return delta
}

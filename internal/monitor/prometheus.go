package monitor

import (
	"cmp"
	"io"
	"runtime"
	"strconv"
	"strings"
	"time"

	"sluice/internal/order"
)

// maxFiles is how many files /metrics lists, those with the greatest lag
// first.
const maxFiles = 1000

// exposition writes Prometheus' text format 0.0.4.
type exposition struct {
	b    []byte
	name string
}

// family begins the samples of one name.
func (x *exposition) family(name, kind, help string) {
	x.name = name
	x.b = append(x.b, "# HELP "+name+" "+help+"\n# TYPE "+name+" "+kind+"\n"...)
}

// sample adds a value; labels are names and values in turn.
func (x *exposition) sample(v float64, labels ...string) { x.part("", v, labels...) }

// part adds a value under the family's name with a suffix.
func (x *exposition) part(suffix string, v float64, labels ...string) {
	x.b = append(append(x.b, x.name...), suffix...)
	for i := 0; i+1 < len(labels); i += 2 {
		x.b = append(x.b, "{,"[min(i, 1)])
		x.b = append(x.b, labels[i]+`="`+labelText.Replace(strings.ToValidUTF8(labels[i+1], "\uFFFD"))+`"`...)
	}
	if len(labels) > 1 {
		x.b = append(x.b, '}')
	}
	x.b = append(x.b, ' ')
	x.b = strconv.AppendFloat(x.b, v, 'g', -1, 64)
	x.b = append(x.b, '\n')
}

var labelText = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

func (x *exposition) counter(name, help string, n int64) {
	x.family(name, "counter", help)
	x.sample(float64(n))
}

func (x *exposition) gauge(name, help string, v float64) {
	x.family(name, "gauge", help)
	x.sample(v)
}

// truth is 1 or 0.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// writeMetrics writes the answer of /metrics.
func (m *Monitor) writeMetrics(w io.Writer, n *Numbers, files []File, h *Health) error {
	x := &exposition{}
	p := readProcess()
	x.family("sluice_build_info", "gauge", "Always 1; the labels say which program this is.")
	x.sample(1, "version", m.info.Program, "commit", m.info.Commit, "compatibility", m.info.Version, "goarch", runtime.GOARCH, "goversion", runtime.Version())
	x.gauge("sluice_healthy", "Whether /healthz answers 200.", truth(h.illness() == ""))
	x.gauge("sluice_ready", "Whether /readyz answers 200.", truth(len(h.obstacles()) == 0))
	m.processMetrics(x, &p)
	seriesMetrics(x, n.Series)
	if m.info.OutputType != "" {
		eventMetrics(x, n)
		outputMetrics(x, &n.Output)
		registryMetrics(x, &n.Registry)
		inputMetrics(x, n)
		fileMetrics(x, n, files)
	}
	_, err := w.Write(x.b)
	return err
}

func (m *Monitor) processMetrics(x *exposition, p *process) {
	x.gauge("process_start_time_seconds", "Start of the process, in seconds since 1970.", seconds(m.info.Started))
	x.family("process_cpu_seconds_total", "counter", "CPU time of the process.")
	x.sample((p.user + p.system).Seconds())
	x.gauge("process_resident_memory_bytes", "Memory that the process holds.", float64(p.rss))
	x.gauge("process_open_fds", "Open file handles.", float64(p.open))
	x.gauge("process_max_fds", "Most file handles that may be open.", float64(p.soft))
	x.gauge("go_goroutines", "Goroutines.", float64(p.goroutines))
	x.gauge("go_memstats_alloc_bytes", "Live memory of the heap.", float64(p.alloc))
	x.gauge("go_memstats_sys_bytes", "Memory that was taken from the system.", float64(p.in))
}

func eventMetrics(x *exposition, n *Numbers) {
	x.counter("sluice_events_total", "Events made of lines.", n.Events)
	x.counter("sluice_events_filtered_total", "Lines that became no event.", n.Filtered)
	x.counter("sluice_events_acked_total", "Events acknowledged by the output.", n.Acked)
	x.counter("sluice_events_retried_total", "Events sent again.", n.Retried)
	x.counter("sluice_events_dead_letter_total", "Events set aside since the server refuses them.", n.DeadLetters)
	x.gauge("sluice_events_active", "Events read and not acknowledged.", float64(n.active()))
	x.gauge("sluice_queue_events", "Events in batches that are not acknowledged.", float64(n.Queue.filled()))
	x.gauge("sluice_queue_max_events", "Most events that may be in batches.", float64(n.Queue.MaxEvents))
	x.gauge("sluice_queue_bytes", "Bytes of the batches that are not acknowledged.", float64(max(0, n.Queue.AddedBytes-n.Queue.RemovedBytes)))
	x.gauge("sluice_queue_max_bytes", "Most bytes that the batches hold.", float64(n.Queue.MaxBytes))
}

func outputMetrics(x *exposition, o *Output) {
	x.counter("sluice_output_events_total", "Events sent, those sent again included.", o.Sent)
	x.counter("sluice_output_batches_total", "Batches sent.", o.Batches)
	x.gauge("sluice_output_events_active", "Events sent and not acknowledged.", float64(o.Active))
	x.counter("sluice_output_written_bytes_total", "Bytes written, after compression and encryption.", o.BytesWritten)
	x.counter("sluice_output_read_bytes_total", "Bytes read from the server.", o.BytesRead)
	x.family("sluice_output_errors_total", "counter", "Failures, by what was tried.")
	x.sample(float64(o.ConnectErrors), "kind", "connect")
	x.sample(float64(o.WriteErrors), "kind", "write")
	x.sample(float64(o.ReadErrors), "kind", "read")
	x.counter("sluice_output_connects_total", "Connections made.", o.Connects)
	x.gauge("sluice_output_last_ack_timestamp_seconds", "Time of the last acknowledgement, in seconds since 1970; 0: none yet.", seconds(o.LastAck))
	if len(o.Connections) > 0 {
		x.family("sluice_output_connected", "gauge", "Whether a connection is open, one by one of those used side by side.")
		for i, c := range o.Connections {
			x.sample(truth(c.Host != ""), "connection", strconv.Itoa(i))
		}
	}
	if len(o.Hosts) > 0 {
		x.family("sluice_output_host_up", "gauge", "Whether a host is not in an outage.")
		for _, h := range o.Hosts {
			x.sample(truth(h.Down == 0), "host", h.Name)
		}
		x.family("sluice_output_host_down_seconds", "gauge", "How long the outage of a host lasts.")
		for _, h := range o.Hosts {
			x.sample(h.Down.Seconds(), "host", h.Name)
		}
	}
	x.family("sluice_output_latency_seconds", "summary", "From the sending of a batch to its acknowledgement; quantiles of the newest batches.")
	if s := o.Latency.summary(time.Second); len(o.Latency.Last) > 0 {
		x.sample(s.median, "quantile", "0.5")
		x.sample(s.p95, "quantile", "0.95")
		x.sample(s.p99, "quantile", "0.99")
	}
	x.part("_sum", o.Latency.Sum.Seconds())
	x.part("_count", float64(o.Latency.Count))
}

func registryMetrics(x *exposition, r *Registry) {
	x.gauge("sluice_registry_states", "Files that the registry knows.", float64(r.States))
	x.counter("sluice_registry_updates_total", "States changed in memory.", r.Updates)
	x.counter("sluice_registry_cleanups_total", "States dropped.", r.Cleanups)
	x.family("sluice_registry_writes_total", "counter", "Writes of the registry, by their outcome.")
	x.sample(float64(max(0, r.Writes-r.WriteFailures)), "outcome", "success")
	x.sample(float64(r.WriteFailures), "outcome", "fail")
	x.gauge("sluice_registry_failing", "Whether the last write has failed.", truth(r.Failing))
}

func inputMetrics(x *exposition, n *Numbers) {
	x.counter("sluice_harvesters_started_total", "Files opened.", n.HarvestersStarted)
	x.counter("sluice_harvesters_closed_total", "Files closed.", max(0, n.HarvestersStarted-n.HarvestersOpen))
	x.counter("sluice_harvesters_skipped_total", "Files not opened because of a limit.", n.HarvestersSkipped)
	x.gauge("sluice_harvesters_open", "Files that are open.", float64(n.HarvestersOpen))
	x.counter("sluice_files_renamed_total", "Renames of followed files.", n.Renamed)
	x.counter("sluice_files_truncated_total", "Truncations of followed files.", n.Truncated)
	x.counter("sluice_read_bytes_total", "Bytes read of files.", n.BytesRead)
	x.counter("sluice_read_errors_total", "Errors at reading files.", n.ReadErrors)
	x.gauge("sluice_inputs", "Inputs that run.", float64(len(n.Inputs)))
	for _, f := range []struct {
		name, help string
		value      func(*Input) int64
	}{
		{"sluice_input_events_total", "Events of an input.", func(in *Input) int64 { return in.Events }},
		{"sluice_input_bytes_total", "Bytes read of an input's files.", func(in *Input) int64 { return in.Bytes }},
		{"sluice_input_errors_total", "Errors at reading an input's files.", func(in *Input) int64 { return in.Errors }},
	} {
		x.family(f.name, "counter", f.help)
		for i := range n.Inputs {
			in := &n.Inputs[i]
			x.sample(float64(f.value(in)), "input", in.name(i), "type", in.Type)
		}
	}
}

// fileMetrics writes what is known of each file.
func fileMetrics(x *exposition, n *Numbers, files []File) {
	files = distinct(files)
	wait := time.Duration(0)
	for i := range files {
		wait = max(wait, files[i].Wait)
	}
	x.gauge("sluice_files", "Files that are followed.", float64(n.Files))
	x.gauge("sluice_lag_bytes", "Bytes on disk that are not acknowledged, of all files.", float64(n.Lag))
	x.gauge("sluice_lag_seconds", "How long the oldest line that is not acknowledged may have waited.", wait.Seconds())
	order.By(files, func(a, b File) int {
		return cmp.Or(cmp.Compare(b.Lag, a.Lag), cmp.Compare(b.Wait, a.Wait), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Input, b.Input))
	})
	listed := files[:min(len(files), maxFiles)]
	x.gauge("sluice_files_not_listed", "Files without samples of their own, since there are too many.", float64(len(files)-len(listed)))
	for _, f := range []struct {
		name, help string
		value      func(*File) float64
	}{
		{"sluice_file_lag_bytes", "Bytes of a file that are not acknowledged.", func(f *File) float64 { return float64(f.Lag) }},
		{"sluice_file_lag_seconds", "How long the oldest of these may have waited.", func(f *File) float64 { return f.Wait.Seconds() }},
		{"sluice_file_size_bytes", "Size of a file.", func(f *File) float64 { return float64(f.Size) }},
		{"sluice_file_offset_bytes", "Bytes of a file that are acknowledged.", func(f *File) float64 { return float64(f.Offset) }},
	} {
		x.family(f.name, "gauge", f.help)
		for i := range listed {
			x.sample(f.value(&listed[i]), "path", listed[i].Path, "input", listed[i].Input)
		}
	}
}

// distinct merges files with equal labels: one that was removed, and one that
// has its path now. Prometheus takes each series once.
func distinct(files []File) []File {
	type key struct{ path, input string }
	at := make(map[key]int, len(files))
	list := make([]File, 0, len(files))
	for _, f := range files {
		f.Path = strings.ToValidUTF8(f.Path, "\uFFFD")
		k := key{f.Path, f.Input}
		i, known := at[k]
		if !known {
			at[k] = len(list)
			list = append(list, f)
			continue
		}
		o := &list[i]
		o.Size, o.Offset, o.Lag, o.Wait = o.Size+f.Size, o.Offset+f.Offset, o.Lag+f.Lag, max(o.Wait, f.Wait)
	}
	return list
}

// seconds is a time in seconds since 1970; 0 for none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

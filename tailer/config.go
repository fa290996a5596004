package tailer

import (
	"io"
	"os"
	"time"

	"sluice/internal/processor"
)

// Config is what a Tailer needs besides its inputs' own options.
//
// It is filled by the config package from several places of the
// configuration file; the comment of each field names the place.
type Config struct {
	// Inputs are the sets of paths to follow (filebeat.inputs).
	Inputs []InputConfig

	// Name is the name of this gateway in agent.name and host.name
	// (top-level name; default: the host name).
	Name string
	// AgentID is the stable identity of this installation (agent.id).
	AgentID string
	// EphemeralID is the identity of this run (agent.ephemeral_id).
	EphemeralID string
	// Version is the Filebeat version that events carry in @metadata.version
	// and agent.version (compatibility.version), since index names use it.
	Version string
	// Index is the @metadata.beat of every event (output.logstash.index).
	Index string
	// Tags and Fields are added to the events of every input (top-level tags,
	// fields, fields_under_root).
	Tags            []string
	Fields          map[string]any
	FieldsUnderRoot bool
	// Processors change every event after those of its input (processors).
	Processors processor.List
	// MayBeEmpty admits a Tailer without inputs: they may come later
	// (filebeat.config.inputs).
	MayBeEmpty bool
	// Once ends Run when every file has been read to its end and is
	// acknowledged (--once).
	Once bool
	// EscapeHTML escapes <, > and & in JSON strings (output.logstash.escape_html).
	EscapeHTML bool

	// BatchEvents is the most events in one batch (output.*.bulk_max_size, and
	// the batch's share of queue.mem.events).
	BatchEvents int
	// BatchBytes is the most bytes in one batch, one event alone excepted; a
	// lane reserves as much for each of its batches.
	BatchBytes int
	// BatchesInFlight is how many batches a lane may hold unacknowledged
	// beside the one that it fills (output.logstash.pipelining).
	BatchesInFlight int
	// FlushTimeout bounds how often a lane sends batches that are not full
	// (queue.mem.flush.timeout). The first event after a pause leaves at once.
	FlushTimeout time.Duration
	// FlushEvents is the number of events that are worth a window of their own:
	// when there is nothing more to read, so many are sent without waiting for
	// FlushTimeout (queue.mem.flush.min_events).
	FlushEvents int
	// ShutdownTimeout is how long a stop waits for outstanding
	// acknowledgements (filebeat.shutdown_timeout).
	ShutdownTimeout time.Duration
	// DeadLetterPath is the file that takes documents which the server
	// refuses by closing the connection, however often and alone they are
	// sent (dead_letter.path). Empty: such a document blocks its lane.
	DeadLetterPath string
	// FirstStart is when this installation ran for the first time; for
	// ignore_inactive: since_first_start.
	FirstStart time.Time
	// DataPath is where processors may keep files (path.data).
	DataPath string
	// SpoolPath is the folder where recorders write the segments of inputs of
	// type mqtt, absolute; Sealed says whether one of them is complete.
	SpoolPath string
	Sealed    func(path string) (sealed, segment bool, err error)
	// Stdin is what an input of type stdin reads.
	Stdin io.Reader
	// HostName is the machine's own name, for processors.
	HostName string
	// Times looks up what is known of the clock that the lines of a segment are
	// by. Nil, or a nil result: there is nothing to correct.
	Times func(path string) Times
	// Settle is called with an open file after each reading and before what
	// was read is sent. The gateway has a segment fsynced here that its
	// recorder still writes. After an error the scan tries again. Nil: nothing
	// is done.
	Settle func(path string, file *os.File) error
}

// DefaultConfig returns the defaults of everything but the inputs.
func DefaultConfig() Config {
	return Config{
		Version:         "9.0.0",
		Index:           "filebeat",
		BatchEvents:     2048,
		BatchBytes:      1 << 20,
		BatchesInFlight: 2,
		FlushTimeout:    time.Second,
		FlushEvents:     256,
		ShutdownTimeout: 5 * time.Second,
	}
}

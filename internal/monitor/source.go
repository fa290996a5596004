package monitor

import "time"

// Source is what a Monitor watches. Its methods are called from any
// goroutine, before, during and after the run of what is watched.
type Source interface {
	// Numbers returns the counters and gauges. It may wait for locks.
	Numbers() Numbers
	// Files returns the followed files in any order. It may wait for locks.
	Files() []File
	// Health must not wait for anything but memory.
	Health() Health
}

// Numbers are counters since the start, and gauges. Sizes are in bytes.
type Numbers struct {
	Events      int64 // made of lines
	Filtered    int64 // lines that became no event
	Acked       int64 // events acknowledged
	Retried     int64 // events sent again
	DeadLetters int64 // events set aside
	BytesRead   int64 // of files
	ReadErrors  int64 // of files

	Files              int   // gauge: followed
	Lag                int64 // gauge: on disk and not acknowledged
	HarvestersStarted  int64
	HarvestersOpen     int64 // gauge
	HarvestersSkipped  int64 // not started because of a limit
	Renamed, Truncated int64 // files

	Inputs   []Input
	Queue    Queue
	Output   Output
	Registry Registry
	Reload   Reload
	Series   []Series // what the recorders in this process have recorded
}

// Queue is what is read and not yet acknowledged.
type Queue struct {
	MaxEvents, MaxBytes         int64 // what it may hold
	AddedEvents, AddedBytes     int64
	RemovedEvents, RemovedBytes int64
}

// Output is where events go. An output that is a file has no connections.
type Output struct {
	Batches       int64 // windows sent
	Active        int64 // gauge: events sent and not acknowledged
	Sent          int64 // events, those sent again included
	BytesWritten  int64
	BytesRead     int64
	WriteErrors   int64
	ReadErrors    int64
	Connects      int64 // connections made
	ConnectErrors int64
	LastAck       time.Time // zero: none yet
	Latency       Timing    // from the sending of a window to its acknowledgement
	Connections   []Connection
	Hosts         []Host
}

// Connection is one of those that are used side by side.
type Connection struct {
	Host string // of the open connection; empty: there is none
}

// Host is one that events may go to.
type Host struct {
	Name  string
	Down  time.Duration // how long the outage lasts; 0: there is none
	Error string        // the last failure of the outage
}

// Registry is what is stored about files.
type Registry struct {
	States                int // gauge
	Updates, Cleanups     int64
	Writes, WriteFailures int64
	Failing               bool // the last write has failed
}

// Reload is what happens to filebeat.config.inputs.
type Reload struct {
	Running        int // gauge: inputs that stem from there
	Starts, Stops  int64
	Scans, Reloads int64
}

// Input is one input's part.
type Input struct {
	Type, ID       string
	Events         int64
	Filtered       int64 // lines that became no event
	Bytes          int64
	Errors         int64
	Opened, Closed int64  // files
	Processing     Timing // of one line, from the reading to the batch
}

// Timing is a measured duration.
type Timing struct {
	Count int64
	Sum   time.Duration
	Last  []time.Duration // the newest ones, in any order
}

// File is a followed file.
type File struct {
	Path, Input string // Input is the input's id, else its type
	Size        int64
	Offset      int64 // the byte after the last acknowledged line
	Lag         int64
	Wait        time.Duration // the lag in time
}

// Health says whether what is watched can do its work.
type Health struct {
	// Late is how far the loop that looks for files is behind its time.
	Late time.Duration
	// Started says that every input was started and had its first look.
	Started bool
	// Stopping says that a stop was asked for.
	Stopping bool
	// Hosts are those of the output; none: it is always reachable.
	Hosts []Host
	// Away says of each source of a recorder in this process that can't be
	// recorded from, in words, which one and why.
	Away []string
}

// Info says who this is. Every field has a fixed value for a run.
type Info struct {
	Beat        string // filebeat
	Name        string // of this gateway
	Version     string // of Filebeat that the events claim
	Program     string // version of sluice
	Commit      string
	UUID        string // agent.id
	EphemeralID string
	OutputType  string // empty: it only records
	BatchSize   int
	Clients     int // connections side by side
	Started     time.Time
}

package monitor

import "time"

// Series is what a recorder has recorded from one source.
type Series struct {
	Name   string
	Source string // mqtt or serial

	Connected  bool // gauge: the broker has accepted the session, the port is open
	Blocked    bool // gauge: the disk can't be written
	Received   int64
	Recorded   int64
	Duplicates int64 // not recorded: redelivered, or retained, and known
	Excluded   int64 // not recorded: by a filter
	Truncated  int64
	Lost       int64 // could not be written before the end, and nobody sends them again
	Connects   int64
	BytesIn    int64
	BytesOut   int64
	Commits    int64

	DroppedSegments, DroppedRecords, DroppedBytes int64 // deleted before they were shipped

	Partial, ChecksumFailures, Gaps, Reopens, Stalls int64 // of a serial port

	QueueRecords, QueueBytes int64 // gauges
	LastRecord               time.Time
}

// seriesMetrics writes what is known of each series.
func seriesMetrics(x *exposition, list []Series) {
	if len(list) == 0 {
		return
	}
	numbers := func(s *Series) []float64 {
		return []float64{
			truth(s.Connected), truth(s.Blocked), float64(s.QueueRecords), float64(s.QueueBytes), seconds(s.LastRecord),
			float64(s.Received), float64(s.Recorded), float64(s.Duplicates), float64(s.Excluded), float64(s.Truncated), float64(s.Lost),
			float64(s.DroppedSegments), float64(s.DroppedRecords), float64(s.DroppedBytes),
			float64(s.Connects), float64(s.BytesIn), float64(s.BytesOut), float64(s.Commits),
			float64(s.Partial), float64(s.ChecksumFailures), float64(s.Gaps), float64(s.Reopens), float64(s.Stalls),
		}
	}
	for i, f := range [...][2]string{
		{"connected", "Whether the broker has accepted the session, or the serial port is open."},
		{"blocked", "Whether recording is stopped since the disk can't be written."},
		{"queue_records", "Records that wait for the disk."},
		{"queue_bytes", "Memory of these."},
		{"last_record_timestamp_seconds", "Time of the last record, in seconds since 1970; 0: none yet."},
		{"received_total", "Messages, lines and events that came."},
		{"recorded_total", "Records made durable."},
		{"duplicates_total", "Messages that had been recorded before."},
		{"excluded_total", "Messages left out (exclude)."},
		{"truncated_total", "Records that were cut."},
		{"lost_total", "Records that could not be written before the end, and that nobody sends again."},
		{"dropped_segments_total", "Segments deleted for want of room although not all of them was shipped (when_full: drop_oldest)."},
		{"dropped_records_total", "Records in these."},
		{"dropped_bytes_total", "Bytes in these."},
		{"connects_total", "Accepted sessions, or openings of the port."},
		{"received_bytes_total", "Bytes that came."},
		{"recorded_bytes_total", "Bytes of segments."},
		{"commits_total", "Groups made durable."},
		{"partial_total", "Records of a serial port whose beginning or end may be missing."},
		{"checksum_failures_total", "Lines of a serial port whose checksum is wrong or missing."},
		{"gaps_total", "Times without the device of a serial port: lost, or silent."},
		{"reopens_total", "Openings of a serial port after the first."},
		{"stalls_total", "Times that a serial port was not read since the queue was full."},
	} {
		kind := "counter"
		if i < seriesGauges {
			kind = "gauge"
		}
		x.family("sluice_series_"+f[0], kind, f[1])
		for k := range list {
			if s := &list[k]; i < seriesOfSerial || s.Source == "serial" {
				x.sample(numbers(s)[i], "series", s.Name, "source", s.Source)
			}
		}
	}
}

// Of the families the first are gauges, and those from seriesOfSerial on are of
// serial ports only.
const (
	seriesGauges   = 5
	seriesOfSerial = 18
)

package monitor

import (
	"strings"
	"testing"
	"time"
)

func TestMetricsOfARecorder(t *testing.T) {
	src := &fake{health: Health{Started: true}, numbers: Numbers{Series: []Series{
		{Name: "mqtt", Source: "mqtt", Connected: true, Received: 1, Recorded: 2, Duplicates: 3, Excluded: 4, Truncated: 5, Lost: 14, DroppedSegments: 15, DroppedRecords: 6, DroppedBytes: 16, Connects: 7, BytesIn: 8, BytesOut: 9, Commits: 10, QueueRecords: 11, QueueBytes: 12, LastRecord: time.Unix(13, 0)},
		{Name: "gps", Source: "serial", Blocked: true, Partial: 1, ChecksumFailures: 2, Gaps: 3, Reopens: 4, Stalls: 5},
	}}}
	m, c := serving(t, loopback, src)
	_, _, body := get(t, c, "/metrics")
	samples, err := check(body)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(body, "sluice_events_total ") {
		t.Error("a tailer's numbers are missing")
	}
	for name, want := range map[string]float64{
		`connected{series="mqtt",source="mqtt"}`: 1, `connected{series="gps",source="serial"}`: 0,
		`blocked{series="mqtt",source="mqtt"}`: 0, `blocked{series="gps",source="serial"}`: 1,
		`received_total{series="mqtt",source="mqtt"}`: 1, `recorded_total{series="mqtt",source="mqtt"}`: 2,
		`duplicates_total{series="mqtt",source="mqtt"}`: 3, `excluded_total{series="mqtt",source="mqtt"}`: 4,
		`truncated_total{series="mqtt",source="mqtt"}`: 5, `dropped_records_total{series="mqtt",source="mqtt"}`: 6,
		`lost_total{series="mqtt",source="mqtt"}`: 14, `dropped_segments_total{series="mqtt",source="mqtt"}`: 15, `dropped_bytes_total{series="mqtt",source="mqtt"}`: 16,
		`connects_total{series="mqtt",source="mqtt"}`: 7, `received_bytes_total{series="mqtt",source="mqtt"}`: 8,
		`recorded_bytes_total{series="mqtt",source="mqtt"}`: 9, `commits_total{series="mqtt",source="mqtt"}`: 10,
		`queue_records{series="mqtt",source="mqtt"}`: 11, `queue_bytes{series="mqtt",source="mqtt"}`: 12,
		`last_record_timestamp_seconds{series="mqtt",source="mqtt"}`: 13,
		`partial_total{series="gps",source="serial"}`:                1, `checksum_failures_total{series="gps",source="serial"}`: 2,
		`gaps_total{series="gps",source="serial"}`: 3, `reopens_total{series="gps",source="serial"}`: 4, `stalls_total{series="gps",source="serial"}`: 5,
	} {
		if got, ok := samples["sluice_series_"+name]; !ok || got != want {
			t.Errorf("%s is %v (there: %v), want %v", name, got, ok, want)
		}
	}
	if _, there := samples[`sluice_series_gaps_total{series="mqtt",source="mqtt"}`]; there {
		t.Error("a broker has gaps")
	}
	m.info.OutputType = ""
	var b strings.Builder
	if err := m.writeMetrics(&b, &src.numbers, nil, &Health{}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "sluice_events_total") || !strings.Contains(b.String(), "sluice_series_connected") {
		t.Error("a recorder alone shows a tailer's numbers, or not its own")
	}
}

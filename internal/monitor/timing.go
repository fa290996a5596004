package monitor

import (
	"math"
	"slices"
	"time"
)

// summary describes the newest values of a Timing in some unit; count is of
// all that there ever were.
type summary struct {
	count                       int64
	min, max                    int64
	mean, stddev                float64
	median, p75, p95, p99, p999 float64
}

func (t *Timing) summary(unit time.Duration) summary {
	s := summary{count: t.Count}
	if len(t.Last) == 0 {
		return s
	}
	sorted := slices.Sorted(slices.Values(t.Last))
	sum := 0.0
	values := make([]float64, len(sorted))
	for i, d := range sorted {
		values[i] = float64(d) / float64(unit)
		sum += values[i]
	}
	s.min, s.max = int64(sorted[0]/unit), int64(sorted[len(sorted)-1]/unit)
	s.mean = sum / float64(len(values))
	squares := 0.0
	for _, v := range values {
		squares += (v - s.mean) * (v - s.mean)
	}
	s.stddev = math.Sqrt(squares / float64(len(values)))
	for p, to := range map[float64]*float64{0.5: &s.median, 0.75: &s.p75, 0.95: &s.p95, 0.99: &s.p99, 0.999: &s.p999} {
		*to = quantile(values, p)
	}
	return s
}

// quantile lies between the two values around it; values are sorted.
func quantile(values []float64, p float64) float64 {
	at := p * float64(len(values)-1)
	low := int(at)
	high := min(low+1, len(values)-1)
	return values[low] + (values[high]-values[low])*(at-float64(low))
}

// list returns the parts under Filebeat's names.
func (s summary) list() []leaf {
	return []leaf{
		{"count", s.count, true}, {"max", s.max, true}, {"mean", s.mean, true}, {"median", s.median, true}, {"min", s.min, true},
		{"p75", s.p75, true}, {"p95", s.p95, true}, {"p99", s.p99, true}, {"p999", s.p999, true}, {"stddev", s.stddev, true},
	}
}

// object returns the parts as one object.
func (s summary) object() map[string]any { return leaves(s.list()).nest() }

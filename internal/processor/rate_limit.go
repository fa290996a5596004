package processor

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"sluice/internal/event"
)

// Drops events that come too often. Filebeat: rate_limit.
type rateLimit struct {
	// Limit is how many events pass in a second, a minute or an hour: 10/s,
	// 500/m, 2/h. Required.
	Limit string `config:"limit"`
	// Fields give each combination of their values a limit of its own; one
	// that is missing counts as empty. Default: none, one limit for all.
	Fields []string `config:"fields"`
	// Algorithm says how events are counted.
	Algorithm rateAlgorithm `config:"algorithm"`

	Common `config:",squash"`
}

// rateAlgorithm is rate_limit.algorithm.
type rateAlgorithm struct {
	// TokenBucket is the only one: a bucket that each event takes a token out
	// of and that is filled as the limit says.
	TokenBucket tokenBucket `config:"token_bucket"`
}

// tokenBucket is rate_limit.algorithm.token_bucket.
type tokenBucket struct {
	// BurstMultiplier times the limit is how many events may come at once
	// after a pause. Default: 1.0.
	BurstMultiplier float64 `config:"burst_multiplier"`
	// GC says when full buckets are forgotten.
	GC bucketGC `config:"gc"`
}

// bucketGC is rate_limit.algorithm.token_bucket.gc.
type bucketGC struct {
	// NumCalls is after how many events full buckets are forgotten. Default: 10000.
	NumCalls int `config:"num_calls"`
	// NumBuckets is how many buckets there are before any is forgotten. Default: 1000.
	NumBuckets int `config:"num_buckets"`
}

// parseLimit reads 10/s: events, and the time that they are for.
func parseLimit(text string) (events float64, in time.Duration, err error) {
	count, unit, _ := strings.Cut(text, "/")
	in = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[strings.TrimSpace(unit)]
	events, numberErr := strconv.ParseFloat(strings.TrimSpace(count), 64)
	if in == 0 || numberErr != nil || !(events > 0) || math.IsInf(events, 0) {
		return 0, 0, fault("limit", "rate in invalid format: %q; write a number of events and a unit s, m or h, for example 10/s", text)
	}
	return events, in, nil
}

func (o *rateLimit) Validate() error {
	var errs []error
	if _, _, err := parseLimit(o.Limit); err != nil {
		errs = append(errs, err)
	}
	b := o.Algorithm.TokenBucket
	if !(b.BurstMultiplier > 0) || math.IsInf(b.BurstMultiplier, 0) {
		errs = append(errs, fault("algorithm.token_bucket.burst_multiplier", "must be greater than 0"))
	}
	if b.GC.NumCalls < 1 {
		errs = append(errs, fault("algorithm.token_bucket.gc.num_calls", "must be at least 1"))
	}
	if b.GC.NumBuckets < 1 {
		errs = append(errs, fault("algorithm.token_bucket.gc.num_buckets", "must be at least 1"))
	}
	return errors.Join(errs...)
}

func (o *rateLimit) compile(Env) (step, error) {
	events, in, err := parseLimit(o.Limit)
	if err != nil {
		return nil, err
	}
	b := o.Algorithm.TokenBucket
	return &limiter{
		fields: o.Fields, perSecond: events / in.Seconds(), gc: b.GC, buckets: make(map[string]bucket),
		depth: max(1, events*b.BurstMultiplier), // under one token no event would ever pass
	}, nil
}

// limiter is a compiled rate_limit.
type limiter struct {
	fields    []string
	perSecond float64
	depth     float64 // tokens of a full bucket
	gc        bucketGC

	mu      sync.Mutex
	buckets map[string]bucket
	calls   int
}

// bucket is how many tokens there were at a time.
type bucket struct {
	tokens float64
	at     time.Time
}

func (l *limiter) run(e *event.Event) (drop bool, err error) {
	key, err := l.key(e)
	if err != nil {
		return false, err
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	b, ok := l.buckets[key]
	if !ok {
		b = bucket{l.depth, now}
	}
	b = bucket{l.tokens(b, now), now}
	if drop = b.tokens < 1; !drop {
		b.tokens--
	}
	l.buckets[key] = b
	return drop, nil
}

// key joins the values of the fields so that no two combinations are equal.
func (l *limiter) key(e *event.Event) (string, error) {
	var key []byte
	for _, name := range l.fields {
		v, missing, err := fetch(e, name, true)
		if err != nil {
			return "", fmt.Errorf("limit by field %s: %w", name, err)
		}
		if missing {
			v = ""
		}
		key = append(event.AppendJSON(key, v, false), ',')
	}
	return string(key), nil
}

// tokens is what a bucket holds by now.
func (l *limiter) tokens(b bucket, now time.Time) float64 {
	return min(l.depth, b.tokens+now.Sub(b.at).Seconds()*l.perSecond)
}

// forget drops full buckets, which are as good as none, now and then.
func (l *limiter) forget(now time.Time) {
	if l.calls++; l.calls < l.gc.NumCalls || len(l.buckets) < l.gc.NumBuckets {
		return
	}
	l.calls = 0
	for key, b := range l.buckets {
		if l.tokens(b, now) >= l.depth {
			delete(l.buckets, key)
		}
	}
}

package elastic

import (
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/esnode"
)

var chaosEvents = flag.Int("elastic.events", 200_000, "how many lines go through the chaos")

// The node is killed twice and the tailer five times while lines are written and
// shipped: afterwards each line is there exactly once.
func TestNothingLostNothingDoubled(t *testing.T) {
	n := esnode.Start(t, esnode.Options{})
	n.OK("PUT", "/_index_template/chaos", `{"index_patterns":["chaos*"],"template":{"settings":{"number_of_replicas":0},"mappings":{"properties":{"n":{"type":"long"}}}}}`)
	g := newGateway(t, fmt.Sprintf("output.elasticsearch: {hosts: [%q], index: chaos, worker: 2, bulk_max_size: 500, backoff: {init: 100ms, max: 1s}}\n", n.URL)+numbered)
	total := *chaosEvents
	done := make(chan struct{})
	go func() {
		defer close(done)
		const block = 500
		for i := 0; i < total; i += block {
			lines := make([]string, 0, block)
			for k := i; k < min(i+block, total); k++ {
				lines = append(lines, fmt.Sprintf(`{"n":%d,"text":%q}`, k, strings.Repeat("x", k%50)))
			}
			g.write(fmt.Sprintf("%d.log", i/block%4), lines...)
		}
	}()
	g.start()
	kills := 0
	for step := range 7 {
		reached := (step + 1) * total / 8
		wait(t, 3*time.Minute, fmt.Sprint(reached, " documents"), func() bool { return count(n, "chaos") >= reached })
		if step%3 == 2 {
			n.Kill()
			n.Restart()
			continue
		}
		g.kill(syscall.SIGKILL)
		kills++
		g.start()
	}
	<-done
	wait(t, 3*time.Minute, "all documents", func() bool { return count(n, "chaos") >= total })
	g.kill(syscall.SIGTERM)
	if kills != 5 {
		t.Errorf("the tailer was killed %d times", kills)
	}
	var r struct {
		Hits struct {
			Total struct{ Value int } `json:"total"`
		} `json:"hits"`
		Aggregations struct {
			N struct {
				Count         int
				Min, Max, Sum float64
				SumOfSquares  float64 `json:"sum_of_squares"`
			} `json:"n"`
		} `json:"aggregations"`
	}
	answer := n.OK("POST", "/chaos/_search", `{"size":0,"track_total_hits":true,"aggs":{"n":{"extended_stats":{"field":"n"}}}}`)
	if err := json.Unmarshal(answer, &r); err != nil {
		t.Fatal(err)
	}
	sum, squares := 0.0, 0.0
	for i := range total {
		sum += float64(i)
		squares += float64(i) * float64(i)
	}
	a := r.Aggregations.N
	if r.Hits.Total.Value != total || a.Count != total || a.Min != 0 || a.Max != float64(total-1) || a.Sum != sum || a.SumOfSquares/squares < 1-1e-9 || a.SumOfSquares/squares > 1+1e-9 {
		t.Errorf("%d lines were written; the index has %s", total, answer)
	}
}

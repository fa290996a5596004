package demo

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestProofInJSONHasExactlyTheNineFields(t *testing.T) {
	line, err := json.Marshal(Proof{Published: 7, Recorded: 8, Shipped: 9, Received: 10, Unique: 6, Lost: 1, Duplicated: 2,
		Sealed: 3, Deleted: 4, Seconds: 1.5, Early: true, Fault: "f", Notes: "n"})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"published":7,"recorded":8,"received":10,"unique":6,"lost":1,"duplicated":2,"sealed":3,"deleted":4,"seconds":1.5}`
	if string(line) != want {
		t.Errorf("got  %s\nwant %s", line, want)
	}
}

func TestProofFailsForEachFault(t *testing.T) {
	good := Proof{Published: 5, Recorded: 5, Shipped: 5, Received: 7, Unique: 5, Sealed: 2, Deleted: 2}
	if err := good.Err(); err != nil {
		t.Errorf("a good run fails: %v", err)
	}
	for want, change := range map[string]func(*Proof){
		"1 of 5 published readings are lost":   func(p *Proof) { p.Lost = 1 },
		"3 readings arrived under a second id": func(p *Proof) { p.Duplicated = 3 },
		"1 of 2 sealed segments are not clean": func(p *Proof) { p.Deleted = 1 },
		"the broker dropped 4 messages":        func(p *Proof) { p.Fault = "the broker dropped 4 messages" },
	} {
		p := good
		change(&p)
		if err := p.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		var table strings.Builder
		if err := p.WriteTable(&table); err != nil || !strings.Contains(table.String(), "NOT proved") {
			t.Errorf("table says\n%s", &table)
		}
	}
}

func TestTableShowsEveryNumber(t *testing.T) {
	p := Proof{Published: 1001, Recorded: 1002, Shipped: 1003, Received: 1234567, Unique: 1005, Lost: 16, Duplicated: 17, Sealed: 18, Deleted: 19, Seconds: 2}
	var table strings.Builder
	if err := p.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"published      1,001", "recorded      1,002", "shipped      1,003", "received  1,234,567", "unique      1,005",
		"lost         16", "duplicated         17", "segments sealed         18", "segments deleted         19", "2.0 s, 500 readings/s"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, &table)
		}
	}
}

func TestProgressRewritesItsTwoLines(t *testing.T) {
	var out strings.Builder
	p := progress{w: &out}
	start := time.Now()
	for i, n := range []int64{0, 1000} {
		err := p.show(start.Add(time.Duration(i)*time.Second), sample{published: n, recorded: n, unique: n / 2, lag: 12345, files: 2, sealed: 3, deleted: 1})
		if err != nil {
			t.Fatal(err)
		}
	}
	p.tell("broker killed")
	p.end()
	want := "published 0 (0/s), recorded 0, arrived 0 (0/s)\r\nlag 12.3 kB, 2 files followed, segments: 3 sealed, 1 deleted" +
		"\r\x1b[K\x1b[1A\r\x1b[K" +
		"published 1,000 (1,000/s), recorded 1,000, arrived 500 (500/s)\r\nlag 12.3 kB, 2 files followed, segments: 3 sealed, 1 deleted" +
		"\r\x1b[K\x1b[1A\r\x1b[K" + "broker killed\n"
	if out.String() != want {
		t.Errorf("got  %q\nwant %q", &out, want)
	}
	silent := progress{}
	if err := silent.show(start, sample{}); err != nil {
		t.Error(err)
	}
	silent.tell("x")
	silent.end()
}

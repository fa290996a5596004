package parser

import (
	"testing"
	"time"
)

func multi(set func(*MultilineConfig)) *MultilineConfig {
	c := DefaultMultiline()
	set(&c)
	return &c
}

func TestMultilineJoins(t *testing.T) {
	after := func(c *MultilineConfig) { c.Pattern = `^ ` }
	for _, c := range []struct {
		name       string
		set        func(*MultilineConfig)
		maxBytes   int
		text       string
		log        []string
		filestream []string // nil: the same
	}{
		{"after", after, 100, "a\n b\n c\nd\n", []string{
			`0-8 {"log":{"flags":["multiline"],"offset":0},"message":"a\n b\n c"}`, `8-10 {"log":{"offset":8},"message":"d"}`}, []string{
			`0-8 {"log":{"flags":["multiline"],"offset":5},"message":"a\n b\n c"}`, `8-10 {"log":{"offset":8},"message":"d"}`}},
		{"before", func(c *MultilineConfig) { c.Pattern, c.Match = `\\$`, "before" }, 100, "a\\\nb\nc\n", []string{
			`0-5 {"log":{"flags":["multiline"],"offset":0},"message":"a\\\nb"}`, `5-7 {"log":{"offset":5},"message":"c"}`}, []string{
			`0-5 {"log":{"flags":["multiline"],"offset":3},"message":"a\\\nb"}`, `5-7 {"log":{"offset":5},"message":"c"}`}},
		{"negate", func(c *MultilineConfig) { c.Pattern, c.Negate = `^\[`, true }, 100, "[\nx\n[\n", []string{
			`0-4 {"log":{"flags":["multiline"],"offset":0},"message":"[\nx"}`, `4-6 {"log":{"offset":4},"message":"["}`}, []string{
			`0-4 {"log":{"flags":["multiline"],"offset":2},"message":"[\nx"}`, `4-6 {"log":{"offset":4},"message":"["}`}},
		{"no line feed", func(c *MultilineConfig) { c.Pattern, c.SkipNewline = `^ `, true }, 100, "a\n b\n", []string{
			`0-5 {"log":{"flags":["multiline"],"offset":0},"message":"a b"}`}, []string{
			`0-5 {"log":{"flags":["multiline"],"offset":2},"message":"a b"}`}},
		{"one empty line is nothing", after, 100, "\nx\n", []string{`blank to 1`, `1-3 {"log":{"offset":1},"message":"x"}`}, nil},
		{"an empty line inside", after, 100, "a\n \n\nb\n", []string{
			`0-4 {"log":{"flags":["multiline"],"offset":0},"message":"a\n "}`, `blank to 5`, `5-7 {"log":{"offset":5},"message":"b"}`}, []string{
			`0-4 {"log":{"flags":["multiline"],"offset":2},"message":"a\n "}`, `blank to 5`, `5-7 {"log":{"offset":5},"message":"b"}`}},
		{"max_lines 0 is no limit", func(c *MultilineConfig) { c.Pattern, c.MaxLines = `^ `, 0 }, 100, "a\n b\n c\n", []string{
			`0-8 {"log":{"flags":["multiline"],"offset":0},"message":"a\n b\n c"}`}, []string{
			`0-8 {"log":{"flags":["multiline"],"offset":5},"message":"a\n b\n c"}`}},
		{"max_lines", func(c *MultilineConfig) { c.Pattern, c.MaxLines = `^ `, 1 }, 100, "a\n b\n", []string{
			`0-5 {"log":{"flags":["truncated"],"offset":0},"message":"a"}`}, []string{
			`0-5 {"log":{"flags":["truncated"],"offset":2},"message":"a"}`}},
		{"empty lines over max_lines lack nothing", func(c *MultilineConfig) { c.Pattern, c.MaxLines = `^$`, 1 }, 100, "a\n\n", []string{
			`0-3 {"log":{"offset":0},"message":"a"}`}, nil},
		{"max_bytes", after, 4, "abc\n defg\n h\n", []string{
			`0-13 {"log":{"flags":["truncated"],"offset":0},"message":"abc"}`}, []string{
			`0-13 {"log":{"flags":["multiline","truncated"],"offset":10},"message":"abc\n"}`}},
		{"flush_pattern ends a group with its line", func(c *MultilineConfig) { c.Pattern, c.FlushPattern = `^ `, `end` }, 100, "end\n a\nend\nend\n", []string{
			`0-11 {"log":{"flags":["multiline"],"offset":0},"message":"end\n a\nend"}`, `11-15 {"log":{"offset":11},"message":"end"}`}, []string{
			`0-11 {"log":{"flags":["multiline"],"offset":7},"message":"end\n a\nend"}`, `11-15 {"log":{"offset":11},"message":"end"}`}},
		{"count", func(c *MultilineConfig) { c.Type, c.CountLines = "count", 2 }, 100, "a\nb\nc\n", []string{
			`0-4 {"log":{"flags":["multiline"],"offset":0},"message":"a\nb"}`}, []string{
			`0-4 {"log":{"flags":["multiline"],"offset":2},"message":"a\nb"}`}},
		{"count 1", func(c *MultilineConfig) { c.Type, c.LinesCount = "count", 1 }, 100, "a\nb\n", []string{
			`0-2 {"log":{"offset":0},"message":"a"}`, `2-4 {"log":{"offset":2},"message":"b"}`}, nil},
		{"while", func(c *MultilineConfig) { c.Type, c.Pattern = "while_pattern", `^\{` }, 100, "x\n{\n{\ny\n{\n", []string{
			`0-2 {"log":{"offset":0},"message":"x"}`, `2-6 {"log":{"flags":["multiline"],"offset":2},"message":"{\n{"}`,
			`6-8 {"log":{"offset":6},"message":"y"}`, `8-10 {"log":{"offset":8},"message":"{"}`}, []string{
			`0-2 {"log":{"offset":0},"message":"x"}`, `2-6 {"log":{"flags":["multiline"],"offset":4},"message":"{\n{"}`,
			`6-8 {"log":{"offset":6},"message":"y"}`, `8-10 {"log":{"offset":8},"message":"{"}`}},
	} {
		check(t, c.name+", log", through(fromLog(t, c.maxBytes, nil, multi(c.set), nil), c.text, true), c.log...)
		if c.filestream == nil {
			c.filestream = c.log
		}
		check(t, c.name+", filestream", through(fromList(t, c.maxBytes, entry(kindMultiline, c.set)), c.text, true), c.filestream...)
	}
}

func TestMultilineTimeoutBeginsAnewWithEachLine(t *testing.T) {
	c := fromLog(t, 100, nil, multi(func(c *MultilineConfig) { c.Pattern = "^ " }), nil).New()
	if !c.Deadline().IsZero() {
		t.Errorf("an empty chain waits until %v", c.Deadline())
	}
	var got []out
	addLines(c, "a\n", 0, testTime, collect(&got))
	addLines(c, " b\n", 2, testTime.Add(3*time.Second), collect(&got))
	want := testTime.Add(8 * time.Second)
	if !c.Deadline().Equal(want) {
		t.Errorf("waits until %v, want %v", c.Deadline(), want)
	}
	c.Expire(want.Add(-1), collect(&got))
	if start, held := c.Held(); !held || start != 0 || len(got) > 0 {
		t.Errorf("held from %d, %v; emitted %v", start, held, got)
	}
	c.Expire(want, collect(&got))
	check(t, "after the timeout", got, `0-5 {"log":{"flags":["multiline"],"offset":0},"message":"a\n b"}`)
	if _, held := c.Held(); held || !c.Deadline().IsZero() {
		t.Error("the chain still waits")
	}
}

func TestWhatWaitsForEver(t *testing.T) {
	count := entry(kindMultiline, func(c *MultilineConfig) { c.Type, c.CountLines = "count", 3 })
	never := entry(kindMultiline, func(c *MultilineConfig) { c.Pattern, c.Timeout = "^ ", 0 })
	piece := entry[ContainerConfig](kindContainer, nil)
	for _, c := range []struct {
		name, text, event string
		list              List
		settles           bool
	}{
		{"count", "a\n", `0-2 {"log":{"offset":0},"message":"a"}`, List{count}, true},
		{"no timeout", "a\n", `0-2 {"log":{"offset":0},"message":"a"}`, List{never}, true},
		{"piece", "2026-11-21T19:43:39Z stdout P a\n", `0-32 {"log":{"offset":0},"message":"a","stream":"stdout"}`, List{piece}, false},
	} {
		chain := fromList(t, 100, c.list...).New()
		var got []out
		addLines(chain, c.text, 0, testTime, collect(&got))
		chain.Expire(testTime.Add(1000*time.Hour), collect(&got))
		if start, held := chain.Held(); len(got) > 0 || !held || start != 0 || !chain.Deadline().IsZero() {
			t.Errorf("%s: emitted %v, held from %d, %v, until %v", c.name, got, start, held, chain.Deadline())
		}
		chain.Settle(collect(&got))
		if settled := len(got) == 1; settled != c.settles {
			t.Errorf("%s: Settle emitted %v", c.name, got)
		}
		chain.Flush(collect(&got))
		check(t, c.name, got, c.event)
		if _, held := chain.Held(); held {
			t.Errorf("%s: Flush kept something", c.name)
		}
	}
}

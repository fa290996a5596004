package parser

import (
	"errors"
	"testing"

	"github.com/rs/zerolog"
)

func TestFaultsOfParsers(t *testing.T) {
	twice := entry[NDJSONConfig](kindNDJSON, nil)
	twice.Choose(kindSyslog)
	for _, c := range []struct {
		list   List
		option string
		fault  string
	}{
		{List{{}}, "parsers.0", "one kind of parser is needed: multiline, ndjson, container, syslog, include_message"},
		{List{entry[NDJSONConfig](kindNDJSON, nil), twice}, "parsers.1", `more than one kind of parser is given; begin each with "- " of its own`},
		{List{entry[MultilineConfig](kindMultiline, nil)}, "parsers.0.multiline.pattern", `multiline.pattern cannot be empty when pattern based matching is selected; write a regular expression such as '^\['`},
		{List{entry(kindMultiline, func(c *MultilineConfig) { c.Type = "lines" })}, "parsers.0.multiline.type", `unknown multiline type "lines"; use pattern, count or while_pattern`},
		{List{entry(kindMultiline, func(c *MultilineConfig) { c.Type = "count" })}, "parsers.0.multiline.count_lines", "multiline.count_lines cannot be zero when count based is selected; write how many lines make one event"},
		{List{entry(kindMultiline, func(c *MultilineConfig) { c.Type, c.CountLines, c.LinesCount = "count", 2, 3 })}, "parsers.0.multiline.lines_count", "is another name of count_lines, which says 2"},
		{List{entry(kindMultiline, func(c *MultilineConfig) { c.Pattern = "(" })}, "parsers.0.multiline.pattern", `"(" is no regular expression (RE2): missing closing ): ` + "`(`"},
		{List{entry(kindMultiline, func(c *MultilineConfig) { c.Pattern, c.FlushPattern = "a", "*" })}, "parsers.0.multiline.flush_pattern", `"*" is no regular expression (RE2): missing argument to repetition operator: ` + "`*`"},
		{List{entry(kindMultiline, func(c *MultilineConfig) { c.Pattern, c.Match = "a", "behind" })}, "parsers.0.multiline.match", `unknown matcher type: "behind"; use after or before`},
		{List{entry(kindMultiline, func(c *MultilineConfig) { c.Pattern, c.Timeout = "a", -1 })}, "parsers.0.multiline.timeout", "must not be negative; 0 waits for ever"},
		{List{entry(kindContainer, func(c *ContainerConfig) { c.Stream = "stdin" })}, "parsers.0.container.stream", `"stdin" is not known; use all, stdout or stderr`},
		{List{entry(kindContainer, func(c *ContainerConfig) { c.Format = "x" })}, "parsers.0.container.format", `"x" is not known; use auto, docker or cri`},
		{List{entry(kindSyslog, func(c *SyslogConfig) { c.Format = "x" })}, "parsers.0.syslog.format", `"x" is no format of syslog messages; use auto, rfc3164 or rfc5424`},
		{List{entry(kindSyslog, func(c *SyslogConfig) { c.Timezone = "Mars/Base" })}, "parsers.0.syslog.timezone", `"Mars/Base" is no time zone; use Local, a name such as Europe/Berlin, or an offset such as +02:00`},
		{List{entry[IncludeConfig](kindInclude, nil)}, "parsers.0.include_message.patterns", "at least one regular expression is needed, else no line would be left"},
		{List{entry(kindInclude, func(c *IncludeConfig) { c.Patterns = []string{"["} })}, "parsers.0.include_message.patterns", `"[" is no regular expression (RE2): missing closing ]: ` + "`[`"},
	} {
		_, err := CompileFilestream(c.list, 100, zerolog.Nop())
		checkFault(t, err, c.option, c.fault)
	}
	m := DefaultMultiline()
	for _, c := range []struct {
		json          *JSONConfig
		multiline     *MultilineConfig
		container     *ContainerConfig
		option, fault string
	}{
		{nil, &m, nil, "multiline.pattern", `multiline.pattern cannot be empty when pattern based matching is selected; write a regular expression such as '^\['`},
		{&JSONConfig{}, &m, nil, "json.message_key", "When using the JSON decoder and multiline together, you need to specify a message_key value"},
		{nil, nil, &ContainerConfig{"all", "x"}, "format", `"x" is not known; use auto, docker or cri`},
	} {
		_, err := CompileLog(c.json, c.multiline, c.container, 100, zerolog.Nop())
		checkFault(t, err, c.option, c.fault)
	}
}

func checkFault(t *testing.T, err error, option, fault string) {
	t.Helper()
	var f *OptionError
	if !errors.As(err, &f) || f.Option != option || f.Fault != fault {
		t.Errorf("got  %v\nwant %s: %s", err, option, fault)
	}
}

func TestAStoppedEmitStops(t *testing.T) {
	c := fromList(t, 100, entry(kindMultiline, func(c *MultilineConfig) { c.Pattern = "^ " })).New()
	stop := func(*Line) bool { return false }
	if !c.Add(&Line{Text: []byte("a"), End: 2, Offset: int64(0)}, testTime, stop) {
		t.Error("a line that waits stopped")
	}
	if c.Add(&Line{Text: []byte("b"), Start: 2, End: 4, Offset: int64(2)}, testTime, stop) {
		t.Error("emit's false was lost")
	}
}

// In steady state joining lines costs next to nothing but what an event costs.
func TestMultilineAllocatesLittle(t *testing.T) {
	c := fromLog(t, 1000, nil, multi(func(c *MultilineConfig) { c.Pattern = "^ " }), nil).New()
	emit := func(*Line) bool { return true }
	texts := [][]byte{[]byte("a first line"), []byte(" a second"), []byte(" a third")}
	at, i := int64(0), 0
	var offset any = int64(0)
	allocs := testing.AllocsPerRun(3000, func() {
		l := Line{Text: texts[i%3], Start: at, End: at + 10, Offset: offset, Time: testTime}
		c.Add(&l, testTime, emit)
		i, at = i+1, at+10
	})
	if allocs > 1 { // the line itself
		t.Errorf("%v allocations a line", allocs)
	}
}

func BenchmarkNDJSON(b *testing.B) {
	c := fromList(b, 1000, entry[NDJSONConfig](kindNDJSON, nil)).New()
	line := []byte(`{"level":"info","msg":"a reading was taken","topic":"/feeds/0/temp","value":21.5,"n":17}`)
	emit := func(*Line) bool { return true }
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		c.Add(&Line{Text: line, End: 90, Offset: int64(0), Time: testTime}, testTime, emit)
	}
}

func BenchmarkContainer(b *testing.B) {
	c := fromList(b, 1000, entry[ContainerConfig](kindContainer, nil)).New()
	line := []byte(`2026-11-21T19:43:39.123456789Z stdout F a reading was taken from /feeds/0/temp: 21.5`)
	emit := func(*Line) bool { return true }
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		c.Add(&Line{Text: line, End: 90, Offset: int64(0), Time: testTime}, testTime, emit)
	}
}

package tailer

import (
	"fmt"
	"strings"
	"time"

	"sluice/internal/parser"
	"sluice/internal/processor"
)

// modelShape is what a round of the model test is about.
type modelShape struct {
	layout string // of the inputs: one, two (both follow each file) or split (by folder)
	lines  string // plain, filter, drop, json, pattern or count
	// strict says that lines are joined in whole groups: nothing sends one early.
	strict   bool
	utf16    bool
	header   int // bytes with which all files begin alike
	partial  bool
	gz       bool // compression: auto
	links    bool // hard ones
	symlinks bool
	deletes  bool // delete.enabled
	ages     bool // ignore_older
	forgets  bool // clean_inactive too
	paths    bool // identity path
}

func (s *modelShape) joins() bool { return s.lines == "pattern" || s.lines == "count" }

// longHeader says whether files can't be told apart by their first bytes.
func (s *modelShape) longHeader() bool {
	return s.header >= prefixLimit || s.header >= 400 && (s.utf16 || s.lines == "json")
}

// modelGroup is how many lines the line type count joins.
const modelGroup = 3

func (m *model) one(list ...string) string { return list[m.rand.IntN(len(list))] }
func (m *model) odds(n int) bool           { return m.rand.IntN(n) == 0 }

func (m *model) drawShape() modelShape {
	s := modelShape{
		layout: m.one("one", "one", "two", "split"), lines: m.one("plain", "plain", "filter", "drop", "json", "pattern", "count"),
		strict: m.odds(2), utf16: m.odds(5), gz: m.odds(3), symlinks: m.odds(4), paths: m.odds(4), ages: m.odds(5),
	}
	switch {
	case m.odds(8) && s.layout == "one":
		s.deletes, s.symlinks, s.ages, s.strict = true, false, false, false
	case m.odds(3):
		// With gz, what begins as another file waits for a minute to become its copy.
		s.header, s.gz = []int{20, 400, 1000, 1500}[m.rand.IntN(4)], false
	}
	if !*modelAll { // what still fails in one round of some 350
		s.layout, s.header = "one", 0
	}
	s.paths = s.paths && !s.longHeader() // a path's new file would be the old one
	// A file is deleted once its last line, though it has no end, is sent.
	s.partial = s.lines == "plain" && s.header == 0 && !s.deletes && m.odds(4)
	s.links = !s.paths && !s.deletes && m.odds(3)
	s.forgets = s.ages && !s.paths && !s.partial && m.odds(2)
	s.strict = s.strict && s.joins()
	return s
}

// modelInputs is what distinguishes the inputs of a round.
type modelInputs struct {
	types, ids, identities []string
	drawn                  int
	calm                   bool // nothing closes a file that is there
}

// reader is who reads a file for the i-th input: two inputs of layout split
// share the work.
func (m *model) reader(i int) int {
	if m.shape.layout == "two" {
		return i
	}
	return 0
}

func (m *model) readers() int { return m.reader(len(m.types)-1) + 1 }

func (m *model) drawInputs() {
	n := 2
	if m.shape.layout == "one" {
		n = 1
	}
	for i := range n {
		typ := m.one(TypeLog, TypeFilestream)
		switch {
		case m.shape.gz, m.shape.deletes, m.shape.layout == "two" && i == 1 && m.types[0] == TypeLog:
			typ = TypeFilestream
		case m.shape.layout == "split" && i == 1:
			typ = m.types[0]
		}
		m.types, m.ids, m.identities = append(m.types, typ), append(m.ids, m.newID()), append(m.identities, "")
	}
	m.identify()
	if err := writeFile(m.path("marker"), "disk-7"); err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) newID() string {
	m.drawn++
	return fmt.Sprintf("id%d", m.drawn)
}

// identify draws the inputs' identities.
func (m *model) identify() {
	for i, typ := range m.types {
		kinds := []string{identityNative, identityInodeMarker}
		if typ == TypeFilestream {
			kinds = append(kinds, identityFingerprint, identityFingerprint)
		}
		if m.shape.paths { // whoever changes from there may find another file at a path
			kinds = []string{identityPath}
		}
		m.identities[i] = m.one(kinds...)
	}
}

// renameInputs changes an input's id and the identities. With clean_inactive,
// and with identity path when it is renamed, a file is sent anew, and so must
// keep what its ids are derived from.
func (m *model) renameInputs() {
	m.identify()
	m.renamed = m.shape.layout == "two"
	if !m.shape.forgets && !m.shape.paths {
		// Two ids that change at once can't be told apart.
		i := m.rand.IntN(len(m.ids))
		if m.ids[i] = m.newID(); i == 0 && m.odds(4) {
			m.ids[i] = ""
		}
	}
}

// retype makes a log input a filestream, or the other way round.
func (m *model) retype() {
	if m.shape.layout != "one" || m.shape.gz || m.shape.deletes || m.shape.forgets || m.shape.paths || !m.odds(2) {
		return
	}
	m.types[0] = map[string]string{TypeLog: TypeFilestream, TypeFilestream: TypeLog}[m.types[0]]
	m.identify()
}

// configure makes the inputs' options anew.
func (m *model) configure() {
	// A group of count lines that waits is sent only when its file is closed.
	m.calm = (m.shape.strict || m.shape.lines != "count") && m.odds(3)
	m.cfg.Inputs = nil
	for i := range m.types {
		m.cfg.Inputs = append(m.cfg.Inputs, m.input(i))
	}
}

func (m *model) input(i int) InputConfig {
	s := &m.shape
	in := DefaultInput()
	in.Type, in.ID, in.Tags = m.types[i], m.ids[i], []string{fmt.Sprint("r", m.reader(i))}
	in.Paths = []string{m.path("**/*.log*")}
	if s.layout == "split" {
		in.Paths = [][]string{{m.path("d0/**/*.log*")}, {m.path("*.log*"), m.path("d[1-9]/**/*.log*")}}[i]
	}
	if marker, ok := in.FileIdentity.Choose(m.identities[i]).(*InodeMarker); ok {
		marker.Path = m.path("marker")
	}
	if s.utf16 {
		in.Encoding = "utf-16le"
	}
	if s.partial {
		in.PartialLineTimeout = time.Duration(1+m.rand.IntN(30)) * time.Millisecond
	}
	if s.ages {
		in.IgnoreOlder = 30 * time.Minute
	}
	if s.forgets {
		in.CleanInactive = time.Hour
	}
	switch s.lines {
	case "filter":
		in.IncludeLines, in.ExcludeLines = []string{"^[0-9]", "^time"}, []string{"skip"}
	case "drop":
		drop := processor.Entry{If: &processor.Condition{Contains: map[string]any{"message": "skip"}}, Then: make(processor.List, 1)}
		drop.Then[0].Choose("drop_event")
		in.Processors = processor.List{drop}
	}
	scan := time.Duration(5+m.rand.IntN(40)) * time.Millisecond
	closing := m.closing()
	if m.types[i] == TypeLog {
		m.logOptions(&in, scan, closing)
	} else {
		m.filestreamOptions(&in, scan, closing)
	}
	if closing.Reader.OnEOF {
		in.HarvesterLimit = m.rand.IntN(3)
	}
	return in
}

// closing draws when files are closed.
func (m *model) closing() (c CloseConfig) {
	c.OnStateChange.Inactive, c.OnStateChange.Removed = time.Hour, true
	if m.calm || m.shape.strict {
		if !m.calm {
			c.Reader.AfterInterval = time.Duration(m.rand.IntN(2)*m.rand.IntN(100)) * time.Millisecond
		}
		return c
	}
	c.Reader.OnEOF = m.odds(3)
	c.OnStateChange.Inactive = time.Duration(1+m.rand.IntN(100)) * time.Millisecond
	if !m.shape.joins() { // a group that waits begins anew with each opening
		c.Reader.AfterInterval = time.Duration(m.rand.IntN(2)*m.rand.IntN(100)) * time.Millisecond
	}
	c.OnStateChange.Renamed = m.odds(2)
	return c
}

func (m *model) multiline() parser.MultilineConfig {
	c := parser.DefaultMultiline()
	if m.shape.lines == "count" {
		c.Type, c.CountLines = "count", modelGroup
		return c
	}
	c.Pattern, c.Timeout = "^ ", time.Hour
	if !m.shape.strict {
		c.Timeout = time.Duration(1+m.rand.IntN(50)) * time.Millisecond
	}
	return c
}

func (m *model) logOptions(in *InputConfig, scan time.Duration, c CloseConfig) {
	in.ScanFrequency, in.MaxBytes, in.Symlinks = scan, modelMaxBytes, m.shape.symlinks
	in.CloseEOF, in.CloseInactive, in.CloseTimeout, in.CloseRenamed = c.Reader.OnEOF, c.OnStateChange.Inactive, c.Reader.AfterInterval, c.OnStateChange.Renamed
	switch m.shape.lines {
	case "json":
		in.JSON = &parser.JSONConfig{KeysUnderRoot: true, OverwriteKeys: true, MessageKey: "message"}
	case "pattern", "count":
		multi := m.multiline()
		in.Multiline = &multi
	}
}

func (m *model) filestreamOptions(in *InputConfig, scan time.Duration, c CloseConfig) {
	in.Prospector.Scanner.CheckInterval, in.MessageMaxBytes, in.Prospector.Scanner.Symlinks = scan, modelMaxBytes, m.shape.symlinks
	in.Close = c
	if m.shape.gz {
		in.Compression = "auto"
	}
	if m.shape.deletes {
		in.Delete.Enabled, in.Delete.GracePeriod = true, time.Duration(1+m.rand.IntN(50))*time.Millisecond
	}
	var e parser.Entry
	switch m.shape.lines {
	case "json":
		e.Choose("ndjson").(*parser.NDJSONConfig).MessageKey = "message"
	case "pattern", "count":
		*e.Choose("multiline").(*parser.MultilineConfig) = m.multiline()
	default:
		return
	}
	in.Parsers = parser.List{e}
}

// line makes the next line of a file, as it is written without its end.
func (m *model) text(l *modelLife) (raw string, line modelLine) {
	if at := len(l.lines) * 400; at < m.shape.header {
		text := "time;value" + strings.Repeat("=", 399)
		text = text[:min(399, m.shape.header-at-1)]
		return m.wrap(text)
	}
	text := fmt.Sprintf("%d.%d.", l.number, len(l.lines))
	n := m.rand.IntN(100)
	switch lines := m.shape.lines; {
	case n < 30 && (lines == "filter" || lines == "drop"):
		line.none, text = true, text+"skip"
	case n < 8 && lines == "plain" && len(l.lines) > 0: // an equal first line is doc.go's known loss
		return "", modelLine{none: true}
	case n < 70 && lines == "pattern":
		text = " " + text
	}
	switch n = m.rand.IntN(100); {
	case n < 2 && m.shape.lines != "json":
		text += strings.Repeat("long ", 150+m.rand.IntN(30_000))
	case n < 35:
		text += strings.Repeat("x", m.rand.IntN(200))
	}
	raw, wrapped := m.wrap(text)
	wrapped.none = line.none
	return raw, wrapped
}

// wrap makes a line of its message.
func (m *model) wrap(text string) (raw string, line modelLine) {
	if m.shape.lines == "json" && !m.odds(10) {
		return `{"n":1,"message":"` + text + `"}`, modelLine{text: text}
	}
	return text, modelLine{text: text}
}

// encode writes text as the files hold it.
func (m *model) encode(text string) string {
	if !m.shape.utf16 {
		return text
	}
	b := make([]byte, 0, 2*len(text))
	for _, c := range []byte(text) {
		b = append(b, c, 0)
	}
	return string(b)
}

func (m *model) unit() int64 {
	if m.shape.utf16 {
		return 2
	}
	return 1
}

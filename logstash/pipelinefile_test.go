package logstash_test

import (
	"fmt"
	"strings"
	"unicode"
)

// plugin is a plugin of a Logstash pipeline's file, with its options in order.
type plugin struct {
	section string // input, filter or output
	name    string
	line    int
	options []option
}

type option struct {
	name  string
	value value
}

// value is a text (quoted, bare or a number), a list, or pairs.
type value struct {
	text  string
	list  []value
	pairs []option
}

// pipelineFile is what a test wants to know of a pipeline's file: its plugins, and
// the expressions and fields of its conditions. The structure is read; what the
// plugins do is not known here.
type pipelineFile struct {
	plugins     []plugin
	expressions []string
	asked       []string
}

// pipelineParser reads the structure of the configuration language. It panics
// with a text; parsePipeline returns that as an error.
type pipelineParser struct {
	text string
	at   int
	file pipelineFile
}

func parsePipeline(text string) (file pipelineFile, err error) {
	p := &pipelineParser{text: text}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("line %d: %v", p.line(), r)
		}
	}()
	for p.blank(); p.at < len(p.text); p.blank() {
		section := p.word()
		if section != "input" && section != "filter" && section != "output" {
			panic("no section: " + section)
		}
		p.block(section)
	}
	return p.file, nil
}

func (p *pipelineParser) line() int { return 1 + strings.Count(p.text[:min(p.at, len(p.text))], "\n") }

// blank skips white space and comments.
func (p *pipelineParser) blank() {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '#':
			n := strings.IndexByte(p.text[p.at:], '\n')
			if n < 0 {
				n = len(p.text) - p.at
			}
			p.at += n
		case unicode.IsSpace(rune(c)):
			p.at++
		default:
			return
		}
	}
}

func (p *pipelineParser) peek(text string) bool {
	p.blank()
	return strings.HasPrefix(p.text[p.at:], text)
}

func (p *pipelineParser) take(text string) bool {
	if !p.peek(text) {
		return false
	}
	p.at += len(text)
	return true
}

func (p *pipelineParser) want(text string) {
	if !p.take(text) {
		panic("wanted " + text + ", found " + p.text[p.at:min(len(p.text), p.at+20)])
	}
}

func (p *pipelineParser) word() string {
	p.blank()
	start := p.at
	for p.at < len(p.text) && (p.text[p.at] == '_' || p.text[p.at] == '.' || p.text[p.at] == '-' || unicode.IsLetter(rune(p.text[p.at])) || unicode.IsDigit(rune(p.text[p.at]))) {
		p.at++
	}
	if start == p.at {
		panic("wanted a word, found " + p.text[p.at:min(len(p.text), p.at+20)])
	}
	return p.text[start:p.at]
}

// until takes a text in delimiters; a backslash keeps what follows it.
func (p *pipelineParser) until(end byte) string {
	start := p.at
	for ; p.at < len(p.text); p.at++ {
		switch p.text[p.at] {
		case '\\':
			p.at++
		case '\n':
			panic("a text is not closed")
		case end:
			p.at++
			return p.text[start : p.at-1]
		}
	}
	panic("a text is not closed")
}

// block reads plugins and branches between braces.
func (p *pipelineParser) block(section string) {
	p.want("{")
	for !p.take("}") {
		switch word := p.word(); word {
		case "if":
			p.condition()
			p.block(section)
		case "else":
			if p.take("if ") {
				p.condition()
			}
			p.block(section)
		default:
			line := p.line()
			p.file.plugins = append(p.file.plugins, plugin{section, word, line, p.pairs()})
		}
	}
}

// condition reads up to the brace that opens the branch.
func (p *pipelineParser) condition() {
	for !p.peek("{") {
		switch {
		case p.take("["):
			start := p.at - 1
			p.at = start
			p.file.asked = append(p.file.asked, p.field())
		case p.take("/"):
			p.file.expressions = append(p.file.expressions, p.until('/'))
		case p.take(`"`):
			p.until('"')
		case p.take("=~"), p.take("!~"), p.take("=="), p.take("!"), p.take("("), p.take(")"):
		default:
			if word := p.word(); word != "and" && word != "or" && word != "not" && word != "in" {
				panic("unknown in a condition: " + word)
			}
		}
	}
}

// field reads [a][b].
func (p *pipelineParser) field() string {
	start := p.at
	for p.at < len(p.text) && p.text[p.at] == '[' {
		n := strings.IndexByte(p.text[p.at:], ']')
		if n < 0 {
			panic("a field's name is not closed")
		}
		p.at += n + 1
	}
	return p.text[start:p.at]
}

func (p *pipelineParser) pairs() (list []option) {
	p.want("{")
	for !p.take("}") {
		name := ""
		switch {
		case p.take(`"`):
			name = p.until('"')
		default:
			name = p.word()
		}
		p.want("=>")
		list = append(list, option{name, p.value()})
	}
	return list
}

func (p *pipelineParser) value() (v value) {
	switch {
	case p.peek("{"):
		v.pairs = p.pairs()
	case p.take("["):
		for !p.take("]") {
			if len(v.list) > 0 {
				p.want(",")
			}
			v.list = append(v.list, p.value())
		}
	case p.take(`"`):
		v.text = p.until('"')
	case p.take(`'`):
		v.text = p.until('\'')
	default:
		v.text = p.word()
	}
	return v
}

package config

import (
	"errors"
	"strings"
)

// operator says what a reference does when its name is missing or there.
type operator byte

const (
	opNone    operator = 0
	opDefault operator = ':' // ${name:default}
	opError   operator = '?' // ${name:?message}
	opPresent operator = '+' // ${name:+text}
)

// piece is a part of a text: plain, or a reference.
type piece struct {
	text string
	ref  bool
	name []piece // of a reference; may hold references
	op   operator
	rest []piece // default, message or text of the operator
}

// textSplitter reads the ${…} of one text.
type textSplitter struct {
	text string
	pos  int
}

// splitText splits a text into plain parts and references.
func splitText(text string) ([]piece, error) {
	s := &textSplitter{text: text}
	return s.pieces("", 0)
}

// pieces reads up to one of the stop characters, which is left unread.
func (s *textSplitter) pieces(stop string, depth int) ([]piece, error) {
	if depth > maxDepth {
		return nil, errors.New("the references are nested too deeply")
	}
	var list []piece
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			list = append(list, piece{text: plain.String()})
			plain.Reset()
		}
	}
	for s.pos < len(s.text) {
		rest := s.text[s.pos:]
		switch {
		case strings.HasPrefix(rest, "$$"), strings.HasPrefix(rest, "$}"):
			plain.WriteByte(rest[1])
			s.pos += 2
		case strings.HasPrefix(rest, "${"):
			flush()
			s.pos += 2
			p, err := s.reference(depth + 1)
			if err != nil {
				return nil, err
			}
			list = append(list, p)
		case strings.IndexByte(stop, rest[0]) >= 0:
			flush()
			return list, nil
		default:
			plain.WriteByte(rest[0])
			s.pos++
		}
	}
	flush()
	if stop != "" {
		return nil, errors.New("a ${ has no closing }")
	}
	return list, nil
}

// reference reads the rest of a ${…} behind its opening.
func (s *textSplitter) reference(depth int) (piece, error) {
	p := piece{ref: true}
	var err error
	if p.name, err = s.pieces(":}", depth); err != nil {
		return p, err
	}
	if s.text[s.pos] == ':' {
		s.pos++
		p.op = opDefault
		if s.pos < len(s.text) && (s.text[s.pos] == '?' || s.text[s.pos] == '+') {
			p.op = operator(s.text[s.pos])
			s.pos++
		}
		if p.rest, err = s.pieces("}", depth); err != nil {
			return p, err
		}
	}
	s.pos++ // the closing }
	return p, nil
}

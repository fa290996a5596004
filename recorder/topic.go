package recorder

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// checkFilter tells what is wrong with a topic filter (MQTT 3.1.1, 4.7).
func checkFilter(filter string) error {
	switch {
	case filter == "":
		return errors.New("a topic must not be empty; \"#\" is all of them")
	case len(filter) > 65535:
		return errors.New("a topic has at most 65535 bytes")
	case !utf8.ValidString(filter) || strings.ContainsRune(filter, 0):
		return fmt.Errorf("%q: a topic is UTF-8 without NUL", filter)
	}
	levels := strings.Split(filter, "/")
	for i, level := range levels {
		if strings.Contains(level, "#") && (level != "#" || i != len(levels)-1) {
			return fmt.Errorf("%q: \"#\" must be the whole last level", filter)
		}
		if strings.Contains(level, "+") && level != "+" {
			return fmt.Errorf("%q: \"+\" must be a whole level", filter)
		}
	}
	return nil
}

// matches tells whether a topic filter covers a topic (MQTT 3.1.1, 4.7): a
// filter that begins with a wildcard does not cover topics that begin with "$".
func matches(filter, topic string) bool {
	if strings.HasPrefix(topic, "$") && (filter[0] == '#' || filter[0] == '+') {
		return false
	}
	for {
		level, rest, more := strings.Cut(filter, "/")
		if level == "#" {
			return true
		}
		name, left, deeper := strings.Cut(topic, "/")
		if level != "+" && level != name {
			return false
		}
		if !deeper {
			return !more || rest == "#"
		}
		if !more {
			return false
		}
		filter, topic = rest, left
	}
}

package tailer

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sluice/internal/event"
)

// indexFormat is the option index of an input, compiled: text, dates and
// fields of the event.
type indexFormat []indexPart

type indexPart struct {
	text string
	date string // Go's layout; empty: no date
	key  string // of a field; empty: no field
}

// newIndexFormat reads a format string such as
// logs-%{[agent.version]}-%{+yyyy.MM.dd}.
func newIndexFormat(text string) (f indexFormat, err error) {
	for text != "" {
		before, after, found := strings.Cut(text, "%{")
		if before != "" {
			f = append(f, indexPart{text: before})
		}
		if !found {
			break
		}
		inner, rest, closed := strings.Cut(after, "}")
		if !closed {
			return nil, errors.New("a %{ has no closing }; write %{[field]} or %{+yyyy.MM.dd}")
		}
		text = rest
		switch {
		case strings.HasPrefix(inner, "+"):
			f = append(f, indexPart{date: goLayout(inner[1:])})
		case strings.HasPrefix(inner, "[") && strings.HasSuffix(inner, "]"):
			f = append(f, indexPart{key: strings.ReplaceAll(inner[1:len(inner)-1], "][", ".")})
		default:
			return nil, fmt.Errorf("%%{%s} is neither a field nor a date; write %%{[field]} or %%{+yyyy.MM.dd}", inner)
		}
	}
	return f, nil
}

// goLayout turns the letters of a date format into Go's layout.
func goLayout(letters string) string {
	return strings.NewReplacer("yyyy", "2006", "YYYY", "2006", "xxxx", "2006", "yy", "06", "MM", "01", "dd", "02", "HH", "15", "mm", "04", "ss", "05").Replace(letters)
}

// render fills the format in; false if there is none, or a field of it is
// missing: then the output's own index counts.
func (f indexFormat) render(c *Config, e *event.Event) (string, bool) {
	var b strings.Builder
	for _, p := range f {
		switch {
		case p.date != "":
			b.WriteString(e.Time.UTC().Format(p.date))
		case p.key == "":
			b.WriteString(p.text)
		case p.key == "agent.version" || p.key == "beat.version" || p.key == "observer.version":
			b.WriteString(c.Version)
		case p.key == "agent.name" || p.key == "beat.name":
			b.WriteString(c.Name)
		default:
			v, err := e.Get(p.key)
			if err != nil {
				return "", false
			}
			fmt.Fprint(&b, v)
		}
	}
	return b.String(), len(f) > 0
}

// dated says whether the index changes with time.
func (f indexFormat) dated() bool {
	return slices.ContainsFunc(f, func(p indexPart) bool { return p.date != "" })
}

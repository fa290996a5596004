package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// FromJSON reads the first JSON value in data; what follows it is ignored, as
// Filebeat does. Integers are int64, all other numbers float64, and a number
// that is too large for either is the text that it was written as.
func FromJSON(data []byte) (any, error) {
	v, _, err := DecodeJSON(data)
	return v, err
}

// DecodeJSON is FromJSON that also returns how many bytes the value took.
func DecodeJSON(data []byte) (v any, n int64, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, 0, err
	}
	return plain(v), d.InputOffset(), nil
}

// plain replaces the numbers of a decoded value.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		return number(string(v))
	case map[string]any:
		for name, member := range v {
			if n, ok := member.(json.Number); ok {
				v[name] = number(string(n))
			} else {
				plain(member) // in place
			}
		}
	case []any:
		for i, item := range v {
			v[i] = plain(item)
		}
	}
	return v
}

func number(text string) any {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		return f
	}
	return text
}

// OneJSON reads data that holds one JSON value and nothing else but white
// space.
func OneJSON(data []byte) (any, error) {
	v, n, err := DecodeJSON(data)
	switch {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("no JSON value: %w", err)
	case err != nil:
		return nil, err
	case strings.TrimSpace(string(data[n:])) != "":
		return nil, errors.New("there is more behind the JSON value")
	}
	return v, nil
}

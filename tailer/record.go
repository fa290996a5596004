package tailer

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sluice/internal/event"
)

// recordLine is one line of a segment as package recorder writes it with
// format: json.
type recordLine struct {
	Time          time.Time `json:"time"`
	Topic         string    `json:"topic"`
	TopicEncoding string    `json:"topic_encoding"`
	QoS           int64     `json:"qos"`
	Retained      bool      `json:"retained"`
	Duplicate     bool      `json:"duplicate"`
	ID            int64     `json:"id"`
	Payload       string    `json:"payload"`
	Encoding      string    `json:"encoding"`
	Truncated     bool      `json:"truncated"`
}

const base64Encoding = "base64"

// record makes the event of a message, as Filebeat's mqtt input does: the
// payload, what the broker said of it, and when it came. A line that is no
// record is sent as it is, with an error.message: nothing is left out. now is
// the read time.
func (d *document) record(line []byte, now time.Time) *event.Event {
	r, err := parseRecord(line)
	if err != nil {
		e := &event.Event{Time: now, Fields: map[string]any{"message": string(line), "input": map[string]any{"type": d.in.typ}}}
		e.SetError(err.Error(), "")
		return e
	}
	e := &event.Event{Time: r.Time, Fields: map[string]any{
		"message": r.Payload,
		"mqtt":    map[string]any{"duplicate": r.Duplicate, "message_id": r.ID, "qos": r.QoS, "retained": r.Retained, "topic": r.Topic},
		"input":   map[string]any{"type": d.in.typ},
	}}
	if r.Truncated {
		e.Fields["log"] = map[string]any{"flags": []any{"truncated"}}
	}
	return e
}

func parseRecord(line []byte) (r recordLine, err error) {
	if err = json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("the segment's line is no record: %w", err)
	}
	if r.Time.IsZero() || r.Encoding == "" {
		return r, errors.New("the segment's line is no record: it has no time or encoding")
	}
	if r.Encoding == base64Encoding {
		if r.Payload, err = decoded(r.Payload); err != nil {
			return r, fmt.Errorf("the record's payload: %w", err)
		}
	}
	if r.TopicEncoding == base64Encoding {
		if r.Topic, err = decoded(r.Topic); err != nil {
			return r, fmt.Errorf("the record's topic: %w", err)
		}
	}
	return r, nil
}

func decoded(text string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	return string(b), err
}

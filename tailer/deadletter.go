package tailer

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sluice/internal/durable"
)

// DeadLetter is a line of the dead-letter file: a document that the server refused.
type DeadLetter struct {
	// Time at which it was set aside.
	Time time.Time `json:"time"`
	// Reason is what the server said.
	Reason string `json:"reason"`
	// Document as it was sent, if it is JSON.
	Document json.RawMessage `json:"document,omitempty"`
	// Raw is the document if it is none.
	Raw []byte `json:"raw,omitempty"`
}

// AppendDeadLetter appends a document to the dead-letter file, which is made with
// mode 600 if it is missing, and fsyncs it.
func AppendDeadLetter(path string, doc []byte, reason error) error {
	l := DeadLetter{Time: time.Now().UTC(), Reason: fmt.Sprint(reason)}
	if json.Valid(doc) {
		l.Document = doc
	} else {
		l.Raw = doc
	}
	line, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode a dead letter: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the dead-letter file: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close(), durable.SyncDir(filepath.Dir(path))); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

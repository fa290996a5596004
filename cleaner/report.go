package cleaner

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Result is what became of a file.
type Result string

// The results.
const (
	Deleted     Result = "deleted"
	WouldDelete Result = "would_delete" // in a dry run
	Kept        Result = "kept"
	Failed      Result = "failed" // could not be looked at or removed
)

// Candidate is one state of the registry and what became of its file.
type Candidate struct {
	Source string        // the file's path
	Key    string        // the state's key; empty when the registry is of version 0
	Offset int64         // durable offset in bytes
	Size   int64         // size in bytes; -1 when unknown
	Age    time.Duration // since the later of mtime and ctime; 0 when unknown
	Result Result
	Reason string // why it was kept, or what failed
}

// MarshalJSON writes {"source","key","offset","size","age_seconds","result","reason"}.
func (c Candidate) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Source string `json:"source"`
		Key    string `json:"key,omitempty"`
		Offset int64  `json:"offset"`
		Size   int64  `json:"size"`
		Age    int64  `json:"age_seconds"`
		Result Result `json:"result"`
		Reason string `json:"reason,omitempty"`
	}{c.Source, c.Key, c.Offset, c.Size, int64(c.Age / time.Second), c.Result, c.Reason})
}

// Report is what Clean did, sorted by path.
type Report struct {
	Files  []Candidate `json:"files"`
	DryRun bool        `json:"dry_run"`

	// Deleted files (in a dry run: those that would be deleted), the bytes that
	// they held, and the files that were kept or failed.
	Deleted int   `json:"deleted"`
	Freed   int64 `json:"freed_bytes"`
	Kept    int   `json:"kept"`
	Failed  int   `json:"failed"`
}

func (r *Report) add(c Candidate) {
	r.Files = append(r.Files, c)
	switch c.Result {
	case Deleted, WouldDelete:
		r.Deleted++
		r.Freed += c.Size
	case Kept:
		r.Kept++
	case Failed:
		r.Failed++
	}
}

// WriteText writes the report for people: one line per file, and a summary.
// With quiet only failures are listed.
func (r *Report) WriteText(w io.Writer, quiet bool) error {
	for _, c := range r.Files {
		line := ""
		switch {
		case c.Result == Failed:
			line = fmt.Sprintf("failed  %s: %s", c.Source, c.Reason)
		case quiet:
			continue
		case c.Result == Kept:
			line = fmt.Sprintf("kept    %s: %s", c.Source, c.Reason)
		case c.Result == WouldDelete:
			line = fmt.Sprintf("delete  %s: %d bytes (dry run)", c.Source, c.Size)
		default:
			line = fmt.Sprintf("deleted %s: %d bytes", c.Source, c.Size)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	if quiet {
		return nil
	}
	verb := "deleted"
	if r.DryRun {
		verb = "would delete"
	}
	_, err := fmt.Fprintf(w, "%s %s (%d bytes), kept %d, failed %d\n", verb, plural(r.Deleted, "file"), r.Freed, r.Kept, r.Failed)
	return err
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

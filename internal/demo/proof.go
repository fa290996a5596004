package demo

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Proof is what a run has proved; see the package documentation for the exact
// meaning of each number. Its JSON form has exactly nine fields.
type Proof struct {
	Published  int64   `json:"published"`  // readings whose PUBACK the sensor has
	Recorded   int64   `json:"recorded"`   // lines in sealed segments
	Shipped    int64   `json:"-"`          // events that the tailer has an ack for
	Received   int64   `json:"received"`   // events at the receiver, repeats included
	Unique     int64   `json:"unique"`     // different ids among them
	Lost       int64   `json:"lost"`       // published readings without any event
	Duplicated int64   `json:"duplicated"` // events of one reading under further ids
	Sealed     int64   `json:"sealed"`     // segments
	Deleted    int64   `json:"deleted"`    // segments
	Seconds    float64 `json:"seconds"`    // from the first reading to the last deletion

	Early bool   `json:"-"` // stopped by a signal before the planned end
	Fault string `json:"-"` // what is wrong beyond lost and duplicated
	Notes string `json:"-"` // what happened besides
}

// Err is nil if nothing was lost or doubled, and everything was sealed, shipped
// and cleaned.
func (p *Proof) Err() error {
	var faults []error
	if p.Lost > 0 {
		faults = append(faults, fmt.Errorf("%d of %d published readings are lost", p.Lost, p.Published))
	}
	if p.Duplicated > 0 {
		faults = append(faults, fmt.Errorf("%d readings arrived under a second id: they would be doubled in the index", p.Duplicated))
	}
	if p.Deleted != p.Sealed {
		faults = append(faults, fmt.Errorf("%d of %d sealed segments are not cleaned", p.Sealed-p.Deleted, p.Sealed))
	}
	if p.Fault != "" {
		faults = append(faults, errors.New(p.Fault))
	}
	return errors.Join(faults...)
}

// WriteTable writes the proof for people.
func (p *Proof) WriteTable(w io.Writer) error {
	rows := []struct {
		name string
		n    int64
		what string
	}{
		{"published", p.Published, "readings that the broker acknowledged to a sensor"},
		{"recorded", p.Recorded, "lines in sealed segments"},
		{"shipped", p.Shipped, "events that the receiver acknowledged to the tailer"},
		{"received", p.Received, "events at the receiver, repeats included"},
		{"unique", p.Unique, "different ids among them: what an index stores"},
		{"lost", p.Lost, "published readings that did not arrive"},
		{"duplicated", p.Duplicated, "further copies of a reading after de-duplication by id"},
		{"segments sealed", p.Sealed, "files that the recorder finished"},
		{"segments deleted", p.Deleted, "files that the cleaner removed"},
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%s\t  %s\n", r.name, thousands(r.n), r.what)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write the proof: %w", err)
	}
	verdict := "proved: nothing lost, nothing doubled"
	if p.Err() != nil {
		verdict = "NOT proved"
	}
	if p.Early {
		verdict += " (stopped early)"
	}
	rate := float64(p.Published) / max(p.Seconds, 0.001)
	if _, err := fmt.Fprintf(w, "%s; %.1f s, %s readings/s%s\n", verdict, p.Seconds, thousands(int64(rate)), p.Notes); err != nil {
		return fmt.Errorf("write the proof: %w", err)
	}
	return nil
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int64) string {
	if n < 0 {
		return "-" + thousands(-n)
	}
	s := fmt.Sprint(n)
	var b strings.Builder
	for i, c := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}

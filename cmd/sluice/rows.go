package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"sluice/cleaner"
	"sluice/internal/gateway"
	"sluice/registry"
)

// fileRow is what "registry list" says about a state and its file.
type fileRow struct {
	Source string `json:"source"`
	Key    string `json:"key"`
	Offset int64  `json:"offset"`
	Size   int64  `json:"size"`        // -1: unknown
	Lag    int64  `json:"lag"`         // bytes not yet acknowledged; 0 when unknown
	Age    int64  `json:"age_seconds"` // since the state changed last
	State  string `json:"state"`
}

// The states of a file in the list.
const (
	stateDone   = "done"       // acknowledged to its end
	stateBehind = "behind"     // bytes are not yet acknowledged
	stateGone   = "gone"       // there is no file
	stateOther  = "other file" // another file has this path
	stateCut    = "cut"        // shorter than the offset
	stateUnread = "unreadable" // the file can't be looked at
)

func rowOf(s registry.State) fileRow {
	row := fileRow{Source: s.Source, Key: s.Key, Offset: s.Offset, Size: -1}
	if !s.Timestamp.IsZero() {
		row.Age = max(0, int64(time.Since(s.Timestamp)/time.Second))
	}
	info, err := os.Stat(s.Source)
	switch {
	case os.IsNotExist(err):
		row.State = stateGone
		return row
	case err != nil:
		row.State = stateUnread
		return row
	}
	row.Size = info.Size()
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case ok && s.Inode != 0 && (stat.Ino != s.Inode || uint64(stat.Dev) != s.Device):
		row.State = stateOther
	case row.Size < s.Offset:
		row.State = stateCut
	case row.Size > s.Offset:
		row.State, row.Lag = stateBehind, row.Size-s.Offset
	default:
		row.State = stateDone
	}
	return row
}

func compareRows(a, b fileRow) int {
	return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Key, b.Key))
}

func writeTable(w io.Writer, rows []fileRow) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "OFFSET\tSIZE\tLAG\tAGE\tSTATE\t  SOURCE")
	for _, r := range rows {
		size := "-"
		if r.Size >= 0 {
			size = fmt.Sprint(r.Size)
		}
		fmt.Fprintf(t, "%d\t%s\t%d\t%s\t%s\t  %s\n", r.Offset, size, r.Lag, age(r.Age), r.State, printable(r.Source))
	}
	return t.Flush()
}

// age writes seconds in the largest unit that fits: 5s, 3m, 2h, 4d.
func age(seconds int64) string {
	switch {
	case seconds < 60:
		return fmt.Sprintf("%ds", seconds)
	case seconds < 3600:
		return fmt.Sprintf("%dm", seconds/60)
	case seconds < 48*3600:
		return fmt.Sprintf("%dh", seconds/3600)
	default:
		return fmt.Sprintf("%dd", seconds/86400)
	}
}

// printable keeps control characters of file names away from the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// detail is what "registry show" says about one state.
type detail struct {
	fileRow
	Timestamp  time.Time         `json:"timestamp"`
	TTL        int64             `json:"ttl_nanoseconds"` // -1: kept for ever
	Type       string            `json:"type"`
	Inode      uint64            `json:"inode"`
	Device     uint64            `json:"device"`
	Identity   string            `json:"identity"`
	Birth      int64             `json:"birth_nanoseconds,omitempty"`
	Meta       map[string]string `json:"meta,omitempty"`
	Generation string            `json:"generation,omitempty"`
	PrefixHash string            `json:"prefix_hash,omitempty"`
	PrefixLen  int64             `json:"prefix_length,omitempty"`
	Cleaner    string            `json:"cleaner"` // what the cleaner would do, and why
}

// show prints all states of a file.
func (a *app) show(ctx context.Context, o registryFlags, name string) error {
	where, cfg, err := a.locate(o.path)
	if err != nil {
		return err
	}
	view, err := where.read(a.stderr)
	if err != nil {
		return err
	}
	found, err := statesOf(view, name)
	if err != nil {
		return err
	}
	limit := cleaner.DefaultConfig().OlderThan
	if cfg != nil {
		limit = cfg.Cleaner.OlderThan
	}
	options := gateway.CleanOptions(limit, nil)
	options.DryRun = true
	report, err := cleaner.Clean(ctx, view.States(), options)
	if err != nil {
		return err
	}
	details := make([]detail, len(found))
	for i, s := range found {
		details[i] = detailOf(s, &report)
	}
	if o.json {
		return json.NewEncoder(a.stdout).Encode(details)
	}
	for i, d := range details {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		if err := d.writeText(a.stdout); err != nil {
			return err
		}
	}
	return nil
}

func detailOf(s registry.State, report *cleaner.Report) detail {
	d := detail{
		fileRow: rowOf(s), Timestamp: s.Timestamp, TTL: int64(s.TTL), Type: s.Type, Inode: s.Inode, Device: s.Device,
		Identity: s.ID, Birth: s.Birth, Meta: s.Meta, Generation: s.Generation, PrefixHash: s.PrefixHash, PrefixLen: s.PrefixLen,
	}
	for _, c := range report.Files {
		if c.Key != s.Key || c.Source != s.Source {
			continue
		}
		switch c.Result {
		case cleaner.WouldDelete:
			d.Cleaner = "would delete it"
		default:
			d.Cleaner = string(c.Result) + ": " + c.Reason
		}
	}
	return d
}

func (d *detail) writeText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	ttl := "kept for ever"
	switch {
	case d.TTL == -2:
		ttl = "not claimed by an input since the start"
	case d.TTL >= 0:
		ttl = time.Duration(d.TTL).String()
	}
	for _, field := range [][2]any{
		{"source", printable(d.Source)}, {"key", printable(d.Key)}, {"state", d.State},
		{"offset", d.Offset}, {"size", d.Size}, {"lag", d.Lag},
		{"changed", fmt.Sprintf("%s (%s ago)", d.Timestamp.Format(time.RFC3339), age(d.Age))}, {"ttl", ttl}, {"type", d.Type},
		{"inode", d.Inode}, {"device", d.Device}, {"identity", printable(d.Identity)},
		{"generation", or(d.Generation, "derived")}, {"first bytes", or(d.PrefixHash, "no hash")}, {"hashed bytes", d.PrefixLen},
		{"cleaner", d.Cleaner},
	} {
		fmt.Fprintf(t, "%s:\t%v\n", field[0], field[1])
	}
	return t.Flush()
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

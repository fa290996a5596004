package demo

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// temp makes the temporary folders of a test's runs visible to it.
func temp(t *testing.T) string {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	return dir
}

func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	held, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range held {
		names = append(names, e.Name())
	}
	return names
}

func mustProve(t *testing.T, p Proof, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	if err := p.Err(); err != nil {
		t.Fatalf("not proved: %v\n%+v", err, p)
	}
	if p.Recorded != p.Published || p.Unique != p.Published || p.Shipped != p.Published || p.Received < p.Unique || p.Sealed < 1 {
		t.Errorf("the numbers don't agree: %+v", p)
	}
}

func TestRunProvesShipsCleansAndLeavesNothingBehind(t *testing.T) {
	dir := temp(t)
	p, err := Run(t.Context(), Options{Messages: 2000})
	mustProve(t, p, err)
	if p.Published != 2000 || p.Received != 2000 || p.Early {
		t.Errorf("%+v", p)
	}
	if p.Sealed < 10 {
		t.Errorf("only %d segments were sealed", p.Sealed)
	}
	if left := entries(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRunSurvivesChaos(t *testing.T) {
	temp(t)
	p, err := Run(t.Context(), Options{Messages: 3000, Chaos: true})
	mustProve(t, p, err)
	if p.Published != 3000 {
		t.Errorf("%+v", p)
	}
	if p.Received == p.Unique {
		t.Error("no window was sent again although acks were withheld")
	}
	if !strings.Contains(p.Notes, "2 acks withheld") {
		t.Errorf("notes: %s", p.Notes)
	}
}

func TestRunWithAFolderKeepsItWithoutSegments(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kept")
	p, err := Run(t.Context(), Options{Messages: 50, Dir: dir})
	mustProve(t, p, err)
	for _, name := range []string{"ca.pem", "sluice.log", "data/registry/filebeat/data.json"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if segments, _ := filepath.Glob(filepath.Join(dir, "spool", "*.log")); len(segments) > 0 {
		t.Errorf("segments are left: %v", segments)
	}
	if _, err := Run(t.Context(), Options{Messages: 50, Dir: dir}); err == nil || !strings.Contains(err.Error(), "is not empty; name a new one") {
		t.Errorf("a folder in use: %v", err)
	}
}

func TestSignalStopsSensorsAndTheRestIsProved(t *testing.T) {
	temp(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p, err := Run(ctx, Options{Rate: 500, meddle: func(events []any) []any {
		cancel() // the signal comes once readings arrive, however slow the machine
		return events
	}})
	mustProve(t, p, err)
	if !p.Early {
		t.Error("not marked as stopped early")
	}
	if p, err := Run(ctx, Options{Rate: 500}); err != nil || p.Published != 0 || p.Err() != nil {
		t.Errorf("stopped before the start: %+v, %v", p, err)
	}
}

func TestLossDoubleAndForeignEventAreFound(t *testing.T) {
	var victim event
	for want, meddle := range map[string]func([]any) []any{
		"1 of 100 published readings are lost": func(events []any) []any {
			return without(events, func(e event) bool {
				if victim.id == "" {
					victim = e
				}
				return e.id == victim.id
			})
		},
		"readings arrived under a second id": func(events []any) []any {
			for _, e := range events {
				if e, ok := e.(event); ok {
					e.id += "x"
					return append(events, e)
				}
			}
			return events
		},
		"was never published": func(events []any) []any {
			return append(events, event{"x", "/feeds/0/temp", humid(12345)})
		},
	} {
		t.Run(want, func(t *testing.T) {
			dir := temp(t)
			p, err := Run(t.Context(), Options{Messages: 100, meddle: meddle})
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Err(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("verdict: %v", err)
			}
			if len(entries(t, dir)) != 1 || !strings.Contains(p.Notes, dir) {
				t.Errorf("the folder is not kept for a look, or not named: %q", p.Notes)
			}
		})
	}
}

// without leaves out the events that lose names.
func without(events []any, lose func(event) bool) (rest []any) {
	for _, e := range events {
		if e, ok := e.(event); ok && lose(e) {
			continue
		}
		rest = append(rest, e)
	}
	return rest
}

func TestRunThatDoesNotMoveIsGivenUp(t *testing.T) {
	temp(t)
	_, err := Run(t.Context(), Options{Messages: 20, Patience: 300 * time.Millisecond, meddle: func(events []any) []any {
		time.Sleep(3 * time.Second) // ten times the patience: no ack, and no error
		return events
	}})
	if err == nil || !strings.Contains(err.Error(), "nothing has moved for 300ms") {
		t.Errorf("run: %v", err)
	}
}

func TestSecondSignalAborts(t *testing.T) {
	temp(t)
	abort := make(chan struct{})
	close(abort)
	_, err := Run(t.Context(), Options{Rate: 1, Abort: abort})
	if err == nil || !strings.Contains(err.Error(), "aborted") || !strings.Contains(err.Error(), "is kept") {
		t.Errorf("run: %v", err)
	}
}

func TestWrongOptionsAreRefused(t *testing.T) {
	for want, o := range map[string]Options{
		"messages: -1 is negative":       {Messages: -1},
		"messages: 100000001 is too man": {Messages: maxNumber + 1},
		"rate: -1 is no rate":            {Rate: -1},
		"for: -1s is negative":           {For: -time.Second},
	} {
		if _, err := Run(t.Context(), o); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

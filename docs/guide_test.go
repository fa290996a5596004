package docs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// follow runs the blocks of the guide in the container, in their order, each in a
// shell of its own, as root in /root. It stops at the first that fails. What each
// has printed goes to the file results.
func follow(plan, results string) error {
	text, err := os.ReadFile(plan)
	if err != nil {
		return err
	}
	var all []block
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	out, err := os.Create(results)
	if err != nil {
		return err
	}
	defer out.Close()
	for _, b := range all {
		began := time.Now()
		said, err := try(b)
		fmt.Fprintf(out, "== %s:%d (%.1fs)\n%s", b.Page, b.Line, time.Since(began).Seconds(), said)
		if err != nil {
			fmt.Fprintf(out, "FAIL %s:%d: %v\n", b.Page, b.Line, err)
			return nil
		}
	}
	fmt.Fprintf(out, "done\n")
	return out.Sync()
}

// try runs a block until it prints what the page shows: a reader looks again, too.
// A file is written.
func try(b block) (said string, err error) {
	first := ""
	if b.File != "" {
		return "", os.WriteFile(b.File, []byte(b.Text), 0o640)
	}
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		ctx, end := context.WithTimeout(context.Background(), time.Minute)
		cmd := exec.CommandContext(ctx, "bash", "-e", "-o", "pipefail", "-c", b.Text)
		cmd.Dir, cmd.WaitDelay = "/root", time.Second
		out, err := cmd.CombinedOutput()
		end()
		if said = string(out); errors.Is(err, exec.ErrWaitDelay) {
			err = nil // a service that it has started holds the output
		}
		if lacks := missing(said, b.Want); err == nil && lacks != "" {
			err = fmt.Errorf("the output lacks %q", lacks)
		}
		if err == nil || b.Want == "" || time.Now().After(deadline) {
			return first + said, err
		}
		if first == "" {
			first = said + "-- and at last:\n"
		}
	}
}

//go:build !arm || demo

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/demo"
)

const demoHelp = `Run recorder, tailer and cleaner for real, in this process, between simulated
sensors with an MQTT broker and a simulated Logstash, all on loopback ports with
TLS; then prove by counting that no reading was lost and none doubled.

It needs no configuration, and leaves nothing behind. An interrupt stops the
sensors early; what they have published is still shipped and proved. A second
one gives up.

Exit status: 0 proved; 1 something was lost or, after de-duplication by event
id, doubled, or the demo could not run.`

// defaultDemoMessages are published when neither --messages nor --for is given.
const defaultDemoMessages = 10000

// demoFlags are the flags of sluice demo.
type demoFlags struct {
	demo.Options
	json, quiet bool
}

func (a *app) demoCommand() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use: "demo", Short: "Run the whole way in one process and prove that nothing is lost", Long: demoHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("for") && !cmd.Flags().Changed("messages") {
				f.Messages = 0
			}
			return a.demo(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Int64Var(&f.Messages, "messages", defaultDemoMessages, "publish `N` readings; 0: no limit (the default with --for)")
	flags.Float64Var(&f.Rate, "rate", 0, "publish `R` readings per second; 0: as fast as possible")
	flags.DurationVar(&f.For, "for", 0, "publish for a `DURATION` such as 30s; 0: no limit")
	flags.BoolVar(&f.Chaos, "chaos", false, "kill and restart broker, receiver and the tailer's connection meanwhile")
	flags.StringVar(&f.Dir, "dir", "", "work in `FOLDER`, new or empty, and keep it; default: a temporary one")
	flags.BoolVar(&f.json, "json", false, "print the proof as JSON, in the last line of standard output")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "no progress, and no table")
	return cmd
}

// demo runs the demo and prints its proof.
func (a *app) demo(ctx context.Context, f demoFlags) error {
	if !f.quiet && isTerminal(a.stderr) {
		f.Progress = a.stderr
	}
	abort, stop := secondSignal(ctx)
	defer stop()
	f.Abort = abort
	proof, err := demo.Run(ctx, f.Options)
	if err != nil && proof == (demo.Proof{}) {
		return err // nothing has run
	}
	if err == nil {
		err = proof.Err()
	}
	if printErr := a.printProof(proof, f); printErr != nil {
		return printErr
	}
	return err
}

// printProof prints the table, and with --json the last line.
func (a *app) printProof(proof demo.Proof, f demoFlags) error {
	table := a.stdout
	if f.quiet {
		table = io.Discard
	}
	if err := proof.WriteTable(table); err != nil {
		return err
	}
	if !f.json {
		return nil
	}
	line, err := json.Marshal(proof)
	if err != nil {
		return fmt.Errorf("encode the proof: %w", err)
	}
	_, err = fmt.Fprintf(a.stdout, "%s\n", line)
	return err
}

// oneSignal is how long signals count as the same one: timeout(1) sends its
// signal to the process, and then to the group that the process is in.
const oneSignal = 500 * time.Millisecond

// secondSignal returns a channel that is closed by a signal after the one that
// has ended ctx.
func secondSignal(ctx context.Context) (<-chan struct{}, func()) {
	abort := make(chan struct{})
	signals := make(chan os.Signal, 1)
	done := make(chan struct{})
	stopped := context.AfterFunc(ctx, func() {
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
		defer signal.Stop(signals)
		first := time.Now()
		for {
			select {
			case <-signals:
				if time.Since(first) >= oneSignal {
					close(abort)
					return
				}
			case <-done:
				return
			}
		}
	})
	return abort, func() { stopped(); close(done) }
}

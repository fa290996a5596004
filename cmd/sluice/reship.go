package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"sluice/internal/gateway"
)

const reshipHelp = `Send the documents of the dead-letter file (dead_letter.path) to the output, after
its cause has been mended, such as the type of a field in the index template. It may
run beside the tailer. Documents keep their ids: one that is sent twice is stored
once.

What is refused again goes back into the file. What was not tried, since the server
is away, stays in FILE.reship, and the next reship begins with it.

Exit status: 0 all are acknowledged; 1 some are not.`

type reshipFlags struct {
	file         string
	list, asJSON bool
}

func (a *app) reshipCommand() *cobra.Command {
	var f reshipFlags
	cmd := &cobra.Command{
		Use: "reship", Short: "Send what the server had refused again", Long: reshipHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.reship(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.file, "file", "", "send those of `FILE`; default: dead_letter.path")
	flags.BoolVar(&f.list, "list", false, "print time and reason of each document, and send nothing")
	flags.BoolVar(&f.asJSON, "json", false, "print the counts as one JSON object")
	return cmd
}

func (a *app) reship(cmd *cobra.Command, f reshipFlags) error {
	sections := []string{"dead_letter"}
	if !f.list {
		sections = append(sections, "output", "compatibility")
	}
	cfg, err := a.load(sections...)
	if err != nil {
		return err
	}
	path := f.file
	if path == "" {
		path = gateway.DeadLetterPath(cfg)
	}
	if path == "" {
		return errors.New("dead_letter.path is empty, so there is no dead-letter file; name one with --file")
	}
	if f.list {
		return listDeadLetters(a.stdout, path)
	}
	if err := cfg.CheckOutputFiles(); err != nil {
		return err
	}
	report, err := gateway.Reship(cmd.Context(), cfg, path, zerolog.Nop())
	if printErr := printReship(a.stdout, report, f.asJSON); err == nil {
		err = printErr
	}
	if err == nil && report.Refused+report.Unreadable > 0 {
		return fmt.Errorf("%d documents are still in %s; see their reasons with: sluice reship --list", report.Refused+report.Unreadable, path)
	}
	return err
}

func printReship(w io.Writer, r gateway.ReshipReport, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	_, err := fmt.Fprintf(w, "%d sent, %d refused again, %d unreadable, %d left\n", r.Sent, r.Refused, r.Unreadable, r.Left)
	return err
}

// longestMessage bounds what a list shows of a document, in bytes.
const longestMessage = 100

func listDeadLetters(w io.Writer, path string) error {
	n := 0
	var printed error
	err := gateway.ListDeadLetters(path, func(at time.Time, reason string, doc []byte) {
		n++
		var d struct {
			Message *string `json:"message"`
		}
		text := string(doc)
		if json.Unmarshal(doc, &d) == nil && d.Message != nil {
			text = *d.Message
		}
		if len(text) > longestMessage {
			text = text[:longestMessage] + "…"
		}
		if _, err := fmt.Fprintf(w, "%s  %s\n    %q\n", at.Format(time.RFC3339), reason, text); err != nil && printed == nil {
			printed = err
		}
	})
	if err == nil && n == 0 {
		_, printed = fmt.Fprintf(w, "there are no dead letters in %s\n", path)
	}
	return errors.Join(err, printed)
}

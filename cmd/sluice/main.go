// Command sluice is an industrial data gateway: it records MQTT messages and
// serial lines to disk, ships the lines of files to Logstash or Elasticsearch until
// they are acknowledged, and deletes what is acknowledged.
//
// Called filebeat (a link to the program, or "sluice filebeat"), it takes
// Filebeat's commands and flags, finds its files where Filebeat does, and logs
// as Filebeat does: filebeat.go, flags.go and log.go.
//
// main only maps the outcome to an exit status; run does the work and can be
// tested. Each subcommand has a file of its own; commands lists them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"sluice/config"
)

// Exit statuses. Filebeat's are 0 and 1 alone; what checks them keeps working.
const (
	exitOK          = 0   // done; also a service that was stopped by SIGTERM, SIGINT or SIGHUP
	exitFailed      = 1   // wrong usage, wrong configuration, or a failure at run time
	exitInterrupted = 130 // stopped by such a signal before a single task was done
)

// exitTable is part of the help text and of the manual.
const exitTable = `Exit status:
  0    done; also a service that was stopped by SIGTERM, SIGINT or SIGHUP
  1    failed: wrong usage, wrong configuration, or an error at run time;
       standard error says which
  130  interrupted by such a signal before the task was done`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), stopSignals()...)
	code := run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// stopSignals are those that stop a command in good order. SIGHUP, a lost
// terminal, is one of them as with Filebeat, unless nohup has it ignored.
func stopSignals() []os.Signal {
	list := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		list = append(list, syscall.SIGHUP)
	}
	return list
}

// run executes one command line, the program's name first, and returns its
// exit status.
func run(ctx context.Context, argv []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{program: argv[0], stdin: stdin, stdout: stdout, stderr: stderr}
	var err error
	if filepath.Base(a.program) == config.Filebeat.String() {
		err = a.filebeat(ctx, argv[1:])
	} else {
		err = a.execute(ctx, a.root(), argv[1:])
	}
	if err == nil {
		return exitOK
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		fmt.Fprintf(stderr, "%s: interrupted\n", a.brand)
		return exitInterrupted
	}
	a.explain(err)
	return exitFailed
}

// explain prints why a command failed.
func (a *app) explain(err error) {
	var silent silentError
	var faults config.Errors
	switch {
	case errors.As(err, &silent):
	case a.brand == config.Filebeat:
		fmt.Fprintln(a.stderr, a.filebeatError(err))
	case errors.As(err, &faults):
		fmt.Fprintln(a.stderr, faults) // one line each: file, line, column, option, fault
	default:
		fmt.Fprintf(a.stderr, "sluice: %s\n", oneLine(err.Error()))
	}
}

// oneLine writes cobra's suggestion for a misspelt command behind its error,
// and several joined errors behind each other.
func oneLine(text string) string {
	text, near, found := strings.Cut(text, "\n\nDid you mean this?\n")
	if found {
		return text + "; did you mean " + strings.Join(strings.Fields(near), " or ") + "?"
	}
	return strings.ReplaceAll(text, "\n", "; ")
}

// silentError fails a command that has already said why.
type silentError struct{}

func (silentError) Error() string { return "failed" }

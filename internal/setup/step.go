package setup

import (
	"context"
	"io/fs"
	"time"
)

// Step is one thing that must hold after a setup.
type Step interface {
	do(ctx context.Context, s *Session) (report, error)
}

// report is what a step has done, or in a dry run would do.
type report struct {
	verb    string
	line    string
	detail  string // shown below the line in a dry run
	changed bool
}

// Owner is who a file belongs to. The zero value is root:root.
type Owner struct {
	User, Group string
}

func (o Owner) names() (user, group string) {
	user, group = o.User, o.Group
	if user == "" {
		user = "root"
	}
	if group == "" {
		group = "root"
	}
	return user, group
}

// String returns user:group.
func (o Owner) String() string {
	user, group := o.names()
	return user + ":" + group
}

// Dir is a folder. Missing parents are made with mode 755 for root.
type Dir struct {
	Path  string
	Mode  fs.FileMode
	Owner Owner
}

// File is a file with this content, mode and owner.
type File struct {
	Path    string
	Content []byte
	Mode    fs.FileMode
	Owner   Owner
	// Secret keeps the content out of a dry run.
	Secret bool
	// Keep leaves the content of a file that is there already; mode and owner
	// are set.
	Keep bool
	// NoBackup replaces without a copy of the old content: for what is made from
	// other files, or may not stay, such as a withdrawn key.
	NoBackup bool
}

// Command is a command that must have run.
type Command struct {
	Args []string
	// Stdin is given to it, and never shown.
	Stdin []byte
	// Env is added to the environment, NAME=value each.
	Env []string
	// Why is shown behind the command.
	Why string
	// Timeout bounds it; 0: 2 minutes.
	Timeout time.Duration
	// IfChanged runs it only when a step before it has changed something.
	IfChanged bool
}

// Check is an attempt. What says what is tried; Try says what came of it, or why
// that is not right.
type Check struct {
	What string
	Try  func(ctx context.Context) (string, error)
}

// Note is a line for the reader, such as what is left to do by hand.
type Note string

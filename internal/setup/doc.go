// Package setup turns a bare machine into a gateway, its broker, or its server:
// what "sluice setup" does.
//
// # Nouns
//
//   - Step: one thing that must hold afterwards: a folder (Dir), a file (File),
//     a command that has run (Command), an attempt that was refused or went well
//     (Check), or a line for the reader (Note).
//   - Session: does steps in their order, tells each in a line, and stops at the
//     first that fails.
//   - kept: a file that setup makes and a person may edit; see gatewaykept.go.
//   - object: what a server keeps under a name; it is read, compared, and put if it
//     differs (serverobject.go).
//   - root: the folder that stands for /, as with systemctl --root. It is for
//     images and tests; commands and checks are not run there.
//
// # Rules
//
//   - Every setup can be run again: a step that holds already is told as "same"
//     and changes nothing; Session.Changed tells whether anything did.
//   - A file is replaced whole, after a copy of the old one was made beside it:
//     NAME.bak-20261125T105335Z, with its mode and owner.
//   - A secret is created with its final mode, is never printed, and is never on
//     a command line.
//   - --dry-run does no step, and prints each, files with their content.
//
// The functions that make the content of files (vpn.go, …) know nothing of
// steps: they take values and return bytes.
package setup

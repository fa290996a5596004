// Package config reads the configuration of sluice: Filebeat's options under
// Filebeat's names, and our own.
//
// # Nouns
//
// An option is a leaf with a dotted name, such as output.logstash.worker. A
// section is a map of options, a setting is an option that a file gives. A
// file is one that was named by -c; an override is one -E key=value.
//
// # What a file may contain
//
// One YAML document (a second one after --- is ignored with a warning). Names
// may be nested or dotted, also mixed; both forms are merged. The parts of a
// dotted name may be the numbers of list entries (filebeat.inputs.0.type).
// Anchors, aliases and merge keys (<<) are understood; a top-level name that
// begins with x- may hold what anchors stand for, and is no option.
//
// Several files are merged in order, then the overrides: sections by name,
// lists entry by entry, everything else is replaced; an empty later value
// unsets an earlier one. An entry one past the end of a list is refused.
//
// In every text, ${NAME} is replaced by the setting of that name, else by the
// key of the keystore, else by the environment variable; a variable that is set
// but empty counts as missing. ${NAME:default} and ${NAME:?message} say what to do when it is
// missing, ${NAME:+text} gives text when it is there; $$ is a plain $, and $} a
// plain }. The path.* settings can be referred to even when no file gives them.
// A value with a reference is read as on the command line, once the references
// are replaced: a,b,c is a list, numbers and booleans are such, {a: b} is a
// section unless it is all of a variable, ${NAME}; a secret of the keystore is
// always a text.
//
// filebeat.config.inputs names more files, each with a list of inputs and with
// references of its own. InputFiles reads them, again when they change.
//
// # Values
//
//   - boolean: YAML 1.1: true, yes, on, y and their opposites, in any of the
//     usual cases; quoted ones are accepted where a boolean is wanted.
//   - number: decimal, 0x, 0b, 0o, and octal with a leading 0.
//   - duration: Go's form (1h30m, 250ms); a plain number is seconds.
//   - size: a number of bytes, or with a unit: kB, MB, GB, TB are powers of
//     1000, KiB, MiB, GiB, TiB powers of 1024; case does not matter.
//   - list: a single value counts as a list of one.
//   - text: unquoted, 0123 is 83 and yes is true, as in Filebeat. Secrets, the
//     options of TLS and our own ones are taken as written.
//   - anything (fields, the values of processors and conditions): unquoted, YAML
//     1.1 again: y and on are booleans, 017 is 15, 1e3 is 1000.0, a date is a
//     text; dotted names become sections.
//   - one of several kinds (an entry of processors or parsers, file_identity): a
//     section that holds one section, named as the kind.
//   - an empty value, ~ or null is the same as no setting.
//
// # Faults
//
// Load reports all faults at once, one line each:
//
//	sluice.yml:12:5: output.logstash.bulk_max_sise: unknown option; did you mean bulk_max_size?
//
// Unlike Filebeat we refuse unknown options and a name that is given twice.
// Options of Filebeat that sluice does not have are named in known.go: those
// without which events would differ are refused with what to do instead, those
// without effect are accepted with one warning each. Values of secret options
// (passwords, passphrases, inline keys) appear in no error and in no dump.
//
// # How it works
//
// parse turns a YAML document into a tree of nodes that know file, line and
// column; dotted names are expanded there. merge lays files and overrides over
// each other, expand resolves references, decode fills the Config by
// reflection over the struct tags
//
//	config:"name"          the option's name, dotted for a nested section
//	config:"name,bytes"    an integer that accepts sizes
//	config:",squash"       the fields of an embedded section
//
// and over the methods of the interfaces schema.Union (several kinds) and
// SetScalar (a section that may be one text),
//
// and at last each package's own Validate is asked; its faults are traced back
// to the line that holds the option.
package config

//go:generate go run ./internal/genref

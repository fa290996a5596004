// Package event holds one event as the parsers and processors of the tailer
// see it: a time, metadata, and a tree of fields.
//
// Lines that no parser and no processor changes never become an Event: they go
// into their document by a template (package tailer). So what is here may use
// maps, and does.
//
// # Values
//
// A field is nil, bool, string, int64, uint64, float64, time.Time, []any or
// map[string]any. The encoder also takes Go's other integers, []string and
// map[string]string, so that a processor may put them as they come.
//
// # Names
//
// A name is dotted: log.file.path. At each level a field whose own name holds
// the rest, dots included, comes first, and only then is the name cut at its
// first dot. The names @timestamp and @metadata lead to Time and Meta, and
// not into Fields.
package event

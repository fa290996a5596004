// Package processor changes events between the parsers and the output, as
// Filebeat's processors do.
//
// # Words
//
// A List is what a configuration holds under processors. Each Entry is one
// processor of some kind with its options (add_fields, dissect, …), or an if
// with two lists of more. A Condition (when, if) decides about one event.
//
// Compile makes of a List a Chain: regular expressions, networks, layouts and
// tokenizers are read once, then events only run through steps.
//
// # What a step may do
//
// A step changes the event in place, drops it, or fails. A failure never
// loses the event: it is logged at debug level. In the general list the next
// step sees the event as the failing one left it; an input's list, and those
// of then and else, end there, unless the processor's options ignore the
// failure (fail_on_error: false, ignore_failure). Which processors note their failure in
// error.message, and which undo what they had done, follows Filebeat 9 and
// stands at each.
//
// A chain may run in several goroutines at once, for different events: what a
// step keeps between events (rate_limit, add_host_metadata) is guarded.
//
// # How to add a kind
//
// Write its options as a struct that embeds Common and has config tags, with
// Validate and compile; and add a function that returns it with its defaults
// to coreKinds or restKinds. The doc comments become the reference file.
package processor

// Package parser turns the lines of a file into the lines that become events.
// It is what Filebeat calls multiline, json and the container format in the
// inputs log, container and stdin, and parsers in the input filestream.
//
// # Parts
//
// A Program is what the options of one input ask for, compiled. Each open file
// has a Chain of its own, made by Program.New: a row of steps, of which some
// change a line (ndjson, syslog), some drop lines (include_message, the stream
// of a container), and some hold them until more have come (multiline, and a
// container's line that was written in pieces). A line that leaves the last
// step goes to Emit.
//
// In the inputs log, container and stdin the order is fixed: container, json,
// multiline. In filestream it is that of the list. Last comes the limit of
// max_bytes (message_max_bytes): JSON is decoded, and lines are joined, before
// a line is cut. So a Chain wants lines that are not cut to that limit.
//
// # What may be acknowledged
//
// The lines of a Chain stay in their order. Line.End of an emitted line is the
// offset up to which nothing is held any more: who continues there after a
// crash gets every line again that was not emitted. It never covers a line that
// still waits in any step. Lines that were dropped are covered by the End of
// what comes next, or of a blank line that only tells how far the Chain is.
// Chain.Held is the start of the earliest waiting line.
//
// Lines wait for a multiline timeout (Chain.Deadline, Chain.Expire), or for
// ever: with multiline of type count, and in a container's file. What waits
// when the program stops is not sent; it is read again at the next start.
//
// # Fields
//
// What steps find beside the text stays with the Line until Line.Apply puts it
// into an event that has message, input and log. In filestream the fields log
// already has (offset, file) are there before any step runs, and so win over
// JSON without overwrite_keys, as in Filebeat. Of joined lines the fields are
// merged, later ones win; hence log.offset is in filestream that of the last
// line with text, in log that of the first line.
package parser

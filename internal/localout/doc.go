// Package localout writes documents on this machine: to rotating files
// (output.file) and to standard output (output.console). Like package logstash
// it knows documents, not events, and not who sends them.
//
// # Form
//
// A document is written by a codec: json, one document a line, the same text
// that Logstash would get, @metadata included; json with pretty, indented, the
// last line of each document being a lone }; or format, a format string filled
// in from the document (package formatstring), one text a line. A document that
// lacks a field of the format string can't be written; as in Filebeat it is
// left out with a warning.
//
// # Acknowledgement
//
// A document is acknowledged when it is safe: in a file, when it is written
// and fsynced, the name of a new file too, one fsync a window; on the console,
// when all its bytes are written. As long as that can't be, because the disk is
// full or a folder is missing, the same window is tried again with a growing
// wait, at first after 1s, later every 30s. The first failure is logged, and when it works again.
// Nothing is lost meanwhile: what is not acknowledged is still in the files
// that are read.
//
// # Half documents
//
// A document that a full disk has taken in part is cut off at once. What was
// written in part when the process or the machine stopped is cut off at the
// next start. On the console the rest follows as soon as it can. So no line is
// damaged, but after a crash documents may be there twice: those that were
// written and not yet recorded as acknowledged.
//
// # A console without a reader
//
// When the reader of standard output goes away, the system ends the process
// (SIGPIPE), as with any program in a pipe. Where that signal is ignored, as
// under systemd, Broken tells it, and the process is to end: nobody will
// acknowledge anything any more.
package localout

// Package logfile writes lines to rotating files, as Filebeat's logging.files
// and output.file do: a File those of a log, which may be lost, an Appender
// records that may not.
//
// # Names
//
// The file that is written is the newest: NAME-YYYYMMDD.ndjson with the local
// date of its first line, then NAME-YYYYMMDD-1.ndjson, NAME-YYYYMMDD-2.ndjson
// and so on. No file is ever renamed, so that what follows the log never sees
// a file change its name. Files sort by date, then by number.
//
// # Rotation
//
// A new file is started by the line that would make the file larger than
// rotateeverybytes, by the first line of a new interval, and at Open
// (rotateonstartup). A line is never cut: one that is larger than
// rotateeverybytes gets a file of its own. After each rotation all but the
// newest keepfiles files beside the written one are deleted. Only files of
// this form of name are counted and deleted.
//
// # When the disk is full
//
// A log must not stop what it tells about. Write never reports an error: a
// line that can't be written is dropped and counted, and the next one tries
// again, at most once a second, also to make the folder and the file anew when
// somebody has removed them. When writing works again, a line tells how many
// are missing. A half-written line is ended, so that the next one is whole.
//
// An Appender is for what must not be lost: it reports how many records are on
// disk and fsynced, cuts off what was written in part, also at the next start,
// and leaves the rest to the caller. It locks the file that it writes (flock),
// so that two processes with the same names do not write into one file.
package logfile

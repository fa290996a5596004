// Package tailer follows files and ships their lines, each at least once and
// in the order of the file, to an Output.
//
// # Nouns
//
//   - An input is a configured set of globs with its options (InputConfig).
//   - A scan looks at all paths of an input. It is the truth about files;
//     notifications of the system (fsnotify) only make it sooner.
//   - A file is one inode that an input follows. Idle, it is a small struct:
//     no goroutine, no open handle beyond a cache of 128.
//   - A harvester is the reader of an open file. Standard input is one, too.
//   - An event is one line plus metadata, encoded once as a JSON document
//     straight into a batch.
//   - A lane is one connection with its batches and files; two goroutines:
//     read fills batches, ship sends them and commits what is acknowledged.
//   - A span is the part of a batch that stems from one file.
//
// # The way of a line
//
//	scan/notify ─► ready ring of the lane ─► harvest: ReadAt, cut at line ends,
//	filter, encode into the batch ─► full, or flush timeout ─► ship: Conn.Send
//	─► Conn.Acks: n more documents ─► span by span: file.commit(offset)
//	─► registry.Commit ─► (Maintain) registry.Sync
//
// Lines of an input with parsers (multiline, JSON, container, syslog) or
// processors take the slow way (slow.go): through its parser.Chain, which may
// join, split and hold lines, and as an event.Event, a tree of fields, through its
// processors and the general ones. A line that a chain holds is acknowledged by
// nobody: the offset stays at its start. All other lines never become a tree.
//
// Nothing travels back to the reader. When the connection is lost, ship sends
// the unacknowledged documents again from the batches, byte for byte the same.
// A lane holds BatchesInFlight+1 batches and no more: when all are full, the
// reader waits, and the files are the queue.
//
// # Two offsets
//
// The read offset is the next byte to read; it lives in memory. The offset is
// the byte after the last acknowledged line; it lives in the registry. After
// any crash reading goes on at the offset.
//
// # Identity
//
// By what a State is found again is the input's file_identity, as in Filebeat:
// device and inode (native), a hash of the first 1,024 bytes (fingerprint; until
// a file has as many, and for the second of two files with the same, native), the
// path, or the inode and a marker file. A State of another identity, type or input
// id is adopted, so that none of these changes sends anything again.
//
// Whatever the identity, a file is device and inode, its birth time where the file system knows one,
// and a hash of its first bytes (xxhash64) that grows with the file up to
// 1,024 bytes: small files are shipped at once, identical files stay two, and
// an inode that is used anew is seen. The hash is checked whenever a file is
// opened. A file found shorter than its offset has been truncated and is read
// from the start, unless at least its first bytes are provably the same when it is
// opened for the first time after a start: then a power cut took its tail, and
// reading goes on at its end.
//
// A file is opened when it is found, up to 512 of them, and followed by its
// inode when it is renamed, also out of its input's paths (unless close_renamed
// is set): what is rotated away before its turn is still read to its end.
// Inputs of type filestream follow files for themselves, each with its own
// States and ids; inputs of type log share theirs, and the first one that
// matches a file follows it.
//
// An input of type mqtt follows the segments that a recorder in the same
// process writes of a broker's messages (mqtt.go). Each record becomes an event
// as Filebeat's mqtt input makes it, and a segment is removed once it is sealed
// and acknowledged to its last byte. No other input follows these segments.
//
// Every event carries @metadata._id: the file's generation id, a dash, and the
// offset of the line's first byte. The generation id is 64 bits in base 62,
// derived from agent id, the input's name space, device, inode, birth time and
// first line, so that it is the same after any crash. Where it could not be derived again (no birth time,
// a truncated file, a first line cut before its end) it is drawn at random and
// made durable before the first line leaves.
//
// # Known losses and repeats
//
//   - Lines written to a file that is removed within the time between two
//     looks, while its handle was closed (more than 128 idle files are open).
//   - A file that is made and removed, or made and renamed to a name that no
//     input matches, within one look (some milliseconds; longer on a machine
//     that is overloaded) is not seen.
//   - copytruncate by another program loses what is written between its copy
//     and its truncation; a file truncated and refilled past the read offset
//     between two looks is not seen as truncated if its first bytes are equal.
//   - A file that is created, shipped, truncated and begun again with the same
//     first line, all within registry.flush before a crash, gets the same
//     generation id again: its new lines are taken for copies of the old ones.
//   - Files whose first 1,024 bytes are equal: a new one whose name begins with
//     that of a truncated one is taken for its copy, and by fingerprint, one
//     that comes as another goes is taken for it. By path, one that takes the
//     place of another is read on where that was left if it begins as that did
//     up to there, and at most for 1,024 bytes.
//   - A file whose State a crash has lost, and that is copied and truncated, or
//     compressed, before it is read again: the copy is sent under new ids.
//   - An input's id that changes within registry.flush before a crash: lines
//     since the last Sync are sent again under new ids.
//   - A last line without line feed is not sent.
//   - When a power cut took the tail of another program's file, lines that were
//     written after the boot but before the tailer's start, and lie before the
//     old offset, are not sent. Segments are not concerned: the recorder never
//     appends to one after a crash.
//   - After a crash the lines since the last Sync are sent again, with equal
//     ids. Their @timestamp is the time of the new reading: an index named
//     after the day of reading can hold such a line twice across midnight.
//     (The pipeline for recorded MQTT messages takes the time from the line.)
//   - A power cut of the machine that writes a file may take lines that were
//     already shipped: the index then holds more than the disk.
package tailer

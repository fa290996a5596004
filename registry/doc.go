// Package registry keeps, for each file, the offset up to which it is
// acknowledged, in Filebeat's own format of 7.9 and later.
//
// # Nouns
//
//   - State: what is known of one file; its key is Filebeat's.
//   - entry: a State in memory and as it is on disk; the two differ from Commit
//     until Sync.
//   - operation: a change in log.json (set or remove), numbered by its id.
//   - checkpoint: all entries at one id, in <id>.json.
//   - snapshot: data.json, all States as the readable array of Filebeat 7.6.
//   - foreign entry: one whose key is neither a log input's nor a filestream's
//     (journald, httpjson, …); kept as it is, in no list of States.
//
// # Guarantees
//
//   - What Sync returned nil for is there after any crash. Durable tells it,
//     and never runs ahead of the disk. The snapshot never does either.
//   - A Sync writes one operation for each changed State, however often it was
//     committed: one write, one fsync. A State that did not change, or came back
//     to its durable value, writes nothing.
//   - After a failed write (full disk, I/O error) everything stays pending,
//     log.json is cut back to its last good operation, the next Sync tries
//     again. After an I/O error that Sync writes a checkpoint, a new file,
//     instead of appending.
//   - Open never fails because of what the files hold, but for a version from
//     the future. What cannot be read is set aside as <file>.bad-<time> and
//     never deleted; the newest good state is used:
//     the newest checkpoint that is whole, then log.json up to its first damage
//     (also a gap in the ids: what follows may be an older run's). When the base
//     of log.json is lost, data.json takes its place, under log.json and over
//     what could be read of the bad checkpoint. When log.json is damaged (not
//     merely torn), files that only data.json knows are added from it. A value
//     that cannot be read (an offset that is no number) leaves its key's earlier
//     one.
//   - Filebeat can take the folder back at any time: it ignores our scalars,
//     data.json and *.bad-*.
//
// # Known losses
//
//   - A crash loses what was committed after the last Sync (Flush): those lines
//     are sent again.
//   - data.json has no generation, birth, prefix_hash, foreign entries and unknown
//     fields: where it is all that is left, those are gone.
//   - Filebeat drops generation, birth, prefix_hash and prefix_length of the States
//     that it writes.
//   - Bytes of a path that are not UTF-8 become U+FFFD, as everywhere in JSON.
//
// # Files
//
// Below path.data: meta.json {"uuid":"<uuid>","first_start":"<RFC 3339>"}, the
// agent's identity, and filebeat.lock, flocked while open, when it holds
// {"pid":1,"write_time":"<RFC 3339>"}; else it is empty. In
// <registry.path>/filebeat:
//
//	meta.json        {"version":"1"} ("0": data.json is the store; Open changes that)
//	log.json         operations since the checkpoint, each two lines:
//	                 {"op":"set","id":12}\n{"k":"<key>","v":{…}}\n
//	                 {"op":"remove","id":13}\n{"k":"<key>"}\n
//	                 The id grows by 1 and is never reset. Ids up to the
//	                 checkpoint's are passed over.
//	<id>.json        checkpoint: [\n{"_key":"<key>",<fields>},\n…\n]
//	active.dat       the checkpoint's absolute path, no newline (informational)
//	data.json        snapshot
//	checkpoint.new, *.new   unfinished replaces, removed by Open
//	*.bad-<time>     set aside
//
// Value of a log input, key filebeat::logs::<id>; meta only if not empty:
//
//	{"id":"native::<inode>-<device>","prev_id":"","identifier_name":"native",
//	 "source":"/path","offset":9,"timestamp":[<extra>,<seconds>],"ttl":-1,
//	 "type":"log","FileStateOS":{"inode":1,"device":2},"meta":{"stream":"stdout"},
//	 "generation":"…","birth":"1795290219155000000","prefix_hash":"…","prefix_length":1024}
//
// Value of a filestream, key filestream::<input id>::<identity>; cursor is null
// before the first acknowledged line:
//
//	{"ttl":-1,"updated":[<extra>,<seconds>],"cursor":{"offset":9},
//	 "meta":{"source":"/path","identifier_name":"native"},
//	 "native":"<inode>-<device>" (if that is not the identity),
//	 "generation":"…","birth":"1795290219155000000","prefix_hash":"…","prefix_length":1024}
//
// Where a log input's files have meta, the id begins with a hash of it:
// <hash>-native::<inode>-<device>. Later Filebeats of version 9 hash otherwise;
// a key stays as it is (NewerLogKey). A filestream that takes one stream of
// containers' logs has that at the end: native::<inode>-<device>-stdout.
//
// The last four are ours and left out when empty: scalars, since a nested
// object would make Filebeat drop the State. Fields that we do not know are
// kept, in value, meta and (while the offset stays) cursor. Timestamps: extra =
// nanoseconds | zone offset in minutes, as uint16, -1 for UTC, << 32; on reading
// RFC 3339 strings too. ttl in nanoseconds; -1, -2 and 0 as in State.TTL.
//
// data.json, sorted by source; "_key" only where the key does not follow from
// inode, device and meta (filestreams and other identities):
//
//	[{"source":"/path","offset":9,"timestamp":"<RFC 3339>","ttl":-1,"type":"log",
//	  "meta":null,"FileStateOS":{"inode":1,"device":2}},…]
//
// # Order of writes
//
// On a full disk Open reads and uses what is there; what it could not write
// (meta.json, a repair) the next Sync writes first.
//
// Checkpoint: checkpoint.new, fsync, rename to <id>.json, fsync the folder; then
// log.json is emptied, active.dat replaced, older checkpoints are deleted. Until
// the rename the old checkpoint and log.json count, after it their ids are
// passed over. Repair at Open: checkpoint first (when the states are not what
// the good files say), then the bad files go aside, then log.json is cut.
//
// # Write budget
//
// log.json: one operation (about 330 bytes) for a changed State each Flush, so
// under 70 B/s for one busy file, however many there are. It is replaced by a
// checkpoint at 10 MiB (Filebeat's bound), or earlier, at the larger of 64 KiB
// and 20 times the size of all States: about 5 % more writing, until some 1,600
// files make 10 MiB the earlier bound.
//
// data.json: while SnapshotBudget lets it be written every 9 s (with the default
// up to 36 kB, some 200 files) it is never older than 10 s. A larger one waits
// size/SnapshotBudget seconds, and, as long as log.json has grown by less than
// half its size meanwhile, up to 8 times that: 1,000 files with one line a
// second cost 0.6 kB/s in all.
package registry

// Package recorder turns messages from an MQTT broker into lines of numbered
// files, and acknowledges a message only when its line is on disk.
//
// # Nouns
//
//   - source: where records come from; here one MQTT 3.1.1 session
//     (mqttSource). A serial port is another implementation of source.
//   - record: one payload with its topic, time and flags (Record).
//   - queue: records that wait for the disk, bounded in bytes and number.
//   - group: the records that are made durable together (the group commit).
//   - segment: one file of lines. The active one is being written; a sealed one
//     is never written again and ends in a newline.
//   - series: the numbered segments of one source.
//   - spool: the folder of all series.
//   - link: the network connection below the MQTT library.
//   - redelivery table: which message ids are in the segments already.
//
// One goroutine per source, one writer per series, one that keeps the
// connection alive, and those of the MQTT library.
//
// # Guarantees
//
//   - A QoS 1 or 2 message is acknowledged (PUBACK, PUBREC) after its line and
//     its slot in the redelivery table are fsynced, and in the order in which
//     messages came. A crash or power cut at any instant loses no acknowledged
//     message.
//   - A message that the broker delivers again because its acknowledgement got
//     lost is acknowledged and not recorded twice; see "Redelivery" for what
//     that takes. Equal readings in a row stay as many as they were.
//   - A full or failing disk acknowledges nothing. The error is logged once and
//     shown in the Status; the queue fills up, the link stops reading, the
//     broker keeps the messages, the connection stays up; recording resumes by
//     itself.
//   - One record is one line, whatever bytes it holds, and topic and payload can
//     be read back byte for byte (formats that cut or leave them out excepted).
//   - Memory is bounded: the queue, plus a handful of messages that the MQTT
//     library has read, plus one group; a payload above max_payload is cut
//     before it is in memory.
//
// # Known losses and limits
//
//   - QoS 0 messages that are under way at a crash, a stop, or a lost connection.
//   - What the broker drops: Mosquitto queues 1,000 messages for a client
//     (max_queued_messages) and none of QoS 0 while it is away, and keeps its
//     state in memory for 30 minutes (autosave_interval) unless told otherwise.
//   - Mosquitto's acl_file can't refuse a subscription: it grants it and delivers
//     nothing. silence_timeout makes that visible.
//   - Topics with several brokers (hosts): sessions are told apart by the address
//     in the configuration. In a cluster that shares them, what another node
//     delivers again is recorded again, with duplicate set.
//   - A disk that confirms an fsync and loses the data can't be helped.
//   - A segment whose unconfirmed end can't be cut off after an I/O error (three
//     attempts) is left with it: lines of the failed group may appear twice.
//
// # Order of a group commit
//
// A group is complete 20 ms (commit_interval) after its first record came, at 1
// MiB (commit_bytes), or when at least 8 records wait and none came for 1 ms:
// then a broker with its limit of messages in flight reached is waiting for us.
// Few records a second thus cost at most 50 commits a second, many are committed
// as fast as the disk can. Then, in this order:
//
//  1. if the active segment is full, over or damaged: cut it to its confirmed
//     size and close it;
//  2. write the group's slots into the redelivery table, with the segment and
//     the offset where each line will end; fdatasync;
//  3. if there is no active segment: write NAME.spool.json with the next number
//     and the new name (temporary file, fsync, rename, fsync of the folder),
//     create the segment, fsync the folder;
//  4. write the lines at the end of the segment; fsync;
//  5. acknowledge all records, in order, in one write to the socket.
//
// A crash before 4 is complete leaves slots that claim more than their segment
// holds; the next start clears them (see "Start"), so that the records, which
// the broker delivers again, are recorded. A crash between 4 and 5 leaves slots
// that tell the truth, so that they are only acknowledged.
//
// An error in 1 to 4 is retried from 1 after 0.1 s, growing to 10 s. With a full
// disk (ENOSPC, EDQUOT) the segment goes on where it was confirmed. After every
// other error, a failed fsync above all, the page cache is not trusted: the
// segment is cut to its confirmed size and sealed, and the whole group is written
// again into a new one.
//
// # Files
//
// Of the series NAME, in the spool's folder (0750; files file_permissions, 0640):
//
//	NAME-0000000042.log   segment number 42: lines, each ending in "\n"
//	NAME.spool.json       {"version":1,"series":"NAME","next":43,"active":"NAME-0000000042.log"}
//	NAME.session.json     broker sessions, see below
//	NAME.inflight         the redelivery table, see below
//	NAME.lock             flocked by the recorder; holds its process id
//
// Numbers have ten digits, grow by one or more, and never come twice. The first
// record makes a segment; no empty one is left behind. A segment is sealed at
// max_bytes, when its period of rotate_every ends (also if nothing comes: then
// it can be shipped and cleaned), and at a stop. active names the segment that
// may still be written, "" says none; the recorder holds a flock on it. Sealed
// reads this. "nul":true says that the format writes NUL bytes on purpose.
//
// # Start
//
// The segments from active (or, without a readable NAME.spool.json, from the
// highest number) on were open. Each is cut after its last newline, or before
// the line with the first NUL byte, which is what pages read as that a power cut
// left unwritten; then it is fsynced. Slots that claim more than such a segment
// holds are cleared, durably. Only then NAME.spool.json declares all of them
// sealed. An unreadable state file is set aside (NAME.spool.json.bad-TIME,
// NAME.session.json.bad) and made anew.
//
// # Redelivery
//
// NAME.inflight has 32,768 slots of 32 bytes, 1 MiB, written once in full and
// then only overwritten in place, so that it works on a full disk. The record
// with sequence number s (1, 2, …; QoS 1 and 2, and retained ones of QoS 0) has
// slot s mod 32,768. All numbers are little-endian:
//
//	offset 0   8  sequence number
//	       8   8  xxHash64 of topic, NUL, original length (8 bytes), payload as kept
//	      16   4  number of the segment
//	      20   4  offset in it where the line ends, newline included
//	      24   2  MQTT message id; 0 with QoS 0
//	      26   1  bits 0-1 QoS, bit 2: it came with DUP
//	      27   1  index of the session in NAME.session.json
//	      28   4  CRC-32C of bytes 0 to 27; a slot with another one is empty
//
// NAME.session.json has an entry for each broker address and client id:
// void_below (the first sequence number that belongs to the session as the broker
// knows it), reuses_ids, and topics (the granted subscriptions with their QoS).
//
// A message that comes with DUP is taken for one that is recorded already, and
// only acknowledged, if the newest slot with its id
//
//   - belongs to the same session and is not below void_below: a broker that
//     answers "session present = 0" starts its ids afresh, so the table is void;
//   - has the same hash and QoS;
//   - is among the last 32,768: brokers count ids from 1 to 65,535 and around;
//   - was not passed by the counter: when a message without DUP comes with an id
//     more than half the range behind the one before it, the broker's counter
//     jumped back (restored from an old state), and the ids from there on are
//     void, since they will be given to other messages;
//   - and the broker was not seen reusing ids (next paragraph), or this process
//     knows that it never sent the acknowledgement.
//
// Everything else is recorded; a record that came with DUP says so where the
// format shows it. A message without DUP is always recorded and takes over its
// id. The MQTT 3.1.1 standard lets a broker give an id again as soon as it is
// acknowledged. Mosquitto and most others count on, some take the lowest free
// one. On the first message without DUP whose id came before on the same
// connection within the last 32,768, the broker is known to do that, for good
// (reuses_ids): an equal reading with an equal id could be the next one, lost on
// its first way. Then redeliveries after a lost connection are recorded again
// rather than dropped.
//
// What remains: a reading is taken for a redelivery only if, before any reuse
// was seen, all of this meets: same id, same topic and payload, DUP because its
// first delivery was lost with the connection, and either the broker reuses ids
// at once or its counter jumped and no message of after the jump arrived. A
// reading is recorded twice (duplicate set) where the broker's redelivery can't
// be told from a new one by the rules above.
//
// Retained messages come again with every subscription, and the recorder
// subscribes on every connection. A retained message is a repeat, acknowledged
// and not recorded, if the broker kept the session (so that what was published
// meanwhile comes by itself) and its hash is among the session's slots.
//
// # The link
//
// The MQTT library reads and answers in one chain: a handler that blocks for
// longer than the keepalive costs the connection. So the handler only queues.
// While the queue is full the link lets no further PUBLISH through, all other
// packets pass, and pings are sent by the link itself; the library knows no
// keepalive time (the link writes it into CONNECT). Silence counts against the
// broker only while the link reads. The link also cuts payloads above
// max_payload, checks frames that would make the library fail, and knows from
// CONNACK whether the session was kept before the first message passes.
//
// # JSON lines
//
// With format: json a line is one object, in this order and without blanks:
//
//	time            "2026-11-22T00:02:03.000000045Z", receipt, UTC, nanoseconds
//	topic           string
//	topic_encoding  "base64", only if the topic is not valid UTF-8
//	qos             0, 1 or 2, as delivered
//	retained        true or false
//	duplicate       true if it came with DUP and was not known
//	id              message id, 0 with QoS 0
//	payload         string: the text, or its base64 (standard, padded)
//	encoding        "text" if the payload is valid UTF-8, else "base64"
//	truncated       true, only if the payload was cut at max_payload
//	size            original length in bytes, only with truncated
//
// # Text lines
//
// Every other format is a format string of mosquitto_sub 2.0.11: % conversions
// with flag (0 or -), width and precision; @ with a conversion of strftime(3) in
// the C locale, local time; @N for nanoseconds; \\ \0 \a \e \n \r \t \v. Output is
// that of mosquitto_sub, byte for byte, with these exceptions:
//
//   - A topic or payload (%t, %p) that holds a control character other than tab, a
//     byte that is not UTF-8, U+0080 to U+009F, U+2028 or U+2029, or that begins
//     with $', is written as $'…', as bash quotes: \\ and \' for backslash and
//     quote, \n and \r, \xHH (two lower-case digits) for each other such byte.
//     Unquote is the inverse. All other payloads, backslashes included, stand as
//     they are. With a width the payload is cut first, as mosquitto_sub does.
//   - %j with a payload that is not UTF-8 writes it in base64 and adds
//     "encoding":"base64"; a NUL does not end it.
//   - %J writes a payload that is JSON on one line as it came (mosquitto_sub
//     reformats its numbers); everything else as %j does (mosquitto_sub prints an
//     error and no line).
//   - Widths are limited to 10,000. %l is the original length, also of a cut
//     payload: the only place where a text line can show that.
//
// The properties of MQTT 5 (%A %C %D %E %F %P %R %S) print as absent. A format
// with line breaks of its own makes a record several lines; a crash may then
// leave the first of them without the others, and the record follows whole.
package recorder

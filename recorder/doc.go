// Package recorder turns messages from an MQTT broker, and what comes from serial
// ports, into lines of numbered files, and acknowledges a message only when its
// line is on disk.
//
// # Nouns
//
//   - source: where records come from: one MQTT session (mqttSource), or
//     one serial port (serialSource).
//   - record: one payload with its topic, time and flags (Record).
//   - queue: records that wait for the disk, bounded in bytes and number.
//   - group: the records that are made durable together (the group commit).
//   - segment: one file of lines. The active one is being written; a sealed one
//     is never written again and ends in a newline.
//   - series: the numbered segments of one source.
//   - spool: the folder of all series.
//   - link: the network connection; it reads the messages by itself.
//   - client: one version of MQTT over a link, by a library (client3, client5).
//   - redelivery table: which message ids are in the segments already.
//   - frame: the bytes of a serial port that make one record.
//   - gap: a time without the device of a serial port.
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
//   - Memory is bounded: the queue, plus one message, plus one group; a payload
//     above max_payload, and MQTT 5 properties above 256 KiB, are cut before they
//     are in memory.
//
// # Known losses and limits
//
//   - Serial ports: what was read and not yet fsynced at a crash, at most
//     commit_interval and the time of an fsync; what comes while no recorder
//     runs; and what comes beyond the kernel's 4 KiB while the queue is full. See
//     "Serial ports".
//   - QoS 0 messages that are under way at a crash, a stop, or a lost connection.
//   - What the broker drops: Mosquitto queues 1,000 messages for a client
//     (max_queued_messages) and none of QoS 0 while it is away, and keeps its
//     state in memory for 30 minutes (autosave_interval) unless told otherwise.
//   - MQTT 5: messages that expire at the broker (message expiry), and retained
//     ones of QoS 0 that change while the recorder is away.
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
// Of the series NAME, in the spool's folder (0750 less the umask; files
// file_permissions, 0640):
//
//	NAME-0000000042.log   segment number 42: lines, each ending in "\n"
//	NAME.spool.json       {"version":1,"series":"NAME","next":43,"active":"NAME-0000000042.log"}
//	NAME.session.json     broker sessions, see below
//	NAME.inflight         the redelivery table, see below
//	NAME.clock.json       by which clock the lines are, see below
//	NAME.lock             flocked by the recorder; holds its process id
//
// Numbers have ten digits, grow by one or more, and never come twice. The first
// record makes a segment; no empty one is left behind. A segment is sealed at
// segment_bytes, when its period of rotate_every ends (also if nothing comes: then
// it can be shipped and cleaned), and at a stop. active names the segment that
// may still be written, "" says none; the recorder holds a flock on it. Sealed
// reads this. "nul":true says that the format writes NUL bytes on purpose.
//
// # A full spool
//
// Before a group is written, its bytes are held against max_bytes (all segments
// in the folder; a record that is longer than a quarter of it counts as that) and
// min_free (the file system). At a bound, or when the disk refuses a write for want
// of space, when_full decides. block: the group waits, as with a failing disk,
// until a cleaner or somebody else has made room; nothing is lost, and the broker
// keeps what comes. drop_oldest_acked: segments that are shipped and acknowledged to
// their last byte are deleted, whatever their age, the lowest numbers first; without
// any, as block, and what is being written is sealed, so that it can go once it is
// shipped. drop_oldest: after those,
// sealed segments go, again and again the first one of the series that takes most
// of the room: a busy series costs a quiet one nothing. The segments that are being
// written share a quarter of max_bytes, so that there are always others. One that
// is over is sealed also while its series waits.
//
// What is dropped is accounted for, in this order: an event of each segment (below)
// is a line of the group that needs its room, and durable; the segments, and the
// sums with them, are noted in NAME.spool.json; they are deleted, by the next start
// if need be. Only if the disk has no room even for that are they deleted first. An
// event goes with its segment when that is dropped later: so each has the sum of
// all before. One that can't be deleted is announced once. The counters dropped_*
// have what this process has dropped.
//
// # Events
//
// Some lines are no records of a source: something happened that whoever reads
// the lines must know. In JSON they have event and series in the place of topic and
// payload, then the event's own fields; in text formats the topic is
// $sluice/SERIES/EVENT and the payload an object with these fields.
//
//	dropped   segment, records, bytes, reason: a segment, maybe of another series
//	          of the recorder, was deleted though not all of its records may have
//	          been shipped. total: segments, records and bytes of all that the
//	          series has dropped since it began. records are lines, events included
//	gap       source, port, device, reason, since: from now on nothing is known of
//	          a serial port. since is when its last byte came, or the start
//	back      source, port, device, since, seconds: it is read again. Without
//	          since: the recorder has started
//	checksum  source, port, device, reason, and line to size as in a record: a
//	          record whose checksum is wrong or missing
//
// since is by the clock as it was then: when the time of an event is corrected (see
// "The clock"), since is not, and seconds counts.
//
// # The clock
//
// Boards without a battery for their clock start with the time of their last
// stop, until a time server answers. Each record therefore knows, beside the
// wall clock, how long the machine had been up (CLOCK_MONOTONIC), its boot id,
// and whether the kernel calls the clock synchronised (adjtimex). JSON lines
// show it; for all formats NAME.clock.json has it, as stretches of lines that
// were recorded by one setting of the clock:
//
//	format     how the lines are written
//	boots      id, and when that start of the machine truly was, once known
//	stretches  segment and offset of the first line, boot, started (the time of
//	           a line minus its time since the start), synced, held
//
// A stretch ends where the next one begins: another boot, a clock that was set
// by 0.1 s or more, a clock that became synchronised, or no longer is. The table
// is replaced (temporary file, fsync, rename) before the stretch's first line
// is written, and forgets what is about deleted segments. Held stretches are
// those of an unsynchronised clock on a board without a hardware clock
// (clock.hold). A tailer reads no further than to the first line that is held,
// until the boot's true start is known: from the table, where the recorder
// notes it at the first look after the synchronisation (5 s), or from the clock
// itself as long as the machine runs. Then it moves the time at the beginning of
// the line (Times, Line). What the machine never knew in that run, or not within
// clock.wait, is shipped as it is. The order of segments and lines never depends
// on the clock.
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
//	       8   8  xxHash64 of topic, NUL, original length (8 bytes), payload as
//	              kept, MQTT 5 properties as kept but for expiry and subscriptions
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
// With MQTT 5 the recorder does not ask for the retained messages of a topic again
// (retain handling 1) if the broker kept the session, the topic was granted in it,
// and its QoS is 1 or 2, so that what was published meanwhile comes by itself.
//
// # The link
//
// The MQTT library of 3.1.1 reads and answers in one chain: what blocks it for
// longer than the keepalive costs the connection. So the link below it stops
// reading at a PUBLISH while the queue is full, reads messages by itself,
// passes on all other packets, and sends the pings; the library knows no
// keepalive time (the link writes it into CONNECT). Silence counts against the
// broker only while the link reads. The link also cuts payloads above
// max_payload, checks frames that would make a library fail, and knows from
// CONNACK whether the session was kept before the first message passes.
//
// # MQTT 5
//
// The same link serves MQTT 5; only the other packets go through another library.
// What the version changes:
//
//   - Receive Maximum (receive_maximum) bounds what the broker sends without an
//     acknowledgement, and so what waits for the disk. QoS 0 is bounded by the
//     queue alone.
//   - Session Expiry (session_expiry) is asked for; a broker that grants less is
//     warned of once.
//   - Reason codes of CONNACK, SUBACK, UNSUBACK and DISCONNECT are logged with what
//     to do, and with the broker's own words. After "session taken over" the wait
//     between connections grows whatever was received.
//   - The broker's keepalive time counts if it is shorter; the client id that it
//     assigns names the session; a SUBSCRIBE is split at its packet size.
//   - Topic aliases are switched off, no Maximum Packet Size is announced (a broker
//     throws away what is larger; max_payload cuts it), and enhanced authentication
//     is refused.
//   - A broker that breaks the protocol gets a DISCONNECT with reason 0x82.
//
// # Serial ports
//
// One goroutine resolves, opens and reads a port; it sends to the device between
// two reads. Nothing is acknowledged to a serial port, and nothing comes again:
// accepted is what is fsynced. A record is durable within commit_interval and one
// fsync after its last byte came. The time of a record is when it was complete.
//
// While the disk can't be written, the queue takes what comes, up to queue_bytes
// and queue_records: by default five hours of a line each second, a quarter of an
// hour of short lines at 9600 baud without a pause. Then the port is not read any
// more (Stalls in the Status), the kernel keeps 4 KiB, and what is more is lost
// unless the device waits, which is its own affair (RTS/CTS is off). Where bytes
// were lost two lines may become one: a checksum shows that.
//
// A port is resolved anew at each opening: links are followed, usb:… is looked up in
// sysfs. exclusive takes it by flock, which all who lock heed, root among them, and
// by TIOCEXCL, which the kernel enforces for everybody but root; on
// pseudo-terminals by flock only. Opening raises DTR and RTS, as the kernel does; a
// board that then starts anew does so at each opening.
//
// The first frame after an opening may have begun before it: it is marked partial,
// unless its checksum is right, or the port was silent for half a second after it
// was opened. So is what a lost port, a stop, or a pause (framing: length) has cut
// off. A frame without bytes is no record.
//
// A gap begins when the port is lost, can't be opened, or is silent for
// silence_timeout, and at a stop; it ends when the port is open again, after
// silence with the first byte. The events gap and back are its ends: between them
// nothing is known, elsewhere a device without records was silent. A crash leaves
// no gap event; the next line is the back of the new start. The port is opened
// again after backoff, which is init again once a byte has come.
//
// A baud rate that does not fit turns text into bytes that no text has. When one of
// four bytes is like that, and 64 came without a line of text, a warning says so, at
// most once an hour (framing: line). The records are kept as they are.
//
// # JSON lines
//
// With format: json a line is one object, in this order and without blanks; of an
// MQTT message:
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
// then, with MQTT 5, those properties that the message has,
//
//	properties_encoding   "base64", only if a text among the properties is not
//	                      UTF-8; then content_type, response_topic and both parts
//	                      of user_properties are base64
//	content_type          string
//	response_topic        string
//	correlation_data      string: the text, or its base64
//	correlation_encoding  "base64", only if the data is not UTF-8
//	payload_format        0 (bytes) or 1 (text), as the sender says
//	expiry                seconds that the message had left when it came
//	subscriptions         list of subscription identifiers
//	user_properties       list of [name, value], in the sender's order
//	properties_truncated  true, only if properties were left out (256 KiB)
//
// and in the end
//
// of a serial port:
//
//	time            as above
//	source          "serial"
//	port            the option port
//	device          what that was resolved to, only if it is another name
//	line            string: the record without its end, or its base64
//	encoding        "base64", only if the record is not valid UTF-8
//	partial         true, only if its beginning or end may be missing
//	truncated       true, only if the record was cut at max_line
//	size            original length in bytes, only with truncated
//
// and of both:
//
//	boot            first 8 digits of the machine's boot id
//	monotonic       seconds since the machine's start, six decimals
//	synced          true if the clock, which time is by, was synchronised
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
//   - Texts of MQTT 5 properties (%C %D %P %R) are quoted like topics. %E prints
//     times above 2,147,483,647 s (mosquitto_sub makes them negative). In %j and
//     %J properties that are not UTF-8 are base64.
//
// With MQTT 3.1.1 the properties of MQTT 5 (%A %C %D %E %F %P %R %S) print as absent;
// %A always does. A format with line breaks of its own makes a record several
// lines; a crash may then leave the first of them without the others, and the
// record follows whole.
package recorder

// Package logstash is a client of Logstash's beats input: it sends documents by
// the Lumberjack v2 protocol, over TCP or TLS, and hands back how many of them
// the server has acknowledged. It knows bytes, not events.
//
// # Nouns
//
// A document is one encoded event, a JSON object. A window is what is sent in
// one piece and acknowledged as a whole or in parts. A Conn is one connection; it
// is used until it ends and never again after any error. A lane is one Conn
// after the other, used by one goroutine. The Client has all lanes and what they
// know together about the hosts. An outage is the time from a host's first
// failure to the next acknowledged document.
//
// The caller's loop for a lane: Connect; while the Conn lives, Send as long as
// Room is above 0 and take counts from Acks; when Acks is closed, send what was
// not acknowledged again on the next Connect. All waiting after failures is in
// Connect. Err needs no logging, the Client has done it.
//
// # Guarantees
//
// Counts from Acks follow the order of the documents, never exceed what was sent,
// and none is lost: partial acks, and acks that arrived before an error, are
// delivered. Delivery is at least once: after an error, what was not acknowledged
// may have been processed, since servers process windows that they have read.
//
// A window holds at most bulk_max_size documents (fewer with slow_start) and at
// most max_window_bytes, unless one document alone is larger. Empty documents and
// empty windows are never sent. The caller guarantees valid JSON: a server drops
// the connection on a bad document, after it has processed those before it.
//
// In steady state Send allocates nothing (TLS: crypto/tls allocates 24 bytes for
// a record that it reads). A Conn has one goroutine, a Client none.
//
// # Wire format
//
// All integers are big-endian and unsigned, 32 bits. Client to server:
//
//	'2' 'W' count                     a window of count documents begins
//	'2' 'J' seq length document       seq = 1, 2, ... count, anew in each window
//	'2' 'C' length zlib               one zlib stream of all J frames of a window
//
// A window is W and J frames with compression_level 0, else W and one C frame.
// Server to client:
//
//	version 'A' seq                   version '1' or '2'
//
// seq acknowledges the oldest unacknowledged window up to that document; windows
// are acknowledged in the order in which they were sent. seq 0 is a keepalive: the
// server is alive and busy; it may come at any time. A seq beyond the window, below
// an earlier one, or above 0 while nothing is in flight, and any other byte, ends
// the connection: what follows can't be trusted.
//
// # When a connection ends
//
//   - Silence: the server owes an ack and sends no byte for timeout. It counts
//     from the end of writing, and again from each moment at which the server's
//     kernel has confirmed bytes (Linux), so that a slow link has all the time it
//     needs; a server that dies with unconfirmed bytes is noticed after at most
//     two timeouts. For a window that the server read while it was busy with the
//     one before it gets max(timeout, 75 s), since Logstash sends no keepalives
//     for such a window and closes after 60 s itself.
//   - A write during which the server takes no byte, and sends none, for timeout.
//   - No progress: only keepalives for progress_timeout, and another host is
//     configured. With one host this is a warning, once until documents are
//     acknowledged again.
//   - In good order, with ErrExpired: the ttl is over and nothing is in flight; the
//     connection was idle for idle_timeout; or the server closed it while nothing
//     was in flight, after it had acknowledged something or had been open for 5 s.
//
// A second window (pipelining) is sent only while the last ack came within 2 s, no
// keepalive came since, and the oldest window is younger than 2 s: see above for
// what a slow server does with it.
//
// # Choice of hosts
//
// Without loadbalance a lane starts with a random host and stays with it; after a
// failure it goes to another random one at once. When all have failed it waits
// (backoff) and begins anew. With loadbalance each lane has a host of its own and
// waits for it, but after 10 s of outage uses the others too; a connection to
// another lane's host expires after 5 minutes, so that it comes home. A host that
// was left for lack of progress counts as failed for the time that it was stuck.
// An acknowledged document ends the outage and resets the backoff; a mere
// connection does not, since servers that refuse our certificate under TLS 1.3 take
// connections too.
//
// Names are resolved at each connect, and their addresses tried in random order
// within timeout. With a SOCKS5 proxy the proxy resolves them, unless
// proxy_use_local_resolver.
//
// # Logging
//
// An outage is one line "Failed to connect to HOST: ..." or, when a connection was
// lost, "Failed to publish events to HOST: ..." (error), one more for each different
// reason (at most five), and one line when documents are acknowledged
// again (info). Single tries, idle closes and reconnects are debug.
//
// # Known limits
//
// max_retries has no effect, as in Filebeat. The protocol has no way to ask a server
// whether it is alive without sending documents. Where SIOCOUTQ does not exist (not
// Linux) a slow link needs a timeout longer than a window's journey.
package logstash

// Package elasticsearch writes documents to Elasticsearch (7 to 9) or OpenSearch
// with the _bulk API, and hands back how many of them are stored. Like package
// logstash it knows documents, not who sends them.
//
// # Nouns
//
//   - document: one encoded event, a JSON object that begins with @timestamp and
//     @metadata. It is stored without @metadata, from which come its id, and where
//     there are such, its index, pipeline and operation.
//   - item: a document in a bulk request; each has an answer of its own.
//   - window: the documents of one Send, acknowledged in their order.
//   - dead letter: a document that the server will never take, such as a text in a
//     field that is a number there. It goes to the file dead_letter.path.
//   - lane: one Conn after the other, used by one goroutine. A Conn is not a
//     socket: it is the use of one host until that fails.
//
// # Ids: stored once
//
// An item is a create with our id. A window that is sent again, since its answer
// was lost, gets 409 for what is stored already, and that counts as stored. This
// holds as long as the document goes into the same index again: a date in the
// index's name comes from @timestamp, so that must be a time of the line (a
// recorded line has one), not that of its reading; and over a rollover, or between
// the indices behind a data stream, ids are not compared.
//
// # Answers
//
//	item                              what is done
//	200, 201, 409                     stored
//	400                               dead letter, but for what is no fault of the document:
//	                                  too many shards, a missing pipeline, no write index
//	404, 401, 403, 429                sent again: a missing index, rights, an index that is
//	                                  read-only (a full disk at the server), a full queue
//	other 4xx                         dead letter
//	5xx                               sent again; three times beside documents that are taken,
//	                                  or ten times alone: dead letter
//
//	request                           what is done
//	413                               halved; a single document: dead letter
//	400                               halved; a single document: dead letter, if any was
//	                                  ever taken
//	all other                         the host has failed: the next one, with growing waits
//
// Items that are to be sent again hold up those behind them in their lane, so
// that counts follow the order; the others of their window are not sent again.
// Nothing is dropped: without a file for dead letters, such a document holds up
// its lane.
//
// # What it costs
//
// A request is encoded in one pass over the batch: @metadata is cut out, and the
// action put in front. Only an index or pipeline that depends on fields makes it
// parse documents. An answer without errors is not parsed, only counted; the
// server is asked to leave out of it what is not needed (filter_path).
//
// Waits, outages and the choice of hosts: package failover.
package elasticsearch

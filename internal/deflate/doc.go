// Package deflate writes zlib streams (RFC 1950, RFC 1951) of records that are
// much like the record before: log events as JSON, where perhaps 430 of 510
// bytes are the same each time. It does the work of a general compressor for
// such data in a half to a third of the time and with fewer bytes, without being
// told what the records look like. Any other bytes are correct input too.
//
// # Words
//
//   - record: what one call of Append adds; a frame header and a document.
//     Records leave no trace in the stream: it inflates to their bytes, one
//     behind the other.
//   - window: the last bytes of the stream, at least 32 KiB of history once
//     there are that many. Matches are copies out of it.
//   - distance: how far back a match begins, 1 to 32768 bytes.
//   - sequence: a run of literal bytes and the match behind it.
//   - block: the sequences that share one Huffman code.
//   - gap: bytes that no match covers yet.
//
// # How it finds matches
//
// Records are copied into the window and parsed when it is full, or at the end.
// The parser keeps one distance in use. At the begin of a record that is the
// length of the record before, so both records lie side by side:
//
//  1. The next 8 bytes are compared with those one distance before. If they are
//     equal, or become equal again after at most 4 bytes (a counter, the digits
//     of a time), the differing bytes are literals and the match that begins
//     there is measured 32 bytes at a time.
//  2. If not, the same is tried at the record's own length: the distance at
//     which both records' ends lie side by side, behind a field that grew.
//  3. If not, a table of earlier positions is asked, by the hash of the 8 bytes.
//     A match found there gives the new distance in use.
//  4. If not, the byte belongs to the gap. When a match ends the gap, or the gap
//     has 256 bytes, it is searched for short matches of at least 5 bytes (4
//     when near) with a second table, by the hash of 4 bytes.
//
// Where nothing matches for long the parser looks at ever fewer positions (one in
// 65 in the end), but always at the begin of each record.
//
// # The stream, byte by byte
//
//	0      0x78   method 8 (deflate), window 32 KiB
//	1      0x01   no preset dictionary, fastest level (informative only)
//	2      blocks, as RFC 1951
//	last 4        Adler-32 of all records, big-endian
//
// A block ends after 16384 literals or 8192 sequences, or with the stream. It is
// written in the smallest form of stored, fixed code and own (dynamic) code, by
// computed size; so a stream of few records bears no table that does not pay. Code
// lengths are limited to 14 bits, one less than the format allows, so that four
// literals fit in one step of the bit writer. Every code has at least two symbols,
// since some inflaters refuse others.
//
// # Guarantees
//
//   - Finish returns a complete stream that inflates to exactly what was appended.
//     No distance is greater than 32768 or reaches before the first byte.
//   - The same records at the same level give the same stream, whatever the Writer
//     did before and however records are cut into header and document.
//   - Data without repetitions grows by 5 bytes for each 16 KiB, plus 11 bytes.
//   - A Writer takes about 230 KiB, and its output. No call allocates once
//     the output has reached its size. Output space beyond 64 KiB is given back when
//     eight streams in a row needed less than a quarter of it.
//
// # Known losses
//
//   - The parser is greedy and remembers one position per hash. For short events it
//     equals level 6 of general compressors; level 9 finds 8 percent more. For
//     free text within constant frames it writes 8 to 10 percent more bytes than
//     their level 3, in half the time; text without frames takes half as long again
//     for about the same bytes.
//   - Matches do not cross the points where the window was parsed (every 64 to
//     96 KiB, or 512 records): one extra sequence each.
//   - Blocks of at least 8192 literals that look random in a sample are stored
//     although a code might save up to about 2 percent.
package deflate

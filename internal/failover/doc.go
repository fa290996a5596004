// Package failover chooses among the hosts of an output, and tells of those that
// are away.
//
// # Nouns
//
//   - Host: what all connections together know about one server. An outage of
//     it begins with the first failure and ends when it has worked, which a mere
//     connection does not prove; it is logged once and not with every try.
//   - Route: of one lane of connections, one after the other: which host is next,
//     and when.
//   - home: with load balancing, the host that a route belongs to.
//   - Backoff: the growing wait after all hosts have failed.
//
// # Rules of a Route
//
// Without a home it begins with a random host and stays with it; after a failure
// it goes to another random one at once. When all have failed it waits, and begins
// anew. With a home it waits for that, but uses the others too once its home has
// been away for 10 s.
package failover

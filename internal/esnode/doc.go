// Package esnode starts a real Elasticsearch or OpenSearch node for a test: the
// server's own code on a JVM, from Maven Central. It is no imitation: nothing
// that it answers was written here, but for one line named below. Only tests
// import this package; the binary holds none of it.
//
//	node := esnode.Start(t, esnode.Options{})
//	status, answer := node.Do("PUT", "/_index_template/mqtt", template)
//	node.Kill()    // kill -9
//	node.Restart() // same port, same data
//
// A Node lives in a folder: config, data, logs, repo (where a snapshot repository
// of type fs may lie). Its first start on a machine asks Maven for the node's
// artifacts and lays them out as a distribution is, with modules and plugins in
// folders of their own, below the user's cache folder (sluice-esnode); this needs
// the network and takes a minute. Later starts need neither network nor Maven. A
// node is up in about 5 s on an idle machine, in 20 s on a busy one, with 512 MB
// of heap; it ends with the test's process, however that ends.
//
// What it needs of Debian: default-jdk-headless and maven (make test-elasticsearch). Without
// them a test is skipped, loudly; with CI=true it fails. A JVM of 17 or newer is
// taken from JAVA_HOME, or if that is not set from the path (tried: 17, 25).
//
// # The kinds of node
//
//	                              OpenSearch   Elasticsearch7   Elasticsearch8
//	version                       2.19.1       7.10.2           8.19.5
//	_bulk, ids, conflicts         yes          yes              yes
//	composable index templates    yes          yes              yes
//	ingest pipelines, processors  yes          yes              no: ingest-common
//	Painless scripts              yes          yes              no: lang-painless
//	data streams by _bulk         yes          no               yes
//	GET _data_stream              yes          no               no: data-streams
//	TLS, basic auth, roles        Secure       no               no
//	API keys                      no           no               no
//	lifecycle                     no           no               no
//	snapshots to a folder (fs)    yes          yes              yes
//	snapshot policy               no           no               no
//	GET /                         yes          yes              by us: rest-root
//	header X-Elastic-Product      no           no               yes
//	watermarks, blocks, kill -9   yes          yes              yes
//
// Elasticsearch's licensed features (x-pack: security and API keys, ILM, SLM,
// audit, monitoring, data streams in version 7) are not on Maven Central; nor are
// the modules of version 8 that the table names by "no:", nor OpenSearch's ISM
// (index management). Elasticsearch7 is the last version under the Apache licence,
// whose modules others have put there. The processors are json, csv, dissect,
// grok, date, convert, rename, set (with Mustache), remove, gsub, script and the
// rest of ingest-common; not geoip, user_agent, enrich, inference.
//
// Elasticsearch8 answers GET / by a few lines of ours, maven/elasticsearch8/src,
// since the module that does it is missing too.
//
// With Options.Secure an OpenSearch node has its security plugin: HTTPS with a
// certificate of its own authority (Node.CA), users and roles by
// /_plugins/_security/api. For TLS, basic auth or an API key before the other
// kinds, a test puts a reverse proxy of its own in front of the node.
//
// The node runs without bootstrap checks and without a security manager, so root
// may start it. The disk's watermarks are off, for a machine's disk is often
// fuller than they allow: see Node.FillDisk.
package esnode

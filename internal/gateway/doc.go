// Package gateway puts the parts of sluice together as a configuration says:
// the recorder, the tailer with its registry and output, and the cleaner. The
// commands and the demo build on it; no part knows another beyond the import
// table of ARCHITECTURE.md.
package gateway

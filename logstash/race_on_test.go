//go:build race

package logstash

// raceAllocations is what the race detector allocates itself in one window, and
// what it takes out of pools to find misuse of them.
const raceAllocations = 50

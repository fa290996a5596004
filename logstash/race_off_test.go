//go:build !race

package logstash

const raceAllocations = 0

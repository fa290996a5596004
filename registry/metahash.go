package registry

import (
	"encoding/binary"
	"hash"
	"hash/fnv"
	"strconv"
)

// metaHash is the hexadecimal prefix that Filebeat gives the ID of a file with
// meta: the hash of mitchellh/hashstructure, version 1, over a map of strings.
// Each pair is FNV-1 over the little-endian hashes of key and value; the pairs
// are combined with exclusive or, so their order does not matter.
func metaHash(meta map[string]string) string {
	h := fnv.New64()
	var sum uint64
	for k, v := range meta {
		var pair [16]byte
		binary.LittleEndian.PutUint64(pair[:8], stringHash(h, k))
		binary.LittleEndian.PutUint64(pair[8:], stringHash(h, v))
		h.Reset()
		h.Write(pair[:])
		sum ^= h.Sum64()
	}
	return strconv.FormatUint(sum, 16)
}

// newerMetaHash is that of hashstructure, version 2: the hash of the other.
func newerMetaHash(meta map[string]string) string {
	sum, _ := strconv.ParseUint(metaHash(meta), 16, 64)
	h := fnv.New64()
	h.Write(binary.LittleEndian.AppendUint64(nil, sum))
	return strconv.FormatUint(h.Sum64(), 16)
}

func stringHash(h hash.Hash64, s string) uint64 {
	h.Reset()
	h.Write([]byte(s))
	return h.Sum64()
}

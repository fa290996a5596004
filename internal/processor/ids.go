package processor

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"sync/atomic"
	"time"
)

// newIDs returns a source of ids: 20 characters that are safe in URLs, of 48
// bits of milliseconds, 24 bits that count, and 48 random bits that are the
// source's own. It may be called from several goroutines.
func newIDs() func() string {
	var own [6]byte
	_, _ = rand.Read(own[:]) // it never fails
	var count atomic.Uint32
	var start [4]byte
	_, _ = rand.Read(start[:])
	count.Store(binary.LittleEndian.Uint32(start[:]))
	return func() string {
		var id [15]byte
		var word [8]byte
		binary.BigEndian.PutUint64(word[:], uint64(time.Now().UnixMilli()))
		copy(id[:6], word[2:])
		binary.BigEndian.PutUint32(word[:4], count.Add(1))
		copy(id[6:9], word[1:4])
		copy(id[9:], own[:])
		return base64.RawURLEncoding.EncodeToString(id[:])
	}
}

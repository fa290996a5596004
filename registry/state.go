package registry

import (
	"maps"
	"strings"
	"time"
)

// State says how far one file is acknowledged.
type State struct {
	// Key is Filebeat's full key: "filebeat::logs::<ID>" (log input) or
	// "filestream::<input id>::<ID>". See LogKey and FilestreamKey.
	Key string

	// Source is the file's absolute path.
	Source string

	// Offset is the byte after the last acknowledged line. Never negative.
	Offset int64

	// Timestamp of the last change, with its zone.
	Timestamp time.Time

	// TTL in nanoseconds: -1 = kept for ever, N > 0 = clean_inactive, 0 = may
	// be removed (filestream: not yet started), -2 = loaded and not yet claimed
	// by an input.
	TTL time.Duration

	// Type of the input: "log", "container", "filestream", …
	Type string

	// Inode and Device as stat gives them. For a filestream they are part of a
	// native key; with any other identity they are ours, in a field that Filebeat
	// ignores and drops, and 0 if Filebeat wrote the State.
	Inode, Device uint64

	// ID is the file's identity, "native::<inode>-<device>" and the like; the
	// end of Key. PrevID and IdentifierName as Filebeat has them.
	ID, PrevID, IdentifierName string

	// Meta is part of a log input's identity (container: stream). Nil for most.
	// The registry shares the map: do not change it after Commit or Get.
	Meta map[string]string

	// Ours: scalars that Filebeat ignores, and drops when it writes the state.

	// Generation is the file's assigned generation id; empty = derive it.
	Generation string

	// Birth is when the file was made, Unix nanoseconds (statx); 0 = unknown.
	// It tells an inode that is used anew.
	Birth int64

	// PrefixHash is the hash of the file's first PrefixLen bytes.
	PrefixHash string
	PrefixLen  int64
}

const (
	logPrefix        = "filebeat::logs::"
	filestreamPrefix = "filestream::"

	typeFilestream = "filestream"
)

// identities are Filebeat's names of file identities.
var identities = [...]string{"native", "path", "fingerprint", "inode_marker"}

// kind of an entry, by its key.
type kind uint8

const (
	kindForeign kind = iota // not a file's: kept as it is
	kindLog
	kindFilestream
)

func kindOf(key string) kind {
	switch {
	case strings.HasPrefix(key, logPrefix):
		return kindLog
	case strings.HasPrefix(key, filestreamPrefix):
		return kindFilestream
	}
	return kindForeign
}

// LogKey returns the log input's key and ID of a file with that identity, for
// example "native::12-65024". A meta that is not empty becomes a part of both,
// as its hash in front ("ea745ab688be85a9-native::12-65024").
func LogKey(identity string, meta map[string]string) (key, id string) {
	if len(meta) > 0 {
		identity = metaHash(meta) + "-" + identity
	}
	key = logPrefix + identity
	return key, key[len(logPrefix):]
}

// NewerLogKey is LogKey as later Filebeats of version 9 have it: they hash meta
// in another way. Without meta the two are the same.
func NewerLogKey(identity string, meta map[string]string) (key, id string) {
	if len(meta) > 0 {
		identity = newerMetaHash(meta) + "-" + identity
	}
	return LogKey(identity, nil)
}

// HasNewerKey says whether the State's key is one of NewerLogKey, and not of
// LogKey.
func (s *State) HasNewerKey() bool {
	return len(s.Meta) > 0 && kindOf(s.Key) == kindLog && strings.HasPrefix(s.ID, newerMetaHash(s.Meta)+"-")
}

// FilestreamKey returns the key of a file in a filestream input; an input
// without an id is ".global".
func FilestreamKey(inputID, identity string) string {
	if inputID == "" {
		inputID = ".global"
	}
	return filestreamPrefix + inputID + "::" + identity
}

// identityOf returns the identity's part of a key, sharing its memory.
func identityOf(key, identifier string) string {
	switch kindOf(key) {
	case kindLog:
		return key[len(logPrefix):]
	case kindForeign:
		return ""
	}
	rest := key[len(filestreamPrefix):]
	if i := strings.Index(rest, "::"+identifier+"::"); identifier != "" && i >= 0 {
		return rest[i+2:]
	}
	first := -1
	for _, name := range identities {
		if i := strings.Index(rest, "::"+name+"::"); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	if first >= 0 {
		return rest[first+2:]
	}
	if _, after, ok := strings.Cut(rest, "::"); ok {
		return after
	}
	return rest
}

// identifierOf returns the identity's name: "native" of "native::12-65024" and
// of "ea745ab688be85a9-native::12-65024".
func identifierOf(id string) string {
	name, _, ok := strings.Cut(id, "::")
	if !ok {
		return ""
	}
	return name[strings.LastIndexByte(name, '-')+1:]
}

// nativeOf returns inode and device of a native identity; a filestream that
// takes one stream of a container's log has that behind them
// ("native::12-65024-stdout").
func nativeOf(id string) (inode, device uint64, ok bool) {
	_, numbers, found := strings.Cut(id, "native::")
	if !found {
		return 0, 0, false
	}
	a, b, found := strings.Cut(numbers, "-")
	if !found {
		return 0, 0, false
	}
	b, _, _ = strings.Cut(b, "-")
	inode, err1 := parseUint([]byte(a))
	device, err2 := parseUint([]byte(b))
	return inode, device, err1 == nil && err2 == nil
}

// complete fills what follows from the key, so that a State compares equal
// with what is read back from disk.
func (s *State) complete() {
	if s.ID == "" {
		s.ID = identityOf(s.Key, s.IdentifierName)
	}
	if s.IdentifierName == "" {
		s.IdentifierName = identifierOf(s.ID)
	}
	s.Timestamp = s.Timestamp.Round(0)
	if kindOf(s.Key) == kindFilestream {
		s.Type, s.PrevID, s.Meta = typeFilestream, "", nil
		return
	}
	if s.Type == "" {
		s.Type = "log"
	}
	if len(s.Meta) == 0 {
		s.Meta = nil
	}
}

func (s *State) equal(o *State) bool {
	return s.Offset == o.Offset &&
		s.Timestamp.Equal(o.Timestamp) &&
		s.TTL == o.TTL &&
		s.PrefixLen == o.PrefixLen && s.Birth == o.Birth &&
		s.Inode == o.Inode && s.Device == o.Device &&
		s.Key == o.Key && s.Source == o.Source && s.Type == o.Type &&
		s.ID == o.ID && s.PrevID == o.PrevID && s.IdentifierName == o.IdentifierName &&
		s.Generation == o.Generation && s.PrefixHash == o.PrefixHash &&
		maps.Equal(s.Meta, o.Meta)
}

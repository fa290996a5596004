package recorder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/rs/zerolog"

	"sluice/internal/durable"
)

// sessionKey says whose message ids: a broker's for one client.
type sessionKey struct {
	Broker   string `json:"broker"`
	ClientID string `json:"client_id"`
}

// session is what outlives a connection, as NAME.session.json holds it.
type session struct {
	sessionKey
	// VoidBelow is the first sequence number that can belong to the session as
	// the broker knows it now.
	VoidBelow uint64 `json:"void_below"`
	// ReusesIDs: the broker was seen giving an id again at once.
	ReusesIDs bool `json:"reuses_ids"`
	// Topics are the subscriptions that the broker granted, with their QoS.
	Topics map[string]byte `json:"topics,omitempty"`
}

// maxSessions is how many fit in the byte that a slot has for them.
const maxSessions = 256

// sessions is the content of NAME.session.json. It is safe for concurrent use.
type sessions struct {
	path string
	perm os.FileMode

	mu    sync.Mutex
	list  []session
	early map[sessionKey]map[string]byte // topics of sessions that are not in list yet
}

type sessionsFile struct {
	Version  int       `json:"version"`
	Sessions []session `json:"sessions"`
}

// openSessions reads the file; one that can't be read is set aside, and known
// is false: then nothing that the redelivery table holds can be trusted.
func openSessions(path string, perm os.FileMode, log zerolog.Logger) (s *sessions, known bool, err error) {
	s = &sessions{path: path, perm: perm}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	var file sessionsFile
	err = json.Unmarshal(b, &file)
	if err == nil && file.Version == 1 && len(file.Sessions) <= maxSessions {
		s.list = file.Sessions
		return s, true, nil
	}
	aside := path + ".bad"
	if err := durable.Rename(path, aside); err != nil {
		return nil, false, fmt.Errorf("set aside unreadable state: %w", err)
	}
	log.Error().Str("kept_as", aside).Msg("the state of the broker sessions is unreadable; what the broker delivers again may be recorded twice")
	return s, false, nil
}

// find returns the session's number; a new one counts from sequence number
// next. isNew says that it must be saved before its number is used.
func (s *sessions) find(key sessionKey, next uint64) (number int, isNew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.list {
		if s.list[i].sessionKey == key {
			return i, false
		}
	}
	fresh := session{sessionKey: key, VoidBelow: next, Topics: s.early[key]}
	delete(s.early, key)
	if len(s.list) < maxSessions {
		s.list = append(s.list, fresh)
		return len(s.list) - 1, true
	}
	// Nobody has that many brokers; the one with the oldest start gives way.
	oldest := 0
	for i := range s.list {
		if s.list[i].VoidBelow < s.list[oldest].VoidBelow {
			oldest = i
		}
	}
	s.list[oldest] = fresh
	return oldest, true
}

// get returns a copy of a session.
func (s *sessions) get(number int) session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list[number]
}

// update changes a session and makes all of them durable.
func (s *sessions) update(number int, change func(*session)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.list[number])
	return s.save()
}

// topics returns the subscriptions that a broker granted.
func (s *sessions) topics(key sessionKey) map[string]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.list {
		if s.list[i].sessionKey == key {
			return s.list[i].Topics
		}
	}
	return nil
}

// setTopics remembers what the broker granted.
func (s *sessions) setTopics(key sessionKey, topics map[string]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.list {
		if s.list[i].sessionKey != key {
			continue
		}
		if equalTopics(s.list[i].Topics, topics) {
			return nil
		}
		s.list[i].Topics = topics
		return s.save()
	}
	// The writer, which adds sessions, has not come to this one yet.
	if s.early == nil {
		s.early = map[sessionKey]map[string]byte{}
	}
	s.early[key] = topics
	return nil
}

func equalTopics(a, b map[string]byte) bool {
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return len(a) == len(b)
}

func (s *sessions) save() error {
	err := durable.WriteFile(s.path, s.perm, func(w io.Writer) error {
		b, err := json.MarshalIndent(sessionsFile{Version: 1, Sessions: s.list}, "", " ")
		if err == nil {
			_, err = w.Write(append(b, '\n'))
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("save session state: %w", err)
	}
	return nil
}

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"golang.org/x/sys/unix"

	"sluice/internal/durable"
	"sluice/internal/order"
	"sluice/registry"
)

// snapshotEntry is an element of data.json, the array of Filebeat 7.6.
type snapshotEntry struct {
	Source    string            `json:"source"`
	Offset    int64             `json:"offset"`
	Timestamp time.Time         `json:"timestamp"`
	TTL       time.Duration     `json:"ttl"`
	Type      string            `json:"type"`
	Meta      map[string]string `json:"meta"`
	Stat      struct {
		Inode  uint64 `json:"inode"`
		Device uint64 `json:"device"`
	} `json:"FileStateOS"`
	Key string `json:"_key,omitempty"` // where it does not follow from the rest
}

func snapshotEntryOf(s registry.State) snapshotEntry {
	e := snapshotEntry{Source: s.Source, Offset: s.Offset, Timestamp: s.Timestamp, TTL: s.TTL, Type: s.Type, Meta: s.Meta}
	e.Stat.Inode, e.Stat.Device = s.Inode, s.Device
	if key, _ := registry.LogKey(fmt.Sprintf("native::%d-%d", s.Inode, s.Device), s.Meta); key != s.Key {
		e.Key = s.Key
	}
	return e
}

// flushMargin is how much later than registry.flush says a tailer may write.
const flushMargin = time.Second

// awaitFlush waits until a tailer that has the registry in dir open has made
// durable what it knew when awaitFlush was called: that takes no longer than
// registry.flush, and is done when log.json was written meanwhile.
func awaitFlush(ctx context.Context, dir string, flush time.Duration) error {
	// What is written right now was perhaps gathered a moment ago.
	begun := time.Now().Add(flushMargin)
	end := time.NewTimer(flush + flushMargin)
	defer end.Stop()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end.C:
			return nil
		case <-look.C:
			if info, err := os.Stat(filepath.Join(dir, "log.json")); err == nil && info.ModTime().After(begun) {
				return nil
			}
		}
	}
}

// snapshotDurable writes data.json from what is on disk while the tailer has
// the registry open. If the tailer made newer offsets durable meanwhile, it is
// written again, so that a newer data.json is not left replaced by an older one.
func snapshotDurable(where store, path string) error {
	const attempts = 10
	view, err := registry.Read(where.path)
	for range attempts {
		if err != nil {
			return err
		}
		states := view.States()
		if err := replaceSnapshot(path, states); err != nil {
			return err
		}
		if view, err = registry.Read(where.path); err == nil && reflect.DeepEqual(states, view.States()) {
			return nil
		}
	}
	return err
}

// replaceSnapshot replaces data.json atomically; it keeps its mode, and its
// owner is that of the folder.
func replaceSnapshot(path string, states []registry.State) error {
	mode := fs.FileMode(0o600)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	order.By(states, func(a, b registry.State) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Key, b.Key))
	})
	// The tailer's own temporary file has another name.
	temp := path + ".sync"
	unlock, err := lockFolder(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { _ = unlock() }() // the end of the process unlocks, too
	return durable.Replace(temp, path, mode, func(w io.Writer) error {
		entries := make([]snapshotEntry, len(states))
		for i, s := range states {
			entries[i] = snapshotEntryOf(s)
		}
		data, err := json.Marshal(entries)
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
}

// lockFolder keeps a second sync from the same temporary file, and waits for
// a cleaner.
func lockFolder(path string) (unlock func() error, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}

package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/uuid/v5"

	"sluice/internal/durable"
)

const (
	metaName = "meta.json"

	version0 = "0" // data.json is the store
	version1 = "1" // log.json and checkpoints are

	// What Filebeat writes for a new store, and after a migration.
	freshVersion    = `{"version":"1"}`
	migratedVersion = `{"version": "1"}`

	// What Filebeat 7.0 to 7.8 writes.
	oldVersion = `{"version": "0"}`
)

// errMeta is a meta.json whose content is no store's version.
var errMeta = errors.New("is not a registry's version")

// readVersion returns the version of a store's folder. A missing or unreadable
// meta.json is worked out from the files beside it; found is then what the
// file's state is (fs.ErrNotExist or errMeta). err is for the user to mend.
func readVersion(dir string) (version string, found, err error) {
	path := filepath.Join(dir, metaName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrPermission) {
		return "", nil, err
	}
	if err == nil {
		if version, ok := parseVersion(b); ok {
			if version != version0 && version != version1 {
				return "", nil, fmt.Errorf("%s: version %q is not known here (only 0 and 1 are): use the program that wrote it, or move the folder %s away to start anew", path, version, dir)
			}
			return version, nil, nil
		}
		err = errMeta
	}
	found = err
	version, err = guessVersion(dir)
	return version, found, err
}

func parseVersion(b []byte) (string, bool) {
	var m struct {
		Version *string `json:"version"`
	}
	if json.Unmarshal(b, &m) != nil || m.Version == nil || *m.Version == "" {
		return "", false
	}
	return *m.Version, true
}

// guessVersion is version 0 for a folder that has a data.json and nothing of
// version 1.
func guessVersion(dir string) (string, error) {
	ids, err := listCheckpoints(dir)
	if err != nil {
		return "", err
	}
	if len(ids) > 0 || exists(filepath.Join(dir, journalName)) || !exists(filepath.Join(dir, snapshotName)) {
		return version1, nil
	}
	return version0, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// writeText replaces a small file.
func writeText(path, text string, perm fs.FileMode) error {
	return durable.WriteFile(path, perm, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
}

// AgentID returns the agent's id, a UUID, from <dataDir>/meta.json, Filebeat's
// file {"uuid":"…","first_start":"…"}. A missing file is created; one that
// cannot be understood is set aside as meta.json.bad-<time> and replaced.
func AgentID(dataDir string) (string, error) {
	id, _, err := agentID(dataDir)
	return id, err
}

// agentID is AgentID; aside is the name that a bad file was given.
func agentID(dataDir string) (id, aside string, err error) {
	path := filepath.Join(dataDir, metaName)
	b, err := os.ReadFile(path)
	switch {
	case err == nil:
		if id, ok := parseAgent(b); ok {
			return id, "", nil
		}
		if aside, err = setAside(damage{path: path}, 0o600); err != nil {
			return "", "", err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return "", "", fmt.Errorf("agent id: %w", err)
	}
	u, err := uuid.NewV4()
	if err != nil {
		return "", aside, fmt.Errorf("agent id: %w", err)
	}
	if err := durable.MkdirAll(dataDir, dirPerm); err != nil {
		return "", aside, fmt.Errorf("agent id: %w", err)
	}
	if err := writeText(path, agentText(u.String(), time.Now()), 0o600); err != nil {
		return "", aside, fmt.Errorf("agent id: %w", err)
	}
	return u.String(), aside, nil
}

// FirstStart returns when this installation ran for the first time, from
// <dataDir>/meta.json, which AgentID has made. A file of an older Filebeat does
// not say it: then it is now, and that is added to the file.
func FirstStart(dataDir string) (time.Time, error) {
	path := filepath.Join(dataDir, metaName)
	b, err := os.ReadFile(path)
	if err != nil {
		return time.Time{}, fmt.Errorf("first start: %w", err)
	}
	var m struct {
		FirstStart time.Time `json:"first_start"`
	}
	if json.Unmarshal(b, &m) == nil && !m.FirstStart.IsZero() {
		return m.FirstStart, nil
	}
	id, ok := parseAgent(b)
	if !ok {
		return time.Time{}, fmt.Errorf("first start: %s holds no agent id", path)
	}
	now := time.Now()
	if err := writeText(path, agentText(id, now), 0o600); err != nil {
		return time.Time{}, fmt.Errorf("first start: %w", err)
	}
	return now, nil
}

// agentText is the content of Filebeat's file about the agent.
func agentText(id string, firstStart time.Time) string {
	return fmt.Sprintf("{\"uuid\":%q,\"first_start\":%q}\n", id, firstStart.Format(time.RFC3339Nano))
}

func parseAgent(b []byte) (string, bool) {
	var m struct {
		UUID string `json:"uuid"`
	}
	if json.Unmarshal(b, &m) != nil {
		return "", false
	}
	u, err := uuid.FromString(m.UUID)
	if err != nil || u.IsNil() {
		return "", false
	}
	return m.UUID, true
}

package registry

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

const lockName = "filebeat.lock"

// ErrLocked is returned by Open while another process has the registry open.
var ErrLocked = errors.New("is in use by another sluice or Filebeat")

// takeLock takes Filebeat's lock of the data folder. The file stays when it is
// released: removing it would let two processes lock two files of one name.
func takeLock(dataDir string) (*flock.Flock, error) {
	path := filepath.Join(dataDir, lockName)
	for {
		lock := flock.New(path)
		ok, err := lock.TryLock()
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !ok {
			return nil, fmt.Errorf("%s %w (%s is locked): stop that one, or give this one a path.data of its own", dataDir, ErrLocked, lockName)
		}
		// Filebeat removes the file at its end: it may be another one by now.
		held, err1 := lock.Stat()
		named, err2 := os.Stat(path)
		if err1 == nil && err2 == nil && os.SameFile(held, named) {
			return lock, nil
		}
		if err := lock.Unlock(); err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
}

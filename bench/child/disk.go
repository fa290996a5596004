package child

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// sector is the unit of /sys/dev/block/*/stat, in bytes.
const sector = 512

// DiskWritten returns the bytes that were ever written to the block device
// below a folder, after everything has been written that waits for it. ok is
// false when there is no such device (tmpfs, overlay).
//
// It counts the whole machine's writes. write_bytes of /proc/PID/io would be
// the process' own, but counts a whole folio, which can be 1 MiB, for every
// byte that changes in it.
func DiskWritten(folder string) (bytes int64, ok bool) {
	f, err := os.Open(folder)
	if err != nil {
		return 0, false
	}
	defer f.Close() // only read
	var st unix.Stat_t
	if unix.Syncfs(int(f.Fd())) != nil || unix.Fstat(int(f.Fd()), &st) != nil {
		return 0, false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/stat", unix.Major(st.Dev), unix.Minor(st.Dev)))
	columns := strings.Fields(string(stat))
	if err != nil || len(columns) < 7 {
		return 0, false
	}
	if _, err := fmt.Sscan(columns[6], &bytes); err != nil {
		return 0, false
	}
	return bytes * sector, true
}

package registry

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// victim is the child of TestKilledProcessKeepsWhatItReportedSynced: it goes on
// from the registry's offset, and prints every offset once it is durable.
func victim(dataDir string) {
	r, err := Open(dataDir, DefaultConfig(), zerolog.Nop())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	s, ok := r.Get(logState(1, 0).Key)
	if !ok {
		s = logState(1, 0)
	}
	for {
		s.Offset++
		r.Commit(s)
		for i := range uint64(5) {
			r.Commit(logState(10+i, s.Offset))
		}
		if err := r.Sync(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		if s.Offset%10 == 0 {
			if err := r.Snapshot(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(3)
			}
		}
		fmt.Println(s.Offset)
	}
}

// TestKilledProcessKeepsWhatItReportedSynced kills a writer again and again,
// at different distances, over several checkpoints.
func TestKilledProcessKeepsWhatItReportedSynced(t *testing.T) {
	dataDir := t.TempDir()
	last, checkpoints := int64(0), 0
	for _, lines := range []int{1, 7, 60, 45, 130} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "REGISTRY_TEST_VICTIM="+dataDir)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		scan := bufio.NewScanner(out)
		for n := 1; scan.Scan(); n++ {
			if last, err = strconv.ParseInt(scan.Text(), 10, 64); err != nil {
				t.Fatal(err)
			}
			if n == lines {
				cmd.Process.Kill() // and read what it still reported
			}
		}
		cmd.Wait()
		if stderr.Len() > 0 {
			t.Fatalf("victim: %s", stderr.String())
		}
		v, err := Read(store(dataDir))
		if err != nil {
			t.Fatal(err)
		}
		got := offsets(v.States())
		if n := got[logState(1, 0).Key]; n < last {
			t.Fatalf("offset %d on disk, %d was reported synced", n, last)
		}
		r := open(t, dataDir)
		for key, want := range got {
			if s, ok := r.Get(key); !ok || s.Offset != want {
				t.Errorf("%s: opened at %d, on disk %d", key, s.Offset, want)
			}
		}
		closeAll(t, r)
		mustBeFilebeats(t, store(dataDir), r.States())
		ids, err := listCheckpoints(store(dataDir))
		if err != nil {
			t.Fatal(err)
		}
		checkpoints += len(ids)
	}
	if checkpoints == 0 {
		t.Error("no checkpoint was made: the test is too short")
	}
}

package registry

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

const oldArray = `[{"source":"/a","offset":9,"timestamp":"2026-11-21T19:42:35.39+01:00","ttl":-1,"type":"log","meta":{},"FileStateOS":{"inode":5,"device":6}}]`

func openWith(t *testing.T, dataDir string, change func(c *Config)) (*Registry, error) {
	t.Helper()
	cfg := DefaultConfig()
	change(&cfg)
	return Open(dataDir, cfg, zerolog.Nop())
}

func TestMigrateFileIsTakenOverOnce(t *testing.T) {
	for name, relative := range map[string]bool{"absolute": false, "relative to path.data": true} {
		t.Run(name, func(t *testing.T) {
			dataDir := t.TempDir()
			file := filepath.Join(dataDir, "old", "registry6")
			write(t, file, oldArray)
			migrate := func(c *Config) {
				c.MigrateFile = file
				if relative {
					c.MigrateFile = "old/registry6"
				}
			}
			r, err := openWith(t, dataDir, migrate)
			if err != nil {
				t.Fatal(err)
			}
			if got := offsets(r.States()); !reflect.DeepEqual(got, map[string]int64{"filebeat::logs::native::5-6": 9}) {
				t.Errorf("got %v", got)
			}
			mustBeFilebeats(t, store(dataDir), r.States())
			r.Forget("filebeat::logs::native::5-6")
			closeAll(t, r)
			if got := read(t, file); got != oldArray {
				t.Errorf("the file is now %s", got)
			}
			r, err = openWith(t, dataDir, migrate)
			if err != nil {
				t.Fatal(err)
			}
			defer closeAll(t, r)
			if got := r.States(); len(got) > 0 {
				t.Errorf("taken over a second time: %v", got)
			}
		})
	}
}

func TestMigrateFileYieldsToARegistryThatIsThere(t *testing.T) {
	dataDir := t.TempDir()
	r := open(t, dataDir)
	r.Commit(logState(1, 70))
	closeAll(t, r)
	write(t, filepath.Join(dataDir, "registry6"), oldArray)
	r, err := openWith(t, dataDir, func(c *Config) { c.MigrateFile = "registry6" })
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(t, r)
	if got := offsets(r.States()); !reflect.DeepEqual(got, map[string]int64{logState(1, 0).Key: 70}) {
		t.Errorf("got %v", got)
	}
}

func TestMigrateFileContinuesAfterACrash(t *testing.T) {
	dataDir := t.TempDir()
	write(t, filepath.Join(dataDir, "registry6"), `[]`)
	write(t, filepath.Join(store(dataDir), snapshotName), oldArray) // meta.json was not yet written
	r, err := openWith(t, dataDir, func(c *Config) { c.MigrateFile = "registry6" })
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(t, r)
	if got := r.States(); len(got) != 1 || got[0].Offset != 9 {
		t.Errorf("got %+v", got)
	}
}

func TestMigrateFileThatCannotBeUsed(t *testing.T) {
	t.Run("missing", func(t *testing.T) {
		r, err := openWith(t, t.TempDir(), func(c *Config) { c.MigrateFile = "nowhere" })
		if err != nil {
			t.Fatal(err)
		}
		closeAll(t, r)
	})
	t.Run("a folder", func(t *testing.T) {
		dataDir := t.TempDir()
		_, err := openWith(t, dataDir, func(c *Config) { c.MigrateFile = dataDir })
		if err == nil || !strings.Contains(err.Error(), "registry.migrate_file: "+dataDir+" is not a file") {
			t.Errorf("%v", err)
		}
	})
	t.Run("half of one", func(t *testing.T) {
		dataDir := t.TempDir()
		file := filepath.Join(dataDir, "registry6")
		write(t, file, strings.TrimSuffix(oldArray, "]")+`,{"source":"/b","off`)
		r, err := openWith(t, dataDir, func(c *Config) { c.MigrateFile = file })
		if err != nil {
			t.Fatal(err)
		}
		defer closeAll(t, r)
		if got := r.States(); len(got) != 1 || got[0].Offset != 9 {
			t.Errorf("got %+v", got)
		}
		if got := setAsideNames(t, store(dataDir)); !reflect.DeepEqual(got, []string{snapshotName}) {
			t.Errorf("set aside: %v", got)
		}
	})
}

func TestFilePermissionsHoldForFilesThatAreThere(t *testing.T) {
	dataDir := t.TempDir()
	if err := os.CopyFS(dataDir, os.DirFS("testdata/samples/v1-after-migration-7.7-to-9.0")); err != nil {
		t.Fatal(err)
	}
	r, err := openWith(t, dataDir, func(c *Config) { c.FilePermissions = 416 }) // 0640 as a plain number
	if err != nil {
		t.Fatal(err)
	}
	r.Commit(logState(1, 70))
	closeAll(t, r)
	entries, err := os.ReadDir(store(dataDir))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if fi, err := e.Info(); err != nil || fi.Mode() != 0o640 {
			t.Errorf("%s: %v, %v", e.Name(), fi.Mode(), err)
		}
	}
	if len(entries) < 5 {
		t.Errorf("%d files", len(entries))
	}
}

func TestPathIsBelowPathData(t *testing.T) {
	dataDir, elsewhere := t.TempDir(), t.TempDir()
	for path, want := range map[string]string{"deep/reg": filepath.Join(dataDir, "deep/reg"), elsewhere: elsewhere} {
		r, err := openWith(t, dataDir, func(c *Config) { c.Path = path })
		if err != nil {
			t.Fatal(err)
		}
		closeAll(t, r)
		if !exists(filepath.Join(want, "filebeat", metaName)) {
			t.Errorf("path %s: no registry in %s", path, want)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	for want, change := range map[string]func(c *Config){
		"cleanup_interval: -1s is negative: give": func(c *Config) { c.CleanupInterval = -time.Second },
		`backend: "bbolt" is not known here`:      func(c *Config) { c.Backend = "bbolt" },
		"file_permissions: 0400: give":            func(c *Config) { c.FilePermissions = 0o400 },
		"path: is empty: give a folder name":      func(c *Config) { c.Path = "" },
		"flush: -1s is negative: give a time, or": func(c *Config) { c.Flush = -1e9 },
		"snapshot_budget: -1 is negative: give b": func(c *Config) { c.SnapshotBudget = -1 },
	} {
		cfg := DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestConfigTakesWhatFilebeatTakes(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Flush, cfg.CleanupInterval, cfg.FilePermissions = 24*time.Hour, 0, 0o666
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeystoreFileIsFoundWithoutItsKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.yml")
	for _, c := range []struct {
		yaml      string
		overrides []string
		want      string // the path, or a part of the error
	}{
		{"name: ${MISSING}", nil, "/h/data/filebeat.keystore"},
		{"", nil, "/h/data/filebeat.keystore"},
		{"unheard: of", []string{"path.data=/d"}, "/d/filebeat.keystore"},
		{"{keystore.path: k, path.data: '${path.home}/x'}", nil, "/h/x/k"},
		{"keystore.path: /k", nil, "/k"},
		{"keystore.path: ${MISSING}", nil, "keystore.path: ${MISSING} is neither"},
		{"keystore.path: [a]", nil, "keystore.path: "},
		{"tags: [a", nil, "f.yml:"},
	} {
		if err := os.WriteFile(file, []byte(c.yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		path, err := LoadOptions{Brand: Filebeat, Home: "/h"}.KeystoreFile([]string{file}, c.overrides)
		if path != c.want && (err == nil || !strings.Contains(err.Error(), c.want)) || (err != nil) == (path == c.want) {
			t.Errorf("%s %v: %q, %v; want %s", c.yaml, c.overrides, path, err, c.want)
		}
	}
	if path, err := (LoadOptions{}).KeystoreFile(nil, nil); err != nil || path != "/var/lib/sluice/filebeat.keystore" {
		t.Errorf("without a file: %q, %v", path, err)
	}
}

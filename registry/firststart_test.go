package registry

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestFirstStartIsKeptAndAddedWhereItIsMissing(t *testing.T) {
	const id = "3f2c5f7e-8a1b-4c0d-9e6f-0123456789ab"
	for text, want := range map[string]string{
		`{"uuid":"` + id + `","first_start":"2024-02-05T01:07:09.5+01:00"}`: "2024-02-05T00:07:09.5Z",
		`{"uuid":"` + id + `"}`:                           "", // of Filebeat before 7.3
		`{"uuid":"` + id + `","first_start":"yesterday"}`: "",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, metaName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		before := time.Now().Add(-time.Second)
		first, err := FirstStart(dir)
		if err != nil || want != "" && first.UTC().Format(time.RFC3339Nano) != want || want == "" && first.Before(before) {
			t.Errorf("%s gives %v, %v", text, first, err)
		}
		if again, err := FirstStart(dir); err != nil || !again.Equal(first) {
			t.Errorf("%s gives %v, %v the second time", text, again, err)
		}
		if have, err := AgentID(dir); err != nil || have != id {
			t.Errorf("%s: agent id %s, %v", text, have, err)
		}
	}
	if _, err := FirstStart(t.TempDir()); err == nil {
		t.Error("no error without the file")
	}
}

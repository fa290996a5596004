package sketch

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Need skips a test, loudly, when tools are missing, and fails it in CI.
func Need(t testing.TB, missing []string, packages string) {
	t.Helper()
	if len(missing) == 0 {
		return
	}
	text := fmt.Sprintf("NOT TESTED, missing: %s\n\tapt-get install %s", strings.Join(missing, " "), packages)
	if os.Getenv("CI") != "" {
		t.Fatal(text)
	}
	t.Skip(text)
}

package esnode

import (
	"fmt"
	"os"
	"testing"
)

// Nodes take minutes and several hundred MB: they are for make test-elasticsearch.
func TestMain(m *testing.M) {
	if os.Getenv("ELASTIC") == "" {
		fmt.Println("skipped: real nodes are for make test-elasticsearch (ELASTIC=1)")
		return
	}
	os.Exit(m.Run())
}

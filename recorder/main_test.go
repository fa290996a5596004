package recorder

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("RECORDER_TEST_CHILD"); dir != "" {
		childRecorder(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

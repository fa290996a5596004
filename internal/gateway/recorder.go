package gateway

import (
	"github.com/rs/zerolog"

	"sluice/config"
	"sluice/recorder"
)

// NewRecorder prepares the recorder: its spool is checked and locked.
func NewRecorder(cfg *config.Config, log zerolog.Logger) (*recorder.Recorder, error) {
	if err := cfg.NothingToRecord(); err != nil {
		return nil, err
	}
	return recorder.New(*cfg.Recorder, component(log, "recorder"))
}

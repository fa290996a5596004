package processor

import "sluice/internal/event"

// Drops the event; without when, every event. Filebeat: drop_event.
type dropEvent struct {
	Common `config:",squash"`
}

func (*dropEvent) Validate() error { return nil }

func (*dropEvent) compile(Env) (step, error) { return dropStep{}, nil }

type dropStep struct{}

func (dropStep) run(*event.Event) (drop bool, err error) { return true, nil }

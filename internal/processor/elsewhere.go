package processor

import "sluice/internal/event"

// Does nothing: it is in the filebeat.yml that Filebeat ships, and finds
// nothing off a cloud, a container or a cluster. With any option but when it
// is refused. Filebeat: add_cloud_metadata, add_docker_metadata,
// add_kubernetes_metadata.
type elsewhere struct {
	Common `config:",squash"`
}

func (*elsewhere) Validate() error { return nil }

func (*elsewhere) compile(Env) (step, error) { return elsewhereStep{}, nil }

func (*elsewhere) warnings() []*OptionError {
	return []*OptionError{{"", "has no effect: a gateway is in no cloud, container or cluster; remove it"}}
}

type elsewhereStep struct{}

func (elsewhereStep) run(*event.Event) (drop bool, err error) { return false, nil }

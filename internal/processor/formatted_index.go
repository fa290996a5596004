package processor

import (
	"fmt"

	"sluice/internal/event"
	"sluice/internal/formatstring"
)

// Asks for an index as @metadata.raw_index, made of the event's fields. An
// event that lacks one of them stays as it is. Filebeat: add_formatted_index.
type addFormattedIndex struct {
	// Index is the index with its parts in %{…}:
	// %{[fields.kind]}-%{[agent.version]}-%{+yyyy.MM.dd}. Required.
	Index string `config:"index"`

	Common `config:",squash"`
}

func (o *addFormattedIndex) Validate() error {
	if err := required("index", o.Index != "", "'%{[fields.kind]}-%{+yyyy.MM.dd}'"); err != nil {
		return err
	}
	if _, err := formatstring.Parse(o.Index); err != nil {
		return fault("index", "%s", err)
	}
	return nil
}

func (o *addFormattedIndex) compile(env Env) (step, error) {
	format, err := formatstring.Parse(o.Index)
	if err != nil {
		return nil, fault("index", "%s", err)
	}
	known := map[string]string{ // before the event has them
		"agent.name": env.Name, "beat.name": env.Name,
		"agent.version": env.Version, "beat.version": env.Version, "observer.version": env.Version,
	}
	return change(func(e *event.Event) error {
		index, err := format.Append(nil, e.Time, func(field string) (any, error) {
			if text := known[field]; text != "" {
				return text, nil
			}
			return e.Get(field)
		})
		if err != nil {
			return fmt.Errorf("make the index: %w", err)
		}
		_, err = e.Put("@metadata.raw_index", string(index))
		return err
	}), nil
}

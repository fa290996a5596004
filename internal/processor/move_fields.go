package processor

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"sluice/internal/event"
)

// Moves fields of a section elsewhere, or puts a prefix before their names. An
// error leaves the event as it is: Filebeat loses the event then. Filebeat:
// move_fields.
type moveFields struct {
	// From is the section whose fields move. Default: the event itself.
	From string `config:"from"`
	// Fields are the fields that move, by their names in the section. Default:
	// all.
	Fields []string `config:"fields"`
	// Exclude are the fields that stay. Default: none.
	Exclude []string `config:"exclude"`
	// To is put before the names; "rpc." moves them into the section rpc.
	// Default: nothing, they move to the top level.
	To string `config:"to"`
	// IgnoreMissing takes fields that are not there for no error. Default: false.
	IgnoreMissing bool `config:"ignore_missing"`

	Common `config:",squash"`
}

func (o *moveFields) Validate() error {
	if o.From == "" && o.To == "" && len(o.Fields) == 0 {
		return fault("to", "is required: the prefix of the new names, for example rpc.")
	}
	return nil
}

func (o *moveFields) compile(Env) (step, error) {
	return change(func(e *event.Event) error {
		moved, err := o.take(e)
		if err != nil {
			return err
		}
		var backup *event.Event
		if len(moved) > 0 {
			backup = e.Clone()
		}
		if err := o.move(e, moved); err != nil {
			*e = *backup
			return err
		}
		return nil
	}), nil
}

// moving is a field on its way.
type moving struct {
	from, to string
	value    any
}

// take finds what moves.
func (o *moveFields) take(e *event.Event) (list []moving, err error) {
	section, prefix := e.Fields, ""
	if o.From != "" {
		v, missing, err := fetch(e, o.From, o.IgnoreMissing)
		if err != nil || missing {
			return nil, err
		}
		inner, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("move from %s: it is a %T, no section", o.From, v)
		}
		section, prefix = inner, o.From+"."
	}
	names := o.Fields
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(section))
	}
	for _, name := range names {
		if slices.Contains(o.Exclude, name) {
			continue
		}
		v, err := event.Get(section, name)
		if err != nil {
			if o.IgnoreMissing && errors.Is(err, event.ErrNotFound) {
				continue
			}
			return nil, fmt.Errorf("move %s%s: %w", prefix, name, err)
		}
		list = append(list, moving{prefix + name, o.To + name, v})
	}
	return list, nil
}

// move deletes first, so that a may become a.b, then sets.
func (o *moveFields) move(e *event.Event, list []moving) error {
	for _, m := range list {
		if err := e.Delete(m.from); err != nil && !errors.Is(err, event.ErrNotFound) {
			return fmt.Errorf("move %s: %w", m.from, err)
		}
	}
	for _, m := range list {
		if _, err := e.Put(m.to, m.value); err != nil {
			return fmt.Errorf("move %s to %s: %w", m.from, m.to, err)
		}
	}
	return nil
}

package config

import "reflect"

// Decode reads a file without asking whether its values are usable.
func Decode(name string, data []byte) (*Config, error) {
	var f faults
	root := parse(name, 0, data, &f)
	cfg := DefaultConfig()
	d := newDecoder(&f)
	if root != nil {
		d.decode(root, reflect.ValueOf(&cfg).Elem(), "", false)
	}
	return &cfg, f.err()
}

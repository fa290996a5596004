package schema

import "reflect"

// Union is a section that is one of several kinds, each with options of its
// own: an entry of processors, of parsers, or file_identity. The name of the
// kind is the name of a section in it: {add_tags: {tags: [a]}}. Fields of the
// struct with config tags are options beside the kind.
type Union interface {
	// Kinds lists the names of which exactly one chooses what the section is.
	Kinds() []string
	// Choose makes it one of that kind and returns a pointer to its options, a
	// struct with config tags and its defaults; nil if it has none.
	Choose(kind string) any
}

// Chosen is a Union that tells what it is, for dumps.
type Chosen interface {
	// Kind is the chosen kind, empty before the choice.
	Kind() string
	// Options is what Choose returned.
	Options() any
}

var union = reflect.TypeFor[Union]()

// IsUnion tells whether a type, or what it points to, is a Union.
func IsUnion(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && reflect.PointerTo(t).Implements(union)
}

// Kinds lists the kinds of a union's type.
func Kinds(t reflect.Type) []string { return reflect.New(t).Interface().(Union).Kinds() }

// KindOptions returns the type of a kind's options; nil if it has none.
func KindOptions(t reflect.Type, kind string) reflect.Type {
	options := reflect.ValueOf(reflect.New(t).Interface().(Union).Choose(kind))
	if !options.IsValid() || options.Kind() != reflect.Pointer || options.IsNil() {
		return nil
	}
	return options.Type().Elem()
}

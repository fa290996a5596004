package render

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/config/internal/schema"
)

// value writes a scalar, a list of scalars or a map on one line.
func (w *Writer) value(v reflect.Value, o schema.Option, name string) string {
	switch {
	case v.Type() == schema.Duration:
		return Duration(time.Duration(v.Int()))
	case o.Bytes && v.CanInt():
		return size(v.Int())
	case strings.HasSuffix(o.Name, "permissions") && v.CanInt():
		return fmt.Sprintf("%04o", v.Int())
	case strings.HasSuffix(o.Name, "permissions") && v.CanUint():
		return fmt.Sprintf("%04o", v.Uint())
	}
	return w.plain(v, name)
}

func (w *Writer) plain(v reflect.Value, name string) string {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return "null"
		}
		return w.plain(v.Elem(), name)
	case reflect.String:
		return Quote(w.Shown(name, v.String()))
	case reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = w.plain(v.Index(i), name)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case reflect.Map:
		parts := make([]string, 0, v.Len())
		for _, key := range v.MapKeys() {
			parts = append(parts, Quote(key.String())+": "+w.plain(v.MapIndex(key), name+"."+key.String()))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ", ") + "}"
	case reflect.Float32, reflect.Float64:
		return float(v.Float())
	default:
		return fmt.Sprint(v.Interface())
	}
}

// float writes a number that is read back as a fraction, not as an integer.
func float(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".eIN") {
		s += ".0"
	}
	return s
}

// Duration writes a duration without zero parts: 48h, not 48h0m0s.
func Duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// size writes a number of bytes with the largest unit that divides it.
func size(n int64) string {
	for _, u := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// Quote writes a text so that it is read back as the same text: quoted unless
// it is a plain word that nothing could take for something else.
func Quote(s string) string {
	if strings.Contains(s, "${") || strings.Contains(s, "$$") {
		s = strings.ReplaceAll(s, "$", "$$")
	}
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '/' || c == '<'
		other := c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.' || c == '>'
		if !letter && (i == 0 || !other) {
			return double(s)
		}
	}
	if s == "" || slices.Contains([]string{"true", "false", "yes", "no", "on", "off", "y", "n", "null"}, strings.ToLower(s)) {
		return double(s)
	}
	return s
}

// double writes a double-quoted YAML text.
func double(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

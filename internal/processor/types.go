package processor

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// convertTo converts a value to a type of convert or dissect.
func convertTo(typ string, v any) (any, error) {
	switch strings.ToLower(typ) {
	case "integer":
		return toInteger(v)
	case "long":
		return toLong(v)
	case "float":
		return toFloat(v, 32)
	case "double":
		return toFloat(v, 64)
	case "boolean":
		return toBoolean(v)
	case "ip":
		return toIP(v)
	case "string":
		return toText(v)
	}
	return nil, fmt.Errorf("no type %q", typ)
}

// isType says whether a name is a type of convertTo.
func isType(name string) bool {
	switch strings.ToLower(name) {
	case "integer", "long", "float", "double", "boolean", "ip", "string":
		return true
	}
	return false
}

func noConversion(v any, typ string) error {
	return fmt.Errorf("unable to convert value [%s]: a %T is no %s", shown(v), v, typ)
}

// toInteger gives 32 bits: integers are cut to them, and fractions that are
// too large become the smallest one, as on Filebeat's processors.
func toInteger(v any) (any, error) {
	switch v := v.(type) {
	case string:
		i, err := parseInteger(v, 32)
		if err != nil {
			return nil, fmt.Errorf("unable to convert value [%s]: %w", v, err)
		}
		return i, nil
	case float64:
		return fromFloat(v, math.MinInt32, math.MaxInt32), nil
	case float32:
		return fromFloat(float64(v), math.MinInt32, math.MaxInt32), nil
	}
	if i, ok := integer(v); ok {
		return int64(int32(i)), nil
	}
	return nil, noConversion(v, "integer")
}

func toLong(v any) (any, error) {
	switch v := v.(type) {
	case string:
		i, err := parseInteger(v, 64)
		if err != nil {
			return nil, fmt.Errorf("unable to convert value [%s]: %w", v, err)
		}
		return i, nil
	case float64:
		return fromFloat(v, math.MinInt64, math.MaxInt64), nil
	case float32:
		return fromFloat(float64(v), math.MinInt64, math.MaxInt64), nil
	}
	if i, ok := integer(v); ok {
		return i, nil
	}
	return nil, noConversion(v, "long")
}

// parseInteger reads a decimal number, which may begin with zeros, or a
// hexadecimal one behind 0x.
func parseInteger(text string, bits int) (int64, error) {
	base := 10
	if digits := strings.TrimLeft(text, "+-"); strings.HasPrefix(digits, "0x") || strings.HasPrefix(digits, "0X") {
		base = 0
	}
	return strconv.ParseInt(text, base, bits)
}

// fromFloat cuts a fraction off; what is out of range becomes least.
func fromFloat(f float64, least, most int64) int64 {
	f = math.Trunc(f)
	if math.IsNaN(f) || f < float64(least) || f > float64(most) || f >= 1<<63 {
		return least
	}
	return int64(f)
}

// toFloat gives a float32 or a float64.
func toFloat(v any, bits int) (any, error) {
	f, ok := 0.0, false
	if text, isText := v.(string); isText {
		var err error
		if f, err = strconv.ParseFloat(text, bits); err != nil {
			return nil, fmt.Errorf("unable to convert value [%s]: %w", text, err)
		}
	} else if f, ok = number(v); !ok {
		return nil, noConversion(v, "number")
	}
	if bits == 32 {
		return float32(f), nil
	}
	return f, nil
}

func toBoolean(v any) (any, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case string:
		b, err := strconv.ParseBool(v)
		if err != nil {
			return nil, fmt.Errorf("unable to convert value [%s]: %w", v, err)
		}
		return b, nil
	}
	return nil, noConversion(v, "boolean")
}

func toIP(v any) (any, error) {
	text, ok := v.(string)
	if !ok {
		return nil, noConversion(v, "ip")
	}
	if a, err := netip.ParseAddr(text); err != nil || a.Zone() != "" {
		return nil, fmt.Errorf("unable to convert value [%s]: value is not a valid IP address", text)
	}
	return text, nil
}

func toText(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, fmt.Errorf("unable to convert value: nothing is no text")
	case string:
		return v, nil
	}
	return shown(v), nil
}

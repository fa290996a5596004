package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// isNullText tells whether an unquoted text is YAML's null.
func isNullText(s string) bool {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return true
	}
	return false
}

// boolean reads a YAML 1.1 boolean.
func boolean(s string) (value, ok bool) {
	switch s {
	case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y":
		return true, true
	case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N":
		return false, true
	}
	return false, false
}

// number reads an integer in YAML 1.1's forms: decimal, 0x, 0b, 0o and octal
// with a leading 0; underscores between digits are allowed.
func number(s string) (int64, bool) {
	i, err := strconv.ParseInt(strings.TrimPrefix(s, "+"), 0, 64)
	return i, err == nil
}

// unsigned reads an integer above the range of int64, too.
func unsigned(s string) (uint64, bool) {
	u, err := strconv.ParseUint(strings.TrimPrefix(s, "+"), 0, 64)
	return u, err == nil
}

// float reads a decimal fraction or YAML's .inf and .nan.
func float(s string) (float64, bool) {
	switch strings.ToLower(s) {
	case ".inf", "+.inf":
		return math.Inf(1), true
	case "-.inf":
		return math.Inf(-1), true
	case ".nan":
		return math.NaN(), true
	}
	if s == "" || !strings.ContainsAny(s[:1], "+-.0123456789") || strings.ContainsAny(s, "xXpPnN_") {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

// untyped gives a scalar the type that its text has, for options that take
// anything (fields).
func untyped(n *node) any {
	if !n.plain {
		return n.text
	}
	if b, ok := boolean(n.text); ok {
		return b
	}
	if i, ok := number(n.text); ok {
		return i
	}
	if u, ok := unsigned(n.text); ok {
		return u
	}
	if f, ok := float(n.text); ok && !math.IsInf(f, 0) && !math.IsNaN(f) {
		return f
	}
	return n.text
}

var errRange = errors.New("out of range")

// ParseDuration reads a duration as the configuration does: Go's form, or a
// plain number of seconds.
func ParseDuration(s string) (time.Duration, error) { return duration(s) }

// duration reads Go's form or a plain number of seconds.
func duration(s string) (time.Duration, error) {
	if f, ok := float(s); ok {
		nanos := f * float64(time.Second)
		if math.IsNaN(nanos) || math.Abs(nanos) >= math.MaxInt64 {
			return 0, errRange
		}
		return time.Duration(math.Round(nanos)), nil
	}
	return time.ParseDuration(s)
}

// units are the factors of sizes, longest suffix first.
var units = []struct {
	suffix string
	factor float64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
	{"ki", 1 << 10}, {"mi", 1 << 20}, {"gi", 1 << 30}, {"ti", 1 << 40},
	{"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"t", 1e12}, {"b", 1},
}

// size reads a number of bytes with or without a unit.
func size(s string) (int64, error) {
	if i, ok := number(s); ok {
		return i, nil
	}
	lower := strings.ToLower(s)
	for _, u := range units {
		digits, ok := strings.CutSuffix(lower, u.suffix)
		if !ok {
			continue
		}
		f, ok := float(strings.TrimSpace(digits))
		if !ok {
			break
		}
		bytes := f * u.factor
		if math.IsNaN(bytes) || math.Abs(bytes) >= math.MaxInt64 {
			return 0, errRange
		}
		return int64(bytes), nil
	}
	return 0, errors.New("no size")
}

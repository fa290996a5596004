package tailer

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// validateFields refuses configured fields that Logstash would answer by
// dropping the connection, for ever.
func validateFields(option string, fields map[string]any, underRoot bool) error {
	if !underRoot {
		return validateValue(option, fields)
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		name := option + "." + key
		switch _, isMap := fields[key].(map[string]any); {
		case key == "@timestamp":
			continue // the event's own stays, as in Filebeat
		case key == "@metadata":
			return fault(name, "with fields_under_root would replace the event's own %s; choose another name", key)
		case (key == "beat" || key == "event" || key == "log" || key == "agent") && !isMap:
			return fault(name, "with fields_under_root must be an object, since Logstash and Elasticsearch expect one there; choose another name")
		case key == "tags" && isMap:
			return fault(name, "with fields_under_root would replace the tags by an object; write a list")
		case strings.ContainsAny(key, "[]"):
			return fault(name, "holds [ or ], which Logstash reads as a field reference; choose another name")
		}
	}
	return validateValue(option, fields)
}

func validateValue(name string, v any) error {
	switch v := v.(type) {
	case string:
		if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
			return fault(name, "is no valid UTF-8 text")
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if err := validateValue(name+"."+k, v[k]); err != nil {
				return err
			}
		}
	case []any:
		for i, e := range v {
			if err := validateValue(name+"."+strconv.Itoa(i), e); err != nil {
				return err
			}
		}
	default:
		if _, err := json.Marshal(v); err != nil {
			return fault(name, "can't stand in JSON: %v", err)
		}
	}
	return nil
}

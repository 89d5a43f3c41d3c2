package seed

import (
	"encoding/json"
	"fmt"
)

// asRead is a value as it looks when it is read from JSON.
func asRead(v any) (read any) {
	text, _ := json.Marshal(v) // an experiment has neither NaN nor infinity
	_ = json.Unmarshal(text, &read)
	return read
}

// missing compares what was sent with what was read, which may have more members. It returns the first difference with its path,
// or nothing.
func missing(sent, read any, path string) string {
	switch sent := sent.(type) {
	case map[string]any:
		object, ok := read.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s is %T", path, read)
		}
		for key, value := range sent {
			found, ok := object[key]
			if !ok {
				return path + "." + key + " is missing"
			}
			if differs := missing(value, found, path+"."+key); differs != "" {
				return differs
			}
		}
	case []any:
		list, ok := read.([]any)
		if !ok || len(list) != len(sent) {
			return fmt.Sprintf("%s has %d elements, not %d", path, len(list), len(sent))
		}
		for i, value := range sent {
			if differs := missing(value, list[i], fmt.Sprintf("%s[%d]", path, i)); differs != "" {
				return differs
			}
		}
	default:
		if sent != read {
			return fmt.Sprintf("%s is %v, not %v", path, read, sent)
		}
	}
	return ""
}

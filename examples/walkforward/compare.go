package main

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// missing compares what was sent with what was read, which may have more keys. It returns the first difference with its
// path, or nothing. Numbers are compared by value, for databases spell them their own way.
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
		return ""
	case []any:
		list, ok := read.([]any)
		if !ok || len(list) != len(sent) {
			return fmt.Sprintf("%s has %d elements, not %d", path, len(list), len(sent))
		}
		for i, value := range sent {
			if differs := missing(value, list[i], path+"["+strconv.Itoa(i)+"]"); differs != "" {
				return differs
			}
		}
		return ""
	case json.Number:
		number, ok := read.(json.Number)
		a, errA := sent.Float64()
		b, errB := number.Float64()
		if ok && errA == nil && errB == nil && a == b {
			return ""
		}
	default:
		if sent == read {
			return ""
		}
	}
	return fmt.Sprintf("%s is %v, not %v", path, read, sent)
}

package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	usualTokens   = 2000
	mostTokens    = 20000
	bytesPerToken = 4
)

// handler calls a tool. What a route refuses is a result that is an error, in its words, so that the agent can mend its arguments.
func (t tool) handler(call agentCall) mcp.ToolHandler {
	return func(_ context.Context, r *mcp.CallToolRequest) (result *mcp.CallToolResult, err error) {
		defer func() {
			if p := recover(); p != nil { // serve gives up an answer that it has begun
				if aborted, ok := p.(error); !ok || !errors.Is(aborted, http.ErrAbortHandler) {
					panic(p)
				}
				result, err = say("internal: the answer was cut off", true), nil
			}
		}()
		if len(r.Params.Arguments) > 0 {
			if call.arguments, err = decodeNumbers(r.Params.Arguments); err != nil {
				return say("invalid_json: the arguments are no JSON object", true), nil // the agent is told
			}
		}
		tokens := usualTokens
		if n, err := strconv.Atoi(call.text("tokens")); err == nil {
			tokens = min(max(n, 100), mostTokens)
		}
		answer, err := any(nil), t.check(call.arguments)
		if err == nil {
			answer, err = t.read(call)
		}
		if refused := (refusal{}); errors.As(err, &refused) {
			return say(refused.text, true), nil
		} else if err != nil {
			return nil, err
		}
		text, err := fit(answer, tokens*bytesPerToken)
		if err != nil {
			return nil, err
		}
		return say(text, false), nil
	}
}

func say(text string, failed bool) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}, IsError: failed}
}

// fit writes an answer in at most so many bytes: numbers have six digits, and while it is too long, its longest list loses its second half,
// or its longest text or object its all. left_out says what is missing.
func fit(answer any, most int) (string, error) {
	answer = short(answer)
	leftOut := map[string]string{}
	for {
		whole := answer
		if object, ok := answer.(map[string]any); ok && len(leftOut) > 0 {
			object["left_out"] = leftOut
			whole = object
		}
		text, err := json.Marshal(whole)
		if err != nil || len(text) <= most {
			return string(text), err
		}
		cut := longest(answer, "")
		if cut.do == nil {
			return "", fmt.Errorf("an answer of %d bytes has nothing to leave out", len(text))
		}
		leftOut[cut.path] = cut.do()
	}
}

// part is a part of an answer that can be left out.
type part struct {
	path string
	size int
	list bool
	do   func() (said string)
}

// longest finds the list that takes most, unless something else takes twice as much.
func longest(v any, path string) (best part) {
	object, ok := v.(map[string]any)
	if !ok {
		return part{}
	}
	for name, member := range object {
		if name == "left_out" {
			continue
		}
		text, _ := json.Marshal(member)
		found := part{path: strings.TrimPrefix(path+"."+name, "."), size: len(text)}
		switch list, isList := member.([]any); {
		case isList && len(list) > 1:
			kept := list[:len(list)/2]
			found.list = true
			found.do = func() string {
				object[name] = kept
				return fmt.Sprintf("only the first %d are here: ask for fewer, for the next, or with more tokens", len(kept))
			}
		default:
			found.do = func() string {
				delete(object, name)
				return fmt.Sprintf("%d bytes: ask with more tokens", len(text))
			}
			if inner := longest(member, found.path); inner.size*2 > found.size {
				found = inner
			}
		}
		if found.size > best.size || found.size == best.size && found.path < best.path {
			best = found
		}
	}
	return best
}

// short is a value with numbers of six digits, and without what is null; a figure is its number, or why there is none.
func short(v any) any {
	switch v := v.(type) {
	case json.Number:
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") && !math.IsInf(f, 0) {
			return json.Number(strconv.FormatFloat(f, 'g', 6, 64))
		}
	case []any:
		for i := range v {
			v[i] = short(v[i])
		}
	case map[string]any:
		if why, ok := v["why"]; ok && len(v) == 2 {
			if v["value"] == nil {
				return why
			}
			return short(v["value"])
		}
		for name, member := range v {
			if member == nil {
				delete(v, name)
				continue
			}
			v[name] = short(member)
		}
	}
	return v
}

// columns makes a table of rows: the names once, and a list for each row of what it has at these paths.
func columns(rows any, paths []string) map[string]any {
	list, _ := rows.([]any)
	table := make([]any, len(list))
	for i, row := range list {
		cells := make([]any, len(paths))
		for j, path := range paths {
			cells[j] = inside(row, path)
		}
		table[i] = cells
	}
	names := make([]any, len(paths))
	for i, path := range paths {
		names[i] = path
	}
	return map[string]any{"columns": names, "rows": table}
}

// inside is what an object has at a path.
func inside(v any, path string) any {
	object, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	if member, ok := object[path]; ok {
		return member
	}
	name, rest, _ := strings.Cut(path, ".")
	return inside(object[name], rest)
}

// namesOf are the names of the numbers that the first rows have in an object.
func namesOf(rows any, object string) (names []any) {
	list, _ := rows.([]any)
	for _, row := range list[:min(len(list), 3)] {
		members, _ := inside(row, object).(map[string]any)
		for name, value := range members {
			if _, ok := value.(json.Number); ok && !slices.Contains(names, any(name)) {
				names = append(names, name)
			}
		}
	}
	slices.SortFunc(names, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return names
}

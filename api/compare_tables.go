package api

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// setting is what runs have at a path of their configuration.
type setting struct {
	Path   string            `json:"path"`
	Values []json.RawMessage `json:"values"`
}

// flatten lists what a JSON object has by the paths of its members; lists stay whole.
func flatten(object json.RawMessage) map[string]string {
	flat := map[string]string{}
	var walk func(path string, text json.RawMessage)
	walk = func(path string, text json.RawMessage) {
		var members map[string]json.RawMessage
		if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) && json.Unmarshal(text, &members) == nil && len(members) > 0 {
			for name, member := range members {
				walk(path+"."+name, member)
			}
			return
		}
		flat[strings.TrimPrefix(path, ".")] = plain(text)
	}
	walk("", object)
	delete(flat, "") // an empty object
	return flat
}

// plain writes a JSON value in one way: PostgreSQL keeps the zeros of 1.0, which is 1.
func plain(text json.RawMessage) string {
	number := json.Number("")
	if json.Unmarshal(text, &number) == nil && !bytes.HasPrefix(text, []byte(`"`)) && number != "" {
		if s := number.String(); strings.Contains(s, ".") && !strings.ContainsAny(s, "eE") {
			return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
		}
	}
	return string(text)
}

// configurationOf has what differs between runs.
func configurationOf(list []*record) []setting {
	byPath := map[string][]string{}
	put := func(i int, path, text string) {
		if byPath[path] == nil {
			byPath[path] = slices.Repeat([]string{"null"}, len(list))
		}
		byPath[path][i] = text
	}
	for i, r := range list {
		target, _ := json.Marshal(r.TargetColumn)
		put(i, "target_column", string(target))
		for name, object := range map[string]json.RawMessage{
			"hyperparameters": r.Hyperparameters, "walk_config": r.WalkConfig, "cost_model": r.CostModel,
		} {
			for path, text := range flatten(object) {
				put(i, name+"."+path, text)
			}
		}
	}
	for i, names := range featuresApart(list) {
		text, _ := json.Marshal(names)
		put(i, "feature_columns", string(text))
	}
	table := []setting{}
	for _, path := range slices.Sorted(maps.Keys(byPath)) {
		texts := byPath[path]
		if len(slices.Compact(slices.Clone(texts))) < 2 {
			continue
		}
		values := make([]json.RawMessage, len(texts))
		for i, text := range texts {
			values[i] = json.RawMessage(text)
		}
		table = append(table, setting{path, values})
	}
	return table
}

// featuresApart are the features of each run that not all of them have, by name: their order does not matter.
func featuresApart(list []*record) [][]string {
	sets, having := make([]map[string]bool, len(list)), map[string]int{}
	for i, r := range list {
		sets[i] = map[string]bool{}
		var features []any
		_ = json.Unmarshal(r.FeatureColumns, &features) // the column has an array
		for _, f := range features {
			name, ok := f.(string)
			if !ok {
				text, _ := json.Marshal(f)
				name = string(text)
			}
			if !sets[i][name] {
				sets[i][name] = true
				having[name]++
			}
		}
	}
	apart := make([][]string, len(list))
	for i, set := range sets {
		apart[i] = []string{}
		for _, name := range slices.Sorted(maps.Keys(set)) {
			if having[name] < len(list) {
				apart[i] = append(apart[i], name)
			}
		}
	}
	return apart
}

// foldTable has the folds of runs side by side.
type foldTable struct {
	Metric    string         `json:"metric"`
	AlignedBy string         `json:"aligned_by"`
	Rows      []comparedFold `json:"rows"`
}

type comparedFold struct {
	Number *int64     `json:"fold_number"`
	Start  *int64     `json:"test_start_ts_ms"`
	End    *int64     `json:"test_end_ts_ms"`
	Values []*float64 `json:"values"`
}

// foldKey is what folds are aligned by: the number, or the window.
type foldKey struct{ number, start, end int64 }

func foldTableOf(list []*record, metric *string) foldTable {
	t := foldTable{Metric: orElse(metric, "return"), AlignedBy: "number", Rows: []comparedFold{}}
	if !sameWindows(list) {
		t.AlignedBy = "window"
	}
	rows := map[foldKey]*comparedFold{}
	for i, r := range list {
		values := foldGains(r.fold)
		for j, f := range r.fold {
			if metric != nil {
				values[j] = f.Metric
			}
			key := foldKey{number: f.Number}
			if t.AlignedBy == "window" && f.Start != nil && f.End != nil {
				key = foldKey{-1, *f.Start, *f.End}
			}
			if rows[key] == nil {
				rows[key] = &comparedFold{Start: f.Start, End: f.End, Values: make([]*float64, len(list))}
				if key.number >= 0 {
					rows[key].Number = &f.Number
				}
			}
			rows[key].Values[i] = values[j]
		}
	}
	keys := slices.SortedFunc(maps.Keys(rows), func(a, b foldKey) int {
		for _, d := range []int64{a.start - b.start, a.end - b.end, a.number - b.number} {
			if d != 0 {
				return int(max(-1, min(1, d)))
			}
		}
		return 0
	})
	for _, key := range keys {
		t.Rows = append(t.Rows, *rows[key])
	}
	return t
}

// sameWindows tells that folds of one number have one test window in all runs that have it.
func sameWindows(list []*record) bool {
	windows := map[int64]foldKey{}
	for _, r := range list {
		for _, f := range r.fold {
			if f.Start == nil || f.End == nil {
				continue
			}
			key := foldKey{f.Number, *f.Start, *f.End}
			if have, ok := windows[f.Number]; ok && have != key {
				return false
			}
			windows[f.Number] = key
		}
	}
	return true
}

package api_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"foldbook/api"
	"foldbook/api/spec"
	"foldbook/internal/testdb"
)

// documentOf is what the requests of the examples are made of; the references are resolved by find.
type documentOf struct {
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Parameters    map[string]parameterOf
		RequestBodies map[string]bodyOf
		Examples      map[string]exampleOf
	}
}

type parameterOf struct {
	Ref      string `json:"$ref"`
	Name, In string
	Required bool
	Example  any
}

type exampleOf struct {
	Ref   string `json:"$ref"`
	Value json.RawMessage
}

type bodyOf struct {
	Ref     string `json:"$ref"`
	Content map[string]struct {
		Example  string
		Examples map[string]exampleOf
	}
}

func last(ref string) string { return ref[strings.LastIndex(ref, "/")+1:] }

// beside are the parameters that another one needs beside it, on a route whose path ends so.
var beside = map[string]url.Values{
	"/histogram": {"column": {"rsi_14"}}, "/leaderboard": {"search_id": {"a search"}}, "target": {"dataset": {"none"}}, "/index_map": {"start_idx": {"520"}, "end_idx": {"523"}},
	"tz": {"interval": {"1d"}}, "partial": {"interval": {"1d"}}, "every": {"basis": {"mark"}},
}

// Each example of a request in the description is sent, every parameter and every body, and is answered as described: it is taken, or
// the answer says what is in its way, but not that the request is a wrong one.
func TestExamplesAreTaken(t *testing.T) {
	testdb.Slow(t)
	t.Parallel()
	h := appendHarness(t)
	passthroughOn(t, 1000, 5*time.Second)(&h.opts)
	h.opts.Import = true
	h.http = api.New(h.opts).Handler()
	var d documentOf
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(spec.DocumentJSON), "btc25_1", slug(t))), &d); err != nil {
		t.Fatal(err)
	}
	requests := d.requests(t)
	order := []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodGet, http.MethodDelete}
	slices.SortStableFunc(requests, func(a, b *http.Request) int { // what a path names is stored before it is asked for
		return cmp.Or(cmp.Compare(slices.Index(order, a.Method), slices.Index(order, b.Method)), strings.Compare(a.URL.Path, b.URL.Path))
	})
	taken := 0
	for _, req := range requests {
		w := httptest.NewRecorder()
		h.http.ServeHTTP(w, req)
		res := w.Result()
		conform(t, req, res)
		if res.StatusCode/100 == 2 {
			taken++
		}
		cursor := req.URL.Query().Has("cursor") // belongs to one list
		said := readBody(t, res)
		// What the rows of the examples do not have cannot be read.
		cannot := cursor || strings.Contains(said, "which the table does not have") || strings.Contains(said, "does not fit what is stored")
		if status := res.StatusCode; status >= 500 || status == 415 || status == 400 && !cannot {
			t.Errorf("the example %s %s, %s: %d %s", req.Method, req.URL, req.Header.Get("Content-Type"), status, said)
		}
	}
	if len(requests) < 300 || taken < len(requests)*3/4 {
		t.Errorf("%d of %d requests were taken", taken, len(requests))
	}
	t.Logf("%d of %d requests were taken", taken, len(requests))
}

// requests are those with the parameters and bodies that are needed, and those with one more parameter.
func (d *documentOf) requests(t *testing.T) (list []*http.Request) {
	t.Helper()
	for path, item := range d.Paths {
		for method, text := range item {
			if path == "/api/events" { // it does not end
				continue
			}
			if !slices.Contains([]string{"get", "post", "put", "patch", "delete"}, method) {
				continue
			}
			var op struct {
				Parameters  []parameterOf
				RequestBody bodyOf
			}
			if err := json.Unmarshal(text, &op); err != nil {
				t.Fatalf("%s %s: %v", method, path, err)
			}
			query, filled, optional := url.Values{}, path, []parameterOf{{}}
			for _, p := range op.Parameters {
				if p.Ref != "" {
					p = d.Components.Parameters[last(p.Ref)]
				}
				switch {
				case p.In == "path":
					filled = strings.ReplaceAll(filled, "{"+p.Name+"}", fmt.Sprint(p.Example))
				case p.Required:
					query.Set(p.Name, exampleText(p.Example))
				default:
					optional = append(optional, p)
				}
			}
			for _, body := range d.bodies(op.RequestBody) {
				for _, p := range optional {
					more := url.Values{}
					for _, needed := range []url.Values{query, beside[path[strings.LastIndex(path, "/"):]], beside[p.Name]} {
						maps.Copy(more, needed)
					}
					if p.In == "query" {
						more.Set(p.Name, exampleText(p.Example))
					}
					req := httptest.NewRequest(strings.ToUpper(method), filled+"?"+more.Encode(), strings.NewReader(body[1]))
					req.Header.Set("Content-Type", body[0])
					if p.In == "header" {
						req.Header.Set(p.Name, exampleText(p.Example))
					}
					list = append(list, req)
				}
			}
		}
	}
	return list
}

// exampleText is the example of a parameter as an address has it; a list is separated by commas.
func exampleText(example any) string {
	if list, ok := example.([]any); ok {
		texts := make([]string, len(list))
		for i, v := range list {
			texts[i] = fmt.Sprint(v)
		}
		return strings.Join(texts, ",")
	}
	if number, ok := example.(float64); ok {
		return fmt.Sprintf("%.0f", number)
	}
	return fmt.Sprint(example)
}

// bodies are the media types and the texts of a body's examples; Arrow has none, because it is no text.
func (d *documentOf) bodies(b bodyOf) (list [][2]string) {
	if b.Ref != "" {
		b = d.Components.RequestBodies[last(b.Ref)]
	}
	for media, content := range b.Content {
		if content.Example != "" {
			list = append(list, [2]string{media, content.Example})
		}
		for _, example := range content.Examples {
			if example.Ref != "" {
				example = d.Components.Examples[last(example.Ref)]
			}
			list = append(list, [2]string{media, string(example.Value)})
		}
	}
	if len(b.Content) == 0 {
		list = append(list, [2]string{"", ""})
	}
	return list
}

package spec

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// Operation is what the description says about a route that is checked before its handler does anything.
type Operation struct {
	Query Parameters
	JSON  bool // the body is JSON and nothing else
	Scope Scope

	Budget Budget // empty: it is not limited
}

// document is what OperationOf reads of the description.
type document struct {
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Parameters    map[string]parameter
		RequestBodies map[string]requestBody
	}
}

type parameter struct {
	Ref      string `json:"$ref"`
	Name, In string
}

type requestBody struct {
	Ref     string `json:"$ref"`
	Content map[string]json.RawMessage
}

var parsed = sync.OnceValue(func() (d document) {
	if err := json.Unmarshal(DocumentJSON, &d); err != nil {
		panic(err) // it is part of the program
	}
	return d
})

// OperationOf returns the operation that the description has for a method and a path.
func OperationOf(method, path string) Operation {
	d := parsed()
	var described struct {
		Parameters  []parameter
		RequestBody requestBody
		Security    []map[string][]Scope
		Budget      Budget `json:"x-budget"`
	}
	if err := json.Unmarshal(d.Paths[path][strings.ToLower(method)], &described); err != nil {
		panic(fmt.Errorf("%s %s in openapi.yaml: %w", method, path, err))
	}
	operation := Operation{Query: Parameters{cacheBreaker}}
	for _, p := range described.Parameters {
		if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
			p = d.Components.Parameters[name]
		}
		if p.In == "query" {
			operation.Query = append(operation.Query, p.Name)
		}
	}
	body := described.RequestBody
	if name, ok := strings.CutPrefix(body.Ref, "#/components/requestBodies/"); ok {
		body = d.Components.RequestBodies[name]
	}
	_, operation.JSON = body.Content["application/json"]
	operation.JSON = operation.JSON && len(body.Content) == 1
	operation.Scope = ScopeNone
	for _, alternative := range described.Security { // the same scope in one of several headers
		for _, scopes := range alternative {
			operation.Scope = scopes[0]
		}
	}
	operation.Budget = described.Budget
	switch {
	case operation.Scope == ScopeNone: // probes
	case operation.Budget != "":
	case method == http.MethodGet:
		operation.Budget = BudgetReads
	default:
		operation.Budget = BudgetWrites
	}
	return operation
}

// Reads tells whether the description has a GET at a path.
func Reads(path string) bool { return parsed().Paths[path]["get"] != nil }

// Check refuses a request with a query parameter or a type of body that the route does not have. Routes that take several types
// tell them apart by themselves.
func (o Operation) Check(r *http.Request) error {
	if err := o.Query.Check(r.URL.RawQuery); err != nil || !o.JSON {
		return err
	}
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch media = strings.ToLower(strings.TrimSpace(media)); {
	case media == "", media == "application/x-www-form-urlencoded": // none is given; curl's own
	case strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "json"):
	default:
		return NewProblem(http.StatusUnsupportedMediaType, ErrorCodeUnsupportedType,
			"the body is read as JSON: send Content-Type: application/json")
	}
	return nil
}

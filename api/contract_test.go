//go:build !race

package api_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	schemas "github.com/pb33f/libopenapi-validator/schema_validation"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

func model(t *testing.T) *v3.Document {
	t.Helper()
	d, giveBack := describe(t)
	t.Cleanup(giveBack)
	m, err := d.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	return &m.Model
}

// The description is valid OpenAPI 3.1.
func TestDocumentIsValid(t *testing.T) {
	t.Parallel()
	v, giveBack := describe(t)
	defer giveBack()
	if ok, problems := v.ValidateDocument(); !ok {
		for _, p := range problems {
			t.Error(p)
		}
	}
}

// Every operation has an operation id, a summary and, for each answer with a body, an example that fits its schema.
func TestDocumentHasExamples(t *testing.T) {
	t.Parallel()
	doc := model(t)
	for path, item := range doc.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			if op.OperationId == "" || op.Summary == "" {
				t.Errorf("%s %s: no operation id or no summary", method, path)
			}
			for status, res := range op.Responses.Codes.FromOldest() {
				checkExamples(t, method+" "+path+" "+status, res)
			}
			if op.Responses.Default != nil {
				checkExamples(t, method+" "+path+" default", op.Responses.Default)
			}
		}
	}
}

func checkExamples(t *testing.T, where string, res *v3.Response) {
	t.Helper()
	for _, media := range res.Content.FromOldest() {
		n := 0
		check := func(name string, node interface{ Decode(any) error }) {
			n++
			var value any
			if err := node.Decode(&value); err != nil {
				t.Errorf("%s: example %s: %v", where, name, err)
				return
			}
			text, err := json.Marshal(value)
			if err != nil {
				t.Errorf("%s: example %s: %v", where, name, err)
				return
			}
			if ok, problems := schemas.NewSchemaValidator().ValidateSchemaString(media.Schema.Schema(), string(text)); !ok {
				t.Errorf("%s: example %s does not fit: %v", where, name, problems)
			}
		}
		if media.Example != nil {
			check("example", media.Example)
		}
		for name, example := range media.Examples.FromOldest() {
			check(name, example.Value)
		}
		if n == 0 {
			t.Errorf("%s: no example", where)
		}
	}
}

// The six older routes, and nothing else, are described below the trader prefix.
func TestDocumentHasTraderPrefix(t *testing.T) {
	t.Parallel()
	doc := model(t)
	var got []string
	for path, item := range doc.Paths.PathItems.FromOldest() {
		for _, server := range item.Servers {
			if server.URL == "/traders/{trader}" {
				got = append(got, path)
			}
		}
	}
	want := []string{
		"/api/indicators/datasets", "/api/indicators/datasets/{dataset_id}", "/api/walkforward/runs", "/api/walkforward/runs/{run_id}",
		"/api/tradesim/runs", "/api/tradesim/runs/{simulation_id}",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes below /traders/{trader} (-want +got):\n%s", diff)
	}
}

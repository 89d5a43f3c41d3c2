package api_test

import (
	"os"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
)

// The description is valid OpenAPI 3.1.
func TestDocumentIsValid(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(doc)
	for _, err := range errs {
		t.Error(err)
	}
	if ok, problems := v.ValidateDocument(); !ok {
		for _, p := range problems {
			t.Error(p)
		}
	}
}

func TestSmoke(t *testing.T) {
	h := newHarness(t)
	for _, p := range []string{"/healthz", "/readyz", "/api/health", "/api/indicators/datasets", "/api/walkforward/runs", "/traders/x/api/tradesim/runs", "/nope", "/api/walkforward/runs/zzz", "/api/walkforward/runs?limit=x", "/api/walkforward/runs/2f6bd1c2-8c7e-4f0e-9a53-6a1d1b2c3d4e", "/openapi.json", "/openapi.yaml"} {
		r := h.get(p)
		b := readBody(t, r)
		t.Logf("%s %d %.300s %v", p, r.StatusCode, b, r.Header)
	}
}

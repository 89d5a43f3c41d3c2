//go:build !race

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"sync"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
)

// validates tells whether described looks at openapi.yaml.
const validates = true

// document validates bodies by openapi.yaml; it is not made for concurrent use.
var document = sync.OnceValues(func() (validator.Validator, error) {
	text, err := os.ReadFile("../../api/spec/openapi.yaml")
	if err != nil {
		return nil, err
	}
	d, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(d)
	return v, errors.Join(errs...)
})

var validating sync.Mutex

// described checks that openapi.yaml describes a body that the client sends; the longest, which would take seconds, are left out.
func (e *exporter) described(method, path string, body any) {
	e.t.Helper()
	text, err := json.Marshal(body)
	if err != nil || body == nil || len(text) > 1_000_000 {
		return
	}
	validating.Lock()
	defer validating.Unlock()
	v, err := document()
	if err != nil {
		e.t.Fatal(err)
	}
	req := httptest.NewRequest(method, path, bytes.NewReader(text))
	req.Header.Set("Content-Type", "application/json")
	if _, problems := v.GetRequestBodyValidator().ValidateRequestBody(req); len(problems) > 0 {
		e.t.Errorf("%s %s: openapi.yaml does not describe what the client sends: %v\n%.500s", method, path, problems[0], text)
	}
	e.checked++
}

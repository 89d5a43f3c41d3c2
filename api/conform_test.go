//go:build !race

package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
)

// validates tells whether conform and fits look at openapi.yaml.
const validates = true

// description is openapi.yaml with what validates answers by it.
type description struct {
	libopenapi.Document
	validator.Validator
}

// idle are descriptions that no test uses now. They cache schemas as they meet them and are not made for concurrent use.
var idle struct {
	sync.Mutex
	list []description
}

// describe lends a description that nobody else uses until it is given back.
func describe(t testing.TB) (d description, giveBack func()) {
	t.Helper()
	idle.Lock()
	if n := len(idle.list); n > 0 {
		d, idle.list = idle.list[n-1], idle.list[:n-1]
	}
	idle.Unlock()
	if d.Document == nil {
		text, err := os.ReadFile("spec/openapi.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if d.Document, err = libopenapi.NewDocument(text); err != nil {
			t.Fatalf("read openapi.yaml: %v", err)
		}
		var errs []error
		if d.Validator, errs = validator.NewValidator(d.Document); len(errs) > 0 {
			t.Fatalf("read openapi.yaml: %v", errs)
		}
	}
	return d, func() {
		idle.Lock()
		idle.list = append(idle.list, d)
		idle.Unlock()
	}
}

var trader = regexp.MustCompile(`^/traders/[^/]+/api/`)

func conform(t testing.TB, req *http.Request, res *http.Response) {
	t.Helper()
	v, giveBack := describe(t)
	defer giveBack()
	body := readBody(t, res)
	if res.Header.Get("Content-Type") == "application/x-ndjson" { // which the validator takes for one JSON document
		for line := range strings.Lines(body) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s %s: a line is no JSON: %s", req.Method, req.URL, line)
			}
		}
		return
	}
	described := req.Clone(req.Context())
	described.URL.Path = trader.ReplaceAllString(req.URL.Path, "/api/") // described as a second server of the path
	ok, problems := v.ValidateHttpResponse(described, res)
	res.Body = io.NopCloser(strings.NewReader(body))
	if ok {
		return
	}
	for _, p := range problems {
		if p.IsPathMissingError() && (res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusMethodNotAllowed) {
			continue
		}
		t.Errorf("%s %s answers %d, which openapi.yaml does not describe: %v\n%.500s", req.Method, req.URL, res.StatusCode, p, body)
	}
}

// fits tells what openapi.yaml says against a JSON body.
func fits(t testing.TB, method, path, body string) error {
	t.Helper()
	v, giveBack := describe(t)
	defer giveBack()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	if _, problems := v.GetRequestBodyValidator().ValidateRequestBody(req); len(problems) > 0 {
		return problems[0]
	}
	return nil
}

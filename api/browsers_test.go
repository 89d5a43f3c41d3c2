package api_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"foldbook/api"
)

// docs/access.md, Browsers: the name by which a service on the loopback is called.
func TestHostNames(t *testing.T) {
	t.Parallel()
	h := harnessOn(t, "host=/nowhere", func(o *api.Options) { o.AllowedHosts = []string{"foldbook.example"} })
	plain := harnessOn(t, "host=/nowhere")
	for _, tc := range []struct {
		h    *harness
		host string
		want int
	}{
		{plain, "127.0.0.1:33931", 200}, {plain, "localhost", 200}, {plain, "LOCALHOST.:1", 200}, {plain, "[::1]:33931", 200}, {plain, "127.0.0.2", 200},
		{plain, "evil.example", 421}, {plain, "evil.example:33931", 421}, {plain, "localhost.evil.example", 421}, {plain, "127.0.0.1.evil.example", 421},
		{plain, "foldbook.example", 421}, {plain, "10.0.0.1", 421}, {plain, "0.0.0.0", 421}, {plain, "2130706433", 421},
		{h, "foldbook.example", 200}, {h, "FOLDBOOK.example:443", 200}, {h, "127.0.0.1", 200}, {h, "evil.example", 421}, {h, "x.foldbook.example", 421},
	} {
		server := httptest.NewServer(tc.h.http)
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodDelete} {
			req, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/openapi.json", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = tc.host
			res, err := server.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body := readBody(t, res)
			_ = res.Body.Close()
			refused := res.StatusCode == http.StatusMisdirectedRequest
			if refused != (tc.want == http.StatusMisdirectedRequest) || refused && method == http.MethodGet &&
				(!strings.Contains(body, `"code":"misdirected"`) || !strings.Contains(body, "ALLOWED_HOSTS")) {
				t.Errorf("%s %s: %d %s, want %d", method, tc.host, res.StatusCode, body, tc.want)
			}
		}
		server.Close()
	}
}

// docs/access.md, Browsers: what a page of another origin may do.
func TestForeignPages(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *api.Options) { o.CORSOrigins = []string{"*", "https://dashboard.example"} })
	h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
	before := h.counts()
	const evil, listed = "https://evil.example", "https://dashboard.example"
	dataset := "/api/datasets/" + newDataset
	for _, tc := range []struct {
		header []string // of a browser
		writes bool
	}{
		{nil, true}, {[]string{"Origin", listed}, true}, {[]string{"Origin", listed, "Sec-Fetch-Site", "cross-site"}, true},
		{[]string{"Origin", "http://example.com"}, true}, {[]string{"Sec-Fetch-Site", "same-origin"}, true}, // of the service itself
		{[]string{"Origin", evil}, false}, {[]string{"Origin", "null"}, false}, {[]string{"Origin", "http://localhost:5173"}, false},
		{[]string{"Origin", evil, "Sec-Fetch-Site", "cross-site"}, false}, {[]string{"Sec-Fetch-Site", "cross-site"}, false},
		{[]string{"Origin", "http://example.com:8080", "Sec-Fetch-Site", "same-site"}, false},
		{[]string{"Origin", listed + ".evil.example"}, false}, {[]string{"Origin", "http://dashboard.example"}, false},
	} {
		if res := h.get(dataset, tc.header...); res.StatusCode != 200 || res.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%v: reads %d", tc.header, res.StatusCode)
		}
		for _, media := range []string{"application/json", "text/plain"} {
			want := map[bool]int{true: 200, false: 403}[tc.writes]
			if tc.writes && media == "text/plain" {
				want = 415
			}
			status, answer := h.send(http.MethodPost, "/api/datasets?dry_run=true", datasetBody(unknown.String(), "evil_1"), append([]string{"Content-Type", media}, tc.header...)...)
			if status != want && (want != 200 || status != 201) || status == 403 && answer["code"] != "forbidden" {
				t.Errorf("%v, %s: writes %d %v, want %d", tc.header, media, status, answer, want)
			}
		}
		for _, method := range []string{http.MethodDelete, http.MethodPut, http.MethodPatch, http.MethodPost} {
			for _, path := range []string{"/api/runs/1", "/api/runs/%31", "//api/runs/1", "/traders/kraken/api/tradesim/runs/1", "/nope"} {
				if res := h.do(method, path, tc.header...); (res.StatusCode == 403) == tc.writes {
					t.Errorf("%s %s, %v: %d", method, path, tc.header, res.StatusCode)
				}
			}
			preflight := h.do(http.MethodOptions, dataset, append([]string{"Access-Control-Request-Method", method}, tc.header...)...)
			if got := preflight.Header.Get("Access-Control-Allow-Methods"); strings.Contains(got, method) != tc.writes || !strings.Contains(got, "GET") {
				t.Errorf("preflight of %s, %v: %s", method, tc.header, got)
			}
		}
	}
	if after := h.counts(); !maps.Equal(after, before) {
		t.Errorf("there are %v, and there were %v", after, before)
	}
}

// docs/access.md, Browsers: which types a route of JSON takes.
func TestTypesOfBodies(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for media, want := range map[string]int{
		"": 201, "application/json": 201, "Application/JSON; charset=utf-8": 201, "application/x-www-form-urlencoded": 201, "application/merge-patch+json": 201,
		"text/plain": 415, "text/plain;charset=UTF-8": 415, "text/json": 415, "multipart/form-data; boundary=x": 415, "text/csv": 415,
		"application/x-ndjson-seq": 415, "application/octet-stream": 415, "json": 415, ",application/json": 415,
	} {
		status, answer := h.send(http.MethodPost, "/api/datasets", datasetBody(newDataset, "btc25_1"), "Content-Type", media)
		if status == http.StatusOK {
			status = http.StatusCreated // it was stored before
		}
		if status != want || want == 415 && answer["code"] != "unsupported_type" {
			t.Errorf("%q: %d %v, want %d", media, status, answer, want)
		}
	}
	for _, path := range []string{
		"/api/runs", "/api/simulations", "/api/runs/" + newRun + "/folds",
		"/api/questdb/query", "/api/questdb/export", "/api/questdb/import", "/api/questdb/import/async",
	} {
		if status, answer := h.send(http.MethodPost, path, `{}`, "Content-Type", "text/plain"); status != http.StatusUnsupportedMediaType {
			t.Errorf("%s takes text/plain: %d %v", path, status, answer)
		}
	}
}

// The commands of docs/access.md answer what stands below each of them.
func TestAccessDocs(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	text, err := os.ReadFile("../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(harnessOn(t, "host=/nowhere").http)
	defer server.Close()
	examples := regexp.MustCompile(`(?m)^\$ (curl .*)\n(.*)$`).FindAllStringSubmatch(string(text), -1)
	if len(examples) < 3 {
		t.Fatalf("%d commands", len(examples))
	}
	for _, example := range examples {
		out, err := exec.CommandContext(t.Context(), "bash", "-c", strings.ReplaceAll(example[1], "http://127.0.0.1:33931", server.URL)).Output()
		if err != nil || !strings.Contains(string(out), example[2]) {
			t.Errorf("%s\n%v: %s", example[1], err, out)
		}
	}
}

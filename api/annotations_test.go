package api_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// docs/research.md: notes and comparisons are stored, changed only as they were read, and removed.
func TestAnnotations(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(1, 1)
	for _, k := range []struct{ list, one, id, body, patch, changed string }{
		{"/api/runs/" + newRun + "/annotations", "/api/annotations/", "annotation_id", `{"body": "*late*", "fold_number": 0, "author": "me"}`, `{"body": "early"}`, `"body":"early"`},
		{"/api/comparisons", "/api/comparisons/", "comparison_id", `{"name": "n", "run_ids": ["` + newRun + `"], "settings": {"a": 1}}`, `{"settings": {}}`, `"settings":{}`},
	} {
		status, a := h.send("POST", k.list, k.body)
		if status != 201 {
			t.Fatalf("%d %v", status, a)
		}
		path := k.one + a[k.id].(string)
		if text := readBody(t, h.get(k.list)); !strings.Contains(text, a[k.id].(string)) {
			t.Errorf("the list is %s", text)
		}
		if res := h.get(path, "If-None-Match", a["ETag"].(string)); res.StatusCode != http.StatusNotModified {
			t.Errorf("unchanged: %d", res.StatusCode)
		}
		if status, _ := h.send("PATCH", path, k.patch, "If-Match", `"another"`); status != 412 {
			t.Errorf("a PATCH of another state: %d", status)
		}
		if status, _ := h.send("PATCH", path, k.patch, "If-Match", a["ETag"].(string)); status != 200 {
			t.Errorf("PATCH: %d", status)
		}
		if text := readBody(t, h.get(path)); !strings.Contains(text, k.changed) || !strings.Contains(text, `"version":2`) {
			t.Errorf("after PATCH: %s", text)
		}
		for _, bad := range []string{`{}`, `{"x": 1}`, `[]`} {
			if status, _ := h.send("PATCH", path, bad); status != 400 {
				t.Errorf("PATCH of %s: %d", bad, status)
			}
		}
		if status, _ := h.send("DELETE", path, ""); status != 200 {
			t.Errorf("DELETE: %d", status)
		}
		if status, _ := h.send("DELETE", path, ""); status != 404 {
			t.Errorf("a second DELETE: %d", status)
		}
	}
	if status, _ := h.send("POST", "/api/runs/"+newSim+"/annotations", `{"body": "x"}`); status != 404 {
		t.Errorf("a note on no run: %d", status)
	}
}

// docs/research.md: an artifact comes back byte for byte, in ranges, as what a browser saves and does not run, and goes with its run.
func TestArtifacts(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(1, 1)
	path := "/api/runs/" + newRun + "/artifacts/page.html"
	post := func(path string, body []byte) *httptest.ResponseRecorder {
		req, w := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body)), httptest.NewRecorder()
		req.Header.Set("Content-Type", "text/html; charset=utf-8")
		h.http.ServeHTTP(w, req)
		return w
	}
	content := []byte("<script>\x00\xff</script>")
	if w := post(path, content); w.Code != 201 || !strings.Contains(w.Body.String(), `"size":19`) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	get := func(header ...string) *httptest.ResponseRecorder {
		req, w := httptest.NewRequest(http.MethodGet, path, nil), httptest.NewRecorder()
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		h.http.ServeHTTP(w, req)
		return w
	}
	w := get()
	for name, want := range map[string]string{
		"Content-Type": "text/html", "Content-Disposition": "attachment; filename=page.html", "Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if w.Code != 200 || !bytes.Equal(w.Body.Bytes(), content) {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	if w := get("Range", "bytes=1-3"); w.Code != http.StatusPartialContent || w.Body.String() != "scr" {
		t.Errorf("a range: %d %q", w.Code, w.Body)
	}
	if w := get("Range", "bytes=100-"); w.Code != http.StatusRequestedRangeNotSatisfiable || !strings.Contains(w.Body.String(), `"code":"invalid_parameter"`) ||
		w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("a range behind the end: %d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := get("If-None-Match", w.Header().Get("ETag")); w.Code != http.StatusNotModified {
		t.Errorf("unchanged: %d", w.Code)
	}
	if w := post("/api/runs/"+newRun+"/artifacts/big", make([]byte, 16<<20+1)); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a byte too many: %d", w.Code)
	}
	for _, name := range []string{".x", "a%2fb", "a%22b", strings.Repeat("n", 201)} {
		if w := post("/api/runs/"+newRun+"/artifacts/"+name, content); w.Code != 400 && w.Code != 404 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	if w := post("/api/runs/"+newSim+"/artifacts/x", content); w.Code != 404 {
		t.Errorf("of no run: %d", w.Code)
	}
	const artifactPart = 1 << 20 // that is read at a time
	long := make([]byte, 2*artifactPart+artifactPart/2)
	for i := range long {
		long[i] = byte(i % 251)
	}
	if w := post(path, long); w.Code != 201 {
		t.Fatalf("in the place of the first: %d %s", w.Code, w.Body)
	}
	if w := get("If-Modified-Since", time.Now().UTC().Format(http.TimeFormat)); w.Code != 200 || !bytes.Equal(w.Body.Bytes(), long) {
		t.Errorf("after the second: %d and %d bytes", w.Code, w.Body.Len())
	}
	for _, part := range [][2]int{{artifactPart - 2, artifactPart + 1}, {len(long) - 1, len(long) - 1}, {1, 2*artifactPart + 1}} {
		if w := get("Range", fmt.Sprintf("bytes=%d-%d", part[0], part[1])); w.Code != 206 || !bytes.Equal(w.Body.Bytes(), long[part[0]:part[1]+1]) {
			t.Errorf("bytes %d to %d: %d and %d bytes", part[0], part[1], w.Code, w.Body.Len())
		}
	}
	if text := readBody(t, h.get("/api/runs/"+newRun+"/artifacts")); !strings.Contains(text, `"name":"page.html"`) || strings.Contains(text, "script") {
		t.Errorf("the list is %s", text)
	}
	if status, a := h.send("DELETE", "/api/runs/"+newRun+"?cascade=true", ""); status != 200 || a["deleted"].(map[string]any)["artifacts"] != 1.0 {
		t.Errorf("DELETE of the run: %d %v", status, a)
	}
	if w := get(); w.Code != 404 {
		t.Errorf("after it: %d", w.Code)
	}
}

// An artifact that is replaced while somebody reads it breaks off there: no file is made of two.
func TestArtifactReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(1, 1)
	server := httptest.NewServer(h.http)
	t.Cleanup(server.Close)
	address := server.URL + "/api/runs/" + newRun + "/artifacts/model"
	post := func(content []byte) {
		res, err := server.Client().Post(address, "application/octet-stream", bytes.NewReader(content))
		if err != nil || res.StatusCode != 201 {
			t.Fatalf("%v %v", res, err)
		}
		res.Body.Close()
	}
	const maxArtifact = 16 << 20
	post(make([]byte, maxArtifact)) // more than the buffers of a connection hold
	res, err := server.Client().Get(address)
	if err != nil || res.StatusCode != 200 || res.ContentLength != maxArtifact {
		t.Fatalf("%v %v", res, err)
	}
	defer res.Body.Close()
	post(bytes.Repeat([]byte("x"), maxArtifact))
	if got, err := io.ReadAll(res.Body); err == nil || bytes.ContainsRune(got, 'x') {
		t.Errorf("%d bytes and %v, want an answer that breaks off", len(got), err)
	}
}

// docs/research.md: with an id, which an import sends, a POST stores that note or comparison, and nothing when it is stored as it is.
func TestAnnotationsWithIDs(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(1, 1)
	const id, at = "0a000000-0000-4000-8000-0000000000f1", "2026-01-02T13:00:00.000001Z"
	for _, k := range []struct{ path, id, body, other string }{
		{"/api/runs/" + newRun + "/annotations", "annotation_id", `"body": "early"`, `"body": "late"`},
		{"/api/comparisons", "comparison_id", `"name": "n", "settings": {"a": 1}`, `"name": "n", "settings": {"a": 2}`},
	} {
		body := func(text string) string {
			return `{"` + k.id + `": "` + id + `", "created_at": "` + at + `", ` + text + `}`
		}
		for i, step := range []struct {
			query, body string
			status      int
			version     float64
		}{{"?dry_run=true", k.body, 201, 1}, {"", k.body, 201, 1}, {"", k.body, 200, 1}, {"?dry_run=true", k.other, 200, 2}, {"", k.other, 200, 2}, {"", k.other, 200, 2}} {
			status, a := h.send("POST", k.path+step.query, body(step.body))
			if status != step.status || a["version"] != step.version || a[k.id] != id || a["created_at"] != at {
				t.Errorf("%s, step %d: %d %v", k.path, i, status, a)
			}
		}
	}
	if status, _ := h.send("POST", "/api/comparisons", `{"comparison_id": "x", "name": "n"}`); status != 400 {
		t.Errorf("an id that is none: %d", status)
	}
	another := strings.Replace(newRun, newRun[:4], "beef", 1)
	if _, err := h.db.Pool.Exec(t.Context(), `INSERT INTO walkforward_runs (run_id, dataset_id, target_column, prediction_measurement)
		SELECT $1, dataset_id, target_column, 'another' FROM walkforward_runs WHERE run_id = $2`, another, newRun); err != nil {
		t.Fatal(err)
	}
	status, a := h.send("POST", "/api/runs/"+another+"/annotations", `{"annotation_id": "`+id+`", "body": "x"}`)
	if status != http.StatusConflict || !strings.Contains(a["message"].(string), newRun) {
		t.Errorf("the note of another run: %d %v", status, a)
	}
	if _, err := h.db.Pool.Exec(t.Context(), `INSERT INTO annotations (run_id, body) SELECT $1, 'x' FROM generate_series(1, 999)`, newRun); err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]int{`{"body": "one more"}`: 409, `{"annotation_id": "` + id + `", "body": "changed"}`: 200} {
		if status, a := h.send("POST", "/api/runs/"+newRun+"/annotations", body); status != want {
			t.Errorf("%s where there are 1000: %d %v", body, status, a)
		}
	}
}

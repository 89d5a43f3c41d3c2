package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// call makes a request, which has to succeed, and returns its answer.
func (s *service) call(t *testing.T, method, path, contentType, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %d, %v\n%s", method, path, res.StatusCode, err, text)
	}
	return string(text)
}

const parentID = "2f6bd1c2-8c7e-4f0e-9a53-6a1d1b2c3d4f"

// kept is what a service answers of what people keep with runs, without what it adds itself: all of it, or only what an import brings.
func kept(t *testing.T, s *service, added bool) (all []string) {
	t.Helper()
	run := "/api/runs/" + runID
	paths := []string{
		run, "/api/runs/" + parentID, run + "/annotations", run + "/artifacts", "/api/comparisons", "/api/simulations/" + simulationID, "/api/leaderboard?search_id=s",
	}
	var artifacts []struct{ Name string }
	if err := json.Unmarshal([]byte(s.call(t, "GET", run+"/artifacts", "", "")), &artifacts); err != nil {
		t.Fatal(err)
	}
	for _, a := range artifacts {
		paths = append(paths, run+"/artifacts/"+url.PathEscape(a.Name))
	}
	own := regexp.MustCompile(`,?"(version|updated_at)":("[^"]*"|\d+)`)
	for _, path := range paths {
		text := s.call(t, "GET", path, "", "")
		if !added {
			text = own.ReplaceAllString(text, "")
			if strings.HasSuffix(path, "/artifacts") {
				text = regexp.MustCompile(`"created_at":"[^"]*"`).ReplaceAllString(text, "")
			}
		}
		all = append(all, path+" "+text)
	}
	return all
}

// Names, notes, artifacts and comparisons are the same in another service, and the search has as many trials. docs/research.md
func TestNotesAreTransferred(t *testing.T) {
	t.Parallel()
	from, _ := serving(t)
	to, _ := serving(t)
	dir, backup := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	run := strings.Replace(runFile(), `"serialized_config"`, `"git_commit":"abc","parent_run_id":"`+parentID+`","search_id":"s","serialized_config"`, 1)
	parent := `{"run_id":"` + parentID + `","dataset_id":"` + datasetID + `","prediction_measurement":"p2","target_column":"T","status":"COMPLETED","search_id":"s"}`
	write(t, dir, map[string]string{"d.json": datasetFile(), "r.json": run, "p.json": parent, "s.json": simulationFile(20)})
	must(t, exitOK, nil, "import", dir, "--server", from.url)

	const asJSON = "application/json"
	base := "/api/runs/" + runID
	from.call(t, "PATCH", base, asJSON, `{"name":"ridge, wide","tags":["a","é"],"notes":"*n*"}`)
	from.call(t, "PATCH", "/api/simulations/"+simulationID, asJSON, `{"name":"dual","tags":["b"],"initial_capital":1000}`)
	from.call(t, "POST", base+"/annotations", asJSON, `{"body":"later \"π\" 🚀","author":"me"}`)
	from.call(t, "POST", base+"/annotations", asJSON, `{"annotation_id":"0a000000-0000-4000-8000-0000000000f1","created_at":"2026-01-02T13:00:00.000001Z","body":"on a fold","fold_number":11}`)
	from.call(t, "PATCH", "/api/annotations/0a000000-0000-4000-8000-0000000000f1", asJSON, `{"body":"on the fold"}`)
	artifacts := map[string]string{"plot.png": "\x89PNG\x00\xff", "config.json": `{"run_id":"not a document"}`, "model.json.gz": "\x1f\x8bno gzip", "ö 1%.txt": ""}
	for name, content := range artifacts {
		from.call(t, "POST", base+"/artifacts/"+url.PathEscape(name), "text/x-"+filepath.Ext(name)[1:], content)
	}
	from.call(t, "POST", "/api/comparisons", asJSON, `{"name":"both","run_ids":["`+runID+`","`+parentID+`"],"settings":{"n":123456789012345678901234567890}}`)
	lost := from.call(t, "POST", "/api/comparisons", asJSON, `{"name":"lost","run_ids":["00000000-0000-4000-8000-000000000000"]}`)

	_, stderr := must(t, exitOK, nil, "export", "all", backup, "--server", from.url)
	if !strings.Contains(stderr, `comparison "lost" is left out: its run 00000000-0000-4000-8000-000000000000 is not in the export`) {
		t.Errorf("what is left out: %s", stderr)
	}
	for name, content := range artifacts {
		text, err := os.ReadFile(filepath.Join(backup, "runs", runID+".artifacts", name))
		if err != nil || string(text) != content {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	out, _ := must(t, exitOK, nil, "import", "--dry-run", backup, "--server", to.url)
	for _, want := range []string{"notes of run " + runID + ", 2 notes, 4 artifacts, after what it belongs to\n", ": comparison ", "6 would be stored"} {
		if !strings.Contains(out, want) {
			t.Errorf("the dry run does not say %q:\n%s", want, out)
		}
	}
	must(t, exitOK, nil, "import", backup, "--server", to.url)
	var of struct {
		ID string `json:"comparison_id"`
	}
	if err := json.Unmarshal([]byte(lost), &of); err != nil {
		t.Fatal(err)
	}
	from.call(t, "DELETE", "/api/comparisons/"+of.ID, "", "")
	same(t, kept(t, from, false), kept(t, to, false))

	before := kept(t, to, true)[2:5]
	out, _ = must(t, exitOK, nil, "import", "--again", filepath.Join(backup, "runs"), filepath.Join(backup, "comparisons"), "--server", to.url)
	if !strings.Contains(out, "updated") || !strings.Contains(out, "stored   ") || strings.Contains(out, "created") {
		t.Errorf("a second import: %s", out)
	}
	same(t, before, kept(t, to, true)[2:5])

	// One run alone.
	file := filepath.Join(t.TempDir(), "run.json.zst")
	must(t, exitOK, nil, "export", "run", runID, "-o", file, "--server", from.url)
	must(t, exitOK, nil, "import", "--again", filepath.Dir(file), "--server", to.url)
	same(t, before, kept(t, to, true)[2:5])
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "run.artifacts", "plot.png"), []byte("\x89PNG\x00\xfe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr := must(t, exitFailed, nil, "import", "--again", filepath.Dir(file), "--server", to.url); !strings.Contains(stderr, "artifact plot.png: ") ||
		!strings.Contains(stderr, "is not what was exported") {
		t.Errorf("an artifact that was changed: %s", stderr)
	}
	same(t, before, kept(t, to, true)[2:5])
}

func same(t *testing.T, want, got []string) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%d answers, want %d", len(got), len(want))
	}
	for i := range want {
		if want[i] != got[i] {
			t.Errorf("want %.1500s\ngot  %.1500s", want[i], got[i])
		}
	}
}

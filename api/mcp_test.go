package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"foldbook/api"
	"foldbook/internal/testdb"
	"foldbook/questdb"
)

// withHeader sends a header with each request.
type withHeader struct{ name, value string }

func (h withHeader) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(h.name, h.value)
	return http.DefaultTransport.RoundTrip(r)
}

func agent(t *testing.T, url string, header withHeader) (*mcp.ClientSession, error) {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: url + "/mcp", HTTPClient: &http.Client{Transport: header}, DisableStandaloneSSE: true, MaxRetries: -1,
	}, nil)
	if err == nil {
		t.Cleanup(func() { _ = session.Close() })
	}
	return session, err
}

// An agent with a key that may read finds, reads and judges runs, in answers of no more tokens than it has asked for.
func TestAgent(t *testing.T) {
	t.Parallel()
	client, err := questdb.New(patient(testdb.QuestDB(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	h, keys := guarded(t, func(o *api.Options) { o.MCP, o.QuestDB = true, client })
	h.credential = keys["write"]
	h.storeAll(312, 2000)
	name := slug(t)
	h.store("/api/datasets", `{"dataset_id": "6f0e0c3a-52a7-4c1c-9d58-3f1f0e6f9aff", "dataset_slug": "`+name+`"}`, 201)
	h.store("/api/datasets/"+name+"/indicators/append",
		`{"rows": [{"timestamp": 1704067200000, "rsi_14": 1}, {"timestamp": 1704070800000, "rsi_14": 2}, {"timestamp": 1704074400000, "rsi_14": 4}]}`, 200)
	server := httptest.NewServer(h.http)
	t.Cleanup(server.Close)
	session, err := agent(t, server.URL, withHeader{"Authorization", "Bearer " + keys["read"]})
	if err != nil {
		t.Fatal(err)
	}
	list, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	definitions, err := json.Marshal(list)
	if err != nil || len(list.Tools) > 8 || len(definitions)/4 >= 4000 {
		t.Errorf("%d tools of %d tokens, %v", len(list.Tools), len(definitions)/4, err)
	}
	for _, tool := range list.Tools {
		if !tool.Annotations.ReadOnlyHint {
			t.Errorf("%s does not say that it only reads", tool.Name)
		}
	}
	for _, tc := range []struct {
		tool, arguments string
		failed          bool
		says            []string
	}{
		{"describe_schema", `{}`, false, []string{`"btc25_1"`, `"dataset_slug"`}},
		{"describe_schema", `{"record": "fold"}`, false, []string{`"test_start_idx"`}},
		{"describe_schema", `{"record": "run"}`, false, []string{`"started_at":"string, or null"`, `"status":"Where a run`}},
		{"describe_schema", `{"record": "tables"}`, true, []string{"none of run, fold"}},
		{"search_runs", `{"dataset": "btc25_1", "metric": ["summary_metrics.pf_long>=1.2"], "sort": "-summary_metrics.pf_long"}`, false,
			[]string{`"summary_metrics.pf_long"`, newRun, "1.31", `"total":1`}},
		{"search_runs", `{"metric": ["summary_metrics.pf_long>=1.4"]}`, false, []string{`"rows":[]`}},
		{"search_runs", `{"metric": ["pf_long"]}`, true, []string{"invalid_parameter"}},
		{"search_runs", `{"datasets": "btc25_1"}`, true, []string{`no argument "datasets"`, "dataset"}},
		{"get_run", `{"run": "` + newRun + `"}`, false, []string{`"max_depth":4`, newSim, `"pf_long":1.31`}},
		{"get_run", `{"run": "nobody"}`, true, []string{"not_found"}},
		{"get_run", `{}`, true, []string{`"run" is missing`}},
		{"fold_table", `{"run": "` + newRun + `"}`, false, []string{`"metrics":["big","hit_rate"`, `"total":312`}},
		{"fold_table", `{"run": "` + newRun + `", "limit": 312}`, false, []string{`"left_out":{"rows":"only the first 156`}},
		{"fold_table", `{"run": "` + newRun + `", "metrics": ["hit_rate"], "from": 310}`, false, []string{`"metrics.hit_rate"`, "[311,"}},
		{"fold_table", `{"run": "` + newRun + `", "limit": 312, "tokens": 20000}`, false, []string{"[0,", "[311,"}},
		{"compare_runs", `{"runs": ["` + newRun + `"]}`, false, []string{`"configuration":[]`, `"figures":{`, `"summary_metrics.pf_long"`}},
		{"compare_runs", `{"runs": []}`, true, []string{`"runs" is missing`}},
		{"compare_runs", `{"runs": ["nobody"]}`, true, []string{"not_found", "search_runs"}},
		{"search_runs", `{"metric": "summary_metrics.pf_long>=1.4"}`, false, []string{`"rows":[]`}}, // a text where a list is described
		{"leaderboard", `{"dataset": "btc25_1", "target": "TGT_315"}`, false, []string{`"recorded":1`, `"figures.p_value"`, newRun}},
		{"leaderboard", `{}`, true, []string{"search_id"}},
		{"series_summary", `{"dataset": "` + name + `"}`, false, []string{`"indicator_row_count":3`, `"rsi_14"`}},
		{"series_summary", `{"dataset": "` + name + `", "column": "rsi_14", "start": "2024-01-01T01:00:00Z"}`, false, []string{`"count":2`, `"mean":3`}},
		{"series_summary", `{"dataset": "` + name + `", "column": "rsi_15"}`, true, []string{"rsi_15"}},
		{"equity", `{"simulation": "` + newSim + `"}`, false, []string{`"total_return_pct":580`, `"max_drawdown_pct":0`}},
		{"equity", `{"simulation": "../../healthz"}`, true, []string{"not_found"}},
	} {
		result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tc.tool, Arguments: json.RawMessage(tc.arguments)})
		if err != nil {
			t.Errorf("%s %s: %v", tc.tool, tc.arguments, err)
			continue
		}
		text := result.Content[0].(*mcp.TextContent).Text
		most := 8000
		if strings.Contains(tc.arguments, "tokens") {
			most = 80000
		}
		if result.IsError != tc.failed || len(text) > most || !tc.failed && !json.Valid([]byte(text)) {
			t.Errorf("%s %s: failed is %v, %d bytes\n%.2000s", tc.tool, tc.arguments, result.IsError, len(text), text)
		}
		for _, says := range tc.says {
			if !strings.Contains(text, says) {
				t.Errorf("%s %s: no %s in\n%.4000s", tc.tool, tc.arguments, says, text)
			}
		}
	}
}

// The endpoint is closed to who may not read, to pages of other origins and to other host names, and is not there unless it is asked for.
func TestAgentIsRefused(t *testing.T) {
	t.Parallel()
	h, keys := guarded(t, func(o *api.Options) { o.MCP = true })
	server := httptest.NewServer(h.http)
	t.Cleanup(server.Close)
	const list = `{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}`
	for _, tc := range []struct {
		method, header, value, key string
		status                     int
	}{
		{http.MethodPost, "X-A", "b", keys["read"], 200},
		{http.MethodPost, "X-A", "b", "", 401},
		{http.MethodPost, "X-A", "b", keys["revoked"], 401},
		{http.MethodPost, "X-A", "b", keys["metrics"], 403},
		{http.MethodPost, "Origin", "https://evil.example", keys["read"], 403},
		{http.MethodPost, "Host", "evil.example", keys["read"], 421},
		{http.MethodGet, "X-A", "b", keys["read"], 405},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tc.method, server.URL+"/mcp", strings.NewReader(list))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		req.Header.Set(tc.header, tc.value)
		if tc.header == "Host" {
			req.Host = tc.value
		}
		if tc.key != "" {
			req.Header.Set("X-API-Key", tc.key)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		_, err = body.ReadFrom(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != tc.status {
			t.Errorf("%+v: %d %v %s", tc, res.StatusCode, err, body.String())
		}
	}
	off := newHarness(t)
	if res := off.do(http.MethodPost, "/mcp"); res.StatusCode != 404 {
		t.Errorf("without MCP=true: %d", res.StatusCode)
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
)

// What a server has is listed, shown and removed by slug, name or id: JSON where the output is no terminal, tables on request.
func TestRecords(t *testing.T) {
	t.Parallel()
	s, _ := serving(t)
	environ := []string{"FOLDBOOK_SERVER=" + s.url}
	dir := t.TempDir()
	const named = `"name":"ridge\u001b[2J, 14 days",`
	write(t, dir, map[string]string{
		"dataset.json": datasetFile(), "run.json": strings.Replace(runFile(), `"target_column"`, named+`"target_column"`, 1), "sim.json": simulationFile(20),
	})
	must(t, exitOK, environ, "import", dir)
	const other = "2f6bd1c2-8c7e-4f0e-9a53-6a1d1b2c3d4f"
	write(t, dir, map[string]string{"other.json": strings.NewReplacer(runID, other, `"target_column"`, `"name":"plain","target_column"`, `"max_depth":4`, `"max_depth":5`).Replace(runFile())})
	must(t, exitOK, environ, "import", dir)
	run := "ridge\x1b[2J, 14 days"

	out, _ := must(t, exitOK, environ, "ls")
	var list struct{ Runs []map[string]any }
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Runs) != 2 {
		t.Errorf("ls: %v\n%s", err, out)
	}
	for _, tc := range []struct{ args, says string }{
		{"ls --table", "RUN_ID NAME DATASET_SLUG TARGET_COLUMN STATUS FOLD_COUNT CREATED_AT "},
		{"ls --table", runID + " ridge·[2J, 14 days btc25_1 TGT_315 COMPLETED 312 "},
		{"ls datasets --table --search btc", datasetID + " btc25_1 "},
		{"ls simulations --table -c summary_metrics.total_return_pct", " dual COMPLETED "},
		{"ls simulations --table -c summary_metrics.total_return_pct", " 8.2"},
		{"ls --table --metric summary_metrics.pf_long>=1.2 --sort=-summary_metrics.pf_long -c summary_metrics.pf_long", " 1.31"},
		{"show --table btc25_1", "bar_interval_ms 14400000"},
		{"show --table btc25_1", "metadata.big 123456789012345678901234567890"},
		{"show --table " + simulationID, "SIDE TRADE_COUNT WIN_COUNT PROFIT_FACTOR AVG_RETURN_PCT MAX_DRAWDOWN_PCT dual 2000 73 1.31 long 1 0"},
		{"show --table " + runID, "311 7464 8114 8118 8142 311"},
		{"show --json " + runID, `"learning_rate": 0.010000000000000002`},
		{"compare --table " + runID + " " + other, "ridge·[2J, 14 days plain dataset_slug btc25_1 btc25_1 target_column TGT_315 TGT_315"},
		{"compare --table " + runID + " " + other, "hyperparameters.max_depth 4 5"},
		{"compare --json " + runID + " " + other, `"configuration":[{"path":"hyperparameters.max_depth"`},
		{"leaderboard --table --dataset btc25_1 --target TGT_315", "RANK NAME RUN_ID SHARPE P_VALUE DSR MIN_TRL AUTOCORRELATION"},
		{"leaderboard --table --search nothing", "no run of it has returns to rank; trials that are recorded: 0"},
		{"leaderboard --table --dataset btc25_1 --target TGT_315", "2 trials are recorded; probability of overfitting"},
		{"rm --dry-run --cascade --table " + simulationID, "would remove simulation " + simulationID + ": buckets 2, simulations 1, trades 20"},
	} {
		out, _ := must(t, exitOK, environ, strings.Fields(tc.args)...)
		if !strings.Contains(strings.Join(strings.Fields(out), " "), tc.says) {
			t.Errorf("foldbook %s: no %q in\n%.3000s", tc.args, tc.says, out)
		}
	}
	for _, tc := range []struct {
		code int
		args []string
		says string
	}{
		{exitFailed, []string{"show", "nothing"}, `has no run, dataset or simulation "nothing"`},
		{exitFailed, []string{"compare", runID, "btc25_1"}, "runs are compared"},
		{exitFailed, []string{"leaderboard"}, "invalid_parameter"},
		{exitFailed, []string{"ls", "datasets", "--status", "COMPLETED"}, "unknown query parameter status"},
		{exitUsage, []string{"rm", run}, "--yes"},
		{exitFailed, []string{"rm", "--yes", run}, "the run has others below it"},
	} {
		if _, stderr := must(t, tc.code, environ, tc.args...); !strings.Contains(stderr, tc.says) {
			t.Errorf("foldbook %q says %s", tc.args, stderr)
		}
	}
	out, _ = must(t, exitOK, environ, "rm", "--yes", "--cascade", run)
	if !strings.Contains(out, `"runs":1`) || !strings.Contains(out, `"simulations":1`) {
		t.Errorf("rm: %s", out)
	}
	if out, _ = must(t, exitOK, environ, "ls", "--table"); strings.Count(out, "\n") != 2 {
		t.Errorf("afterwards: %s", out)
	}
	out, _ = must(t, exitOK, environ, "seed", "--search")
	if !strings.Contains(out, s.url+"/#/leaderboard?search_id=search-60\nfoldbook leaderboard --search search-60\n") {
		t.Errorf("seed says %s", out)
	}
	out, _ = must(t, exitOK, environ, "leaderboard", "--search", "search-60", "--table", "-n", "2")
	if words := strings.Fields(out); len(words) < 18 || words[9] != "trial-42" || words[17] != "trial-17" ||
		!strings.Contains(out, "\nskill was shown (p_value below 0.05) by trial-17\n") {
		t.Errorf("the search is ranked as\n%s", out)
	}
}

// Only the name itself removes something.
func TestConfirm(t *testing.T) {
	t.Parallel()
	for typed, ok := range map[string]bool{"btc25_1\n": true, "btc25_1": true, "y\n": false, "": false} {
		var asked bytes.Buffer
		if err := confirm(strings.NewReader(typed), &asked, "btc25_1"); (err == nil) != ok {
			t.Errorf("%q: %v", typed, err)
		}
		if asked.String() != "type btc25_1 to remove it: " {
			t.Errorf("asks %q", asked.String())
		}
	}
	if isTerminal(io.Reader(strings.NewReader(""))) {
		t.Error("a text is a terminal")
	}
}

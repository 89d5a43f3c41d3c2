package db_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"foldbook/db"
	"foldbook/internal/seed"
	"foldbook/internal/testdb"
)

// query is one query of sql/ as a person wrote it, with the SQL that sqlc made of it.
type query struct {
	name, kind string
	comment    string
	params     []string // names, each as often as it is used
	sql        string   // with $1 for the parameters; empty for COPY, of which sqlc leaves only table and columns
	table      string   // that a COPY fills
}

var (
	annotation = regexp.MustCompile(`(?m)^-- name: (\w+) (:\w+)\n`)
	parameter  = regexp.MustCompile(`@(\w+)|sqlc\.n?arg\('(\w+)'\)`)
	generated  = regexp.MustCompile("(?s)= `-- name: (\\w+) :\\w+\n(.*?)`")
	indexNames = regexp.MustCompile(`\bindex: (none, [^.]+|(?:any of )?[a-z0-9_]+(?:, (?:any of )?[a-z0-9_]+)*)\.`)
	optional   = regexp.MustCompile(`(\$\d+)::\w+(?:\[\])? IS NULL`)
	costText   = regexp.MustCompile(`\bcost: \S`)
)

// readQueries parses sql/ and the generated code.
func readQueries(t *testing.T) (queries []query) {
	t.Helper()
	made := map[string]string{}
	for _, text := range readAll(t, "*.gen.go") {
		for _, m := range generated.FindAllStringSubmatch(text, -1) {
			made[m[1]] = m[2]
		}
	}
	for _, text := range readAll(t, filepath.Join("..", "sql", "*.sql")) {
		found := annotation.FindAllStringSubmatchIndex(text, -1)
		for i, at := range found {
			end := len(text)
			if i+1 < len(found) {
				end = found[i+1][0]
			}
			q := query{name: text[at[2]:at[3]], kind: text[at[4]:at[5]]}
			var body []string
			for _, line := range strings.Split(text[at[1]:end], "\n") {
				if strings.HasPrefix(line, "--") {
					q.comment += strings.TrimPrefix(line, "--")
				} else {
					body = append(body, line)
				}
			}
			source := strings.Join(body, "\n")
			for _, m := range parameter.FindAllStringSubmatch(source, -1) {
				q.params = append(q.params, m[1]+m[2])
			}
			if q.sql = made[q.name]; q.sql == "" {
				_, _ = fmt.Sscanf(strings.TrimSpace(source), "INSERT INTO %s", &q.table)
			}
			queries = append(queries, q)
		}
	}
	if len(queries) < len(made) || len(queries) == 0 {
		t.Fatalf("found %d queries in sql/, but %d in the generated code", len(queries), len(made))
	}
	return queries
}

func readAll(t *testing.T, pattern string) (texts []string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return texts
}

// execute is the EXECUTE of the prepared query with values for its parameters. Filters that are optional and not among
// those given, and the columns of a row to store, are NULL.
func (q query) execute(t *testing.T, values map[string]string, given ...string) string {
	t.Helper()
	places := regexp.MustCompile(`\$(\d+)`).FindAllStringSubmatch(q.sql, -1)
	if len(places) != len(q.params) {
		t.Fatalf("%s uses %d parameters in sql/ and %d in the generated code: is it generated anew?", q.name, len(q.params), len(places))
	}
	var filters []string
	for _, m := range optional.FindAllStringSubmatch(q.sql, -1) {
		filters = append(filters, m[1])
	}
	args := map[string]string{}
	for i, place := range places {
		value := "NULL"
		// An optional filter is used as $1::text IS NULL OR ..., and a list without it is the one that is asked for most.
		if v, ok := values[q.params[i]]; ok && (!slices.Contains(filters, place[0]) || slices.Contains(given, q.params[i])) {
			value = v
		}
		if value == "NULL" && !strings.Contains(q.sql, place[0]+"::") && !strings.HasPrefix(q.sql, "INSERT") {
			t.Errorf("%s needs a value for %s: add it to the test", q.name, q.params[i])
		}
		args[place[1]] = value
	}
	if len(args) == 0 {
		return "EXECUTE q"
	}
	list := make([]string, len(args))
	for i := range list {
		list[i] = args[fmt.Sprint(i+1)]
	}
	return "EXECUTE q(" + strings.Join(list, ", ") + ")"
}

// TestPlans requires of every query in sql/ that it says its cost and its indexes, and that PostgreSQL uses these on
// a realistic volume, without being talked out of any other plan.
func TestPlans(t *testing.T) {
	testdb.Slow(t)
	t.Parallel()
	store := open(t, func(c *db.Config) { c.PoolSize = 1 }) // so that what is SET holds for all that follows
	// VACUUM finds rows visible to all only when their commit is on disk, for which the test servers do not wait.
	exec(t, store, "SET synchronous_commit = on")
	exec(t, store, "SET plan_cache_mode = force_custom_plan") // for the parameters given, not for any
	exec(t, store, "SELECT setseed(0.5)")
	exec(t, store, "SET statement_timeout = 0") // that of a request is not for making a hundred thousand rows
	grow(t, store)
	exec(t, store, "RESET statement_timeout")
	values := map[string]string{
		"page_size": "100", "page_offset": "0", "max_count": "1000000", "after": "-1", "fold_numbers": "'{1,2}'", "after_id": "'" + uuid.Nil.String() + "'",
		"after_at": "'2020-01-01'", "has_cursor": "false", "after_value": "0", "metric_keys": "'{}'", "metric_wanted": "'{}'", "metric_lows": "'{}'",
		"metric_highs": "'{}'", "pattern": "'%0042_run3%'", "key": "'summary_metrics.sharpe'", "low": "3", "high": "'Infinity'",
		"first_key": "'summary_metrics.sharpe'", "last_key": "'summary_metrics.sharpe'", "after_key": "''", "keys": "'{summary_metrics.sharpe}'", "slug": "'bench_0001'", "kept": "'{}'", "sort_low": "'-Infinity'", "sort_high": "'Infinity'",
		"lead_key": "'summary_metrics.sharpe'", "lead_low": "'-Infinity'", "lead_high": "'Infinity'", "statement_ms": "'1'", "lock_ms": "'1'",
		"ohlcv_measurement": "'m'", "ohlcv_row_count": "1000", "ohlcv_first_ts": "'2024-01-01'", "ohlcv_last_ts": "'2024-01-01'", "row_count": "1000", "first_bar_ts": "'2024-01-01'",
		"last_bar_ts": "'2024-01-01'", "column_schema": "'[]'", "train_starts": "'{1,2}'", "train_ends": "'{1,2}'", "test_starts": "'{1,2}'", "test_ends": "'{1,2}'",
		"part": "3", "message": "'importing'", "state": "'{}'", "before_at": "'2100-01-01'", "error": "'x'", "result": "'{}'",
		"max_seconds": "86400", "seq": "0", "upto": "1000", "former_seq": "0", "former_after_id": "'" + uuid.Nil.String() + "'", "body": "'note'", "author": "'me'", "fold_number": "1", "name": "'plot.png'", "sha256": "''", "payload": "'{}'", "river_id": "1", "alone": "true", "counted": "'m'", "place": "'m'", "holder": "'" + uuid.Nil.String() + "'", "seconds": "10", "kind": "1", "key_id": "'abcdefgh'", "secret_hash": `'\x00'`, "id": "'" + uuid.Nil.String() + "'",
	}
	for name, sql := range map[string]string{
		"dataset_id":    "SELECT dataset_id::text FROM indicator_datasets ORDER BY created_at LIMIT 1",
		"run_id":        "SELECT run_id::text FROM walkforward_runs ORDER BY created_at LIMIT 1",
		"simulation_id": "SELECT simulation_id::text FROM simulation_runs ORDER BY created_at LIMIT 1",
		"symbol":        "SELECT symbol FROM indicator_datasets ORDER BY created_at LIMIT 1",
		"questdb_tag":   "SELECT questdb_tag FROM indicator_datasets ORDER BY created_at LIMIT 1",
		"status":        "SELECT 'RUNNING'",
		"annotation_id": "SELECT annotation_id::text FROM annotations ORDER BY created_at LIMIT 1",
		"comparison_id": "SELECT comparison_id::text FROM comparisons ORDER BY created_at LIMIT 1",
		"job_id":        "SELECT job_id::text FROM import_parts ORDER BY job_id LIMIT 1",
	} {
		values[name] = "'" + lines(t, store, sql)[0] + "'"
	}
	trigrams := len(lines(t, store, "SELECT extname::text FROM pg_extension WHERE extname = 'pg_trgm'")) > 0
	for _, q := range readQueries(t) {
		stated := indexNames.FindStringSubmatch(q.comment)
		if !strings.HasPrefix(strings.TrimSpace(q.comment), q.name+" ") && !strings.Contains(q.comment, " "+q.name+" ") {
			t.Errorf("%s: its comment does not say what it does", q.name)
		}
		if stated == nil || !costText.MatchString(q.comment) {
			t.Errorf("%s: its comment does not say index: and cost:", q.name)
			continue
		}
		if strings.HasPrefix(stated[1], "none, ") {
			continue
		}
		var plan string
		if q.kind == ":copyfrom" { // COPY has no plan: it writes every index of its table
			plan = strings.Join(indexesOf(t, store, q.table), "\n")
		} else {
			plan = explain(t, store, q, values)
			if called := regexp.MustCompile(`Function Scan on (unmet_\w+|\w+_in_range)`).FindString(plan); called != "" {
				t.Errorf("%s calls a function that has to be expanded: %s\n%s", q.name, called, plan)
			}
		}
		for _, index := range strings.Split(stated[1], ", ") {
			if strings.HasSuffix(index, "_text_idx") && !trigrams {
				continue
			}
			names := index
			if table, ok := strings.CutPrefix(index, "any of "); ok { // equally good ones: the planner takes the smallest
				names = strings.Join(indexesOf(t, store, table), "|")
			}
			if !regexp.MustCompile(`\b(` + names + `)\b`).MatchString(plan) {
				t.Errorf("%s states %s, which is not in its plan:\n%s", q.name, index, plan)
			}
		}
	}
	cursorPlans(t, store)
	idPlans(t, store)
}

func explain(t *testing.T, store *db.DB, q query, values map[string]string, given ...string) string {
	t.Helper()
	how := "EXPLAIN "
	if len(given) > 0 {
		how = "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) "
	}
	exec(t, store, "PREPARE q AS "+q.sql, pgx.QueryExecModeSimpleProtocol)
	defer exec(t, store, "DEALLOCATE q", pgx.QueryExecModeSimpleProtocol)
	return strings.Join(lines(t, store, how+q.execute(t, values, given...), pgx.QueryExecModeSimpleProtocol), "\n")
}

func indexesOf(t *testing.T, store *db.DB, table string) []string {
	t.Helper()
	return lines(t, store, "SELECT indexname::text FROM pg_indexes WHERE tablename = $1", table)
}

// lines returns the rows of a query that has one column of text.
func lines(t *testing.T, store *db.DB, sql string, args ...any) []string {
	t.Helper()
	rows, err := store.Pool.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return list
}

// grow fills the store with the benchmark's rows, ten times over, some years of use: 500 datasets, 2000 runs.
func grow(t *testing.T, store *db.DB) {
	t.Helper()
	if err := seed.Scale(t.Context(), store.Pool, nil, 1, io.Discard); err != nil {
		t.Fatal(err)
	}
	// A copy's id is a hash of the original's and the copy's number. Parents come first.
	ids := []string{"dataset_id", "run_id", "simulation_id", "trade_id"}
	for _, table := range []string{
		"indicator_datasets", "walkforward_runs", "walkforward_folds", "walkforward_run_metrics",
		"simulation_runs", "simulation_trade_buckets", "simulation_trades", "simulation_run_metrics",
	} {
		var copied []string
		columns := lines(t, store, "SELECT attname::text FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum", table)
		for _, column := range columns {
			switch {
			case slices.Contains(ids, column):
				column = "md5(" + column + "::text || n)::uuid"
			case slices.Contains([]string{"questdb_tag", "symbol", "prediction_measurement", "questdb_namespace"}, column):
				column += " || '_' || n"
			case column == "created_at":
				column += " + n * interval '30 day' + random() * interval '30 day'"
			case column == "status": // one in ten is not completed
				column = "CASE WHEN random() < 0.9 THEN status ELSE (ARRAY['RUNNING', 'FAILED', 'CANCELLED'])[ceil(random() * 3)] END"
			}
			copied = append(copied, column)
		}
		// In the order of time, as rows come, because the size of an index depends on it.
		exec(t, store, fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s, generate_series(1, 9) AS n ORDER BY %d",
			table, strings.Join(columns, ", "), strings.Join(copied, ", "), table, 1+max(0, slices.Index(columns, "created_at"))))
	}
	exec(t, store, "INSERT INTO access_keys (key_id, secret_hash, scope) SELECT lpad(n::text, 8, '0'), repeat('0', 64), 'read' FROM generate_series(1, 2000) AS n")
	// One simulation has as many trades as some really have: the way through a few is no matter.
	exec(t, store, `INSERT INTO simulation_trades (simulation_id, bar_timestamp, side, size, entry_price)
		SELECT simulation_id, timestamptz '2024-01-01' + n * interval '1 hour', 'long', 1, n
		FROM (SELECT simulation_id FROM simulation_runs ORDER BY created_at LIMIT 1) AS s, generate_series(1, 2000) AS n`)
	// Most jobs have ended.
	exec(t, store, `INSERT INTO river.river_job (state, max_attempts, finalized_at, kind, args)
		SELECT CASE WHEN n % 1000 = 0 THEN 'available' ELSE 'completed' END::river.river_job_state, 50, CASE WHEN n % 1000 <> 0 THEN now() END, 'questdb_import', '{}'
		FROM generate_series(1, 20000) AS n`)
	exec(t, store, `INSERT INTO jobs (job_type, created_at, updated_at, completed_at, river_id)
		SELECT 'questdb_import', timestamptz '2024-01-01' + n * interval '1 hour',
			timestamptz '2024-01-01' + n * interval '1 hour', CASE WHEN n % 1000 <> 0 THEN now() END, n
		FROM generate_series(1, 20000) AS n`)
	exec(t, store, `INSERT INTO import_parts (job_id, part, first_row, data)
		SELECT job_id, n, n * 1000, '\x00' FROM jobs, generate_series(1, 60) AS n WHERE completed_at IS NULL`)
	exec(t, store, `INSERT INTO row_leases SELECT 'table_' || n, gen_random_uuid(), now() FROM generate_series(1, 2000) AS n`)
	exec(t, store, `INSERT INTO annotations (run_id, body, created_at) SELECT run_id, 'note', created_at FROM walkforward_runs, generate_series(1, 3)`)
	exec(t, store, `INSERT INTO comparisons (name, created_at) SELECT n, timestamptz '2024-01-01' + n * interval '1 hour' FROM generate_series(1, 5000) AS n`)
	exec(t, store, `INSERT INTO artifacts (run_id, name, media_type, size, sha256, data) SELECT run_id, 'plot.png', 'image/png', 0, '', '' FROM walkforward_runs`)
	// Most events have their numbers, and are not old enough to go.
	exec(t, store, `INSERT INTO events (topic, kind, subject_id, seq) SELECT 'runs', 'changed', gen_random_uuid(), CASE WHEN n < 19990 THEN n END FROM generate_series(1, 20000) AS n`)
	exec(t, store, "VACUUM ANALYZE") // as autovacuum does on a server in use
}

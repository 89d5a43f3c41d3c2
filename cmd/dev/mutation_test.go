package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The development loop on one copy of the repository, beside one make dev: its first start compiles nearly everything.
func TestLoop(t *testing.T) {
	l := startLoop(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *loop)
	}{{"mutations", mutations}, {"recipes", recipesWork}, {"edits", editToAnswer}} {
		t.Run(part.name, func(t *testing.T) { part.run(t, l) })
	}
}

// What an edit does is said at the step that is meant for it, with its cause in the first line, and until then the old server
// answers. What is not served touches no generated file.
func mutations(t *testing.T, l *loop) {
	for _, m := range []struct{ name, script, says, serves string }{
		{"a new migration without statements", "printf -- '-- +goose Up\\n-- +goose Down\\n' > migrations/00999_edit.sql", "", ""},
		{"add a column", migration("ALTER TABLE indicator_datasets ADD COLUMN note text;", "ALTER TABLE indicator_datasets DROP COLUMN note;"),
			`watch     serving`, `"note":null`},
		{"rename a column", migration("ALTER TABLE indicator_datasets RENAME COLUMN source TO origin;", "ALTER TABLE indicator_datasets RENAME COLUMN origin TO source;"),
			`sql/indicator_datasets.sql%column .*"source" .*does not exist`, ""},
		{"drop a column", migration("ALTER TABLE indicator_datasets DROP COLUMN lookback_rows;", "ALTER TABLE indicator_datasets ADD COLUMN lookback_rows bigint NOT NULL DEFAULT 0;"),
			`sql/\w+.sql%.*column .*lookback_rows.* does not exist`, ""},
		{"drop a column that is written", migration("ALTER TABLE walkforward_runs DROP COLUMN requested_by;", "ALTER TABLE walkforward_runs ADD COLUMN requested_by text;"),
			`api/spec/openapi.yaml:\d+:\d+: requested_by, which UpsertRun takes, is no column of walkforward_runs`, ""},
		{"change a column's type", migration("ALTER TABLE walkforward_folds ALTER COLUMN best_score TYPE text;", "ALTER TABLE walkforward_folds ALTER COLUMN best_score TYPE float8 USING best_score::float8;"),
			`api/\w+.go%cannot (use|convert)`, ""},
		{"change a column's nullability", migration("ALTER TABLE walkforward_runs ALTER COLUMN target_column DROP NOT NULL;", "ALTER TABLE walkforward_runs ALTER COLUMN target_column SET NOT NULL;"),
			`api/\w+.go%cannot (use|convert)`, ""},
		{"a type without a JSON form", migration("ALTER TABLE indicator_datasets ADD COLUMN note numeric;", "ALTER TABLE indicator_datasets DROP COLUMN note;"),
			`migrations/00999_edit.sql:2:\d+: note has the Go type pgtype.Numeric`, ""},
		{"add a table", migration("CREATE TABLE note (id bigint PRIMARY KEY);", "DROP TABLE note;"), `watch     serving`, ""},
		{"a migration that is no SQL", migration("ALTER TABL indicator_datasets;", "SELECT 1;"), `migrations/00999_edit.sql%syntax error at or near "TABL"`, ""},
		{"a migration that fails", migration("ALTER TABLE indicator_datasets ADD COLUMN note text NOT NULL;", "ALTER TABLE indicator_datasets DROP COLUMN note;"),
			`migrations/00999_edit.sql:2: column "note" of relation "indicator_datasets" contains null values`, ""},
		{"break the SQL", `sed -i '0,/^SELECT /s//SELEC /' sql/simulation_trades.sql`, `sql/simulation_trades.sql%syntax error at or near "SELEC"`, ""},
		{"break openapi.yaml", `sed -i '201s/:/: :/' api/spec/openapi.yaml`, `api/spec/openapi.yaml:201:\d+: mapping values are not allowed`, ""},
		{"a reference to nothing", `sed -i '0,/schemas\/IndicatorDataset/s//schemas\/Nope/' api/spec/openapi.yaml`, `api/spec/openapi.yaml%there is no #/components/schemas/Nope`, ""},
		{"a wrong type in a query", wrongType, refusedType, ""},
		{"a server that does not start", `printf 'package main\n\nfunc init() { panic("on purpose") }\n' > cmd/foldbook/broken.go`, `the new server does not work: panic: on purpose`, ""},
	} {
		t.Run(m.name, func(t *testing.T) {
			n := len(l.out.from(0))
			if m.says == "" {
				l.shell(t, fresh+m.script)
				l.await(t, n, "has no statements yet: nothing is applied")
				l.works(t)
				return
			}
			said := l.edit(t, fresh+m.script)
			if changed := l.shell(t, "git status --porcelain -- ':!migrations' ':!sql' ':!api/spec/openapi.yaml' ':!cmd'"); strings.Contains(said, "generating failed") && changed != "" {
				t.Errorf("a failed make generate changed\n%s", changed)
			}
			if !place(m.says).MatchString(said) {
				t.Errorf("make dev says, want %s:\n%s", m.says, said)
			}
			if i := strings.Index(said, "# "); i >= 0 && strings.HasPrefix(said[i:], "# package") {
				t.Error("there are headings of a tool")
			}
			l.works(t)
			if _, body, err := l.get(t.Context(), "/api/datasets"); err != nil || !strings.Contains(body, m.serves) {
				t.Errorf("GET /api/datasets answers %.300s, %v, want %s", body, err, m.serves)
			}
		})
	}
	t.Run("a wrong type in a query, then an edit of Go", func(t *testing.T) {
		l.edit(t, fresh+wrongType)
		if said := l.edit(t, `echo >> api/server.go`); !place(refusedType).MatchString(said) || strings.Contains(said, ends[0]) {
			t.Errorf("make dev says, want that the query is refused still:\n%s", said)
		}
		l.restore(t)
	})
}

const (
	wrongType = `printf -- '-- name: GetWrong :one\n-- GetWrong is wrong.\nSELECT count(*)::bigint AS n FROM indicator_datasets ` +
		`WHERE symbol = 5;\n' > sql/wrong.sql`
	refusedType = `sql/wrong.sql:1:1: GetWrong: operator does not exist: text = integer`
)

// From a saved query to its answer: the time of twenty edits is printed.
func editToAnswer(t *testing.T, l *loop) {
	took := make([]time.Duration, 20)
	for i := range took {
		mark := strconv.Itoa(1000000 * (i + 1))
		n := len(l.out.from(0))
		l.shell(t, `sed -i -E "s/^    \(([0-9]+ \+ )?\(?SELECT count\(\*\) FROM walkforward_runs AS r WHERE r.dataset_id = d.dataset_id\)+::bigint AS run_count/`+
			`    (`+mark+` + (SELECT count(*) FROM walkforward_runs AS r WHERE r.dataset_id = d.dataset_id))::bigint AS run_count/" sql/indicator_datasets.sql`)
		began := time.Now()
		for {
			if _, body, err := l.get(t.Context(), "/api/datasets"); err == nil && strings.Contains(body, fmt.Sprintf(`"run_count":%s`, mark[:len(mark)-1])) {
				break
			}
			if time.Since(began) > loopPatience {
				t.Fatalf("edit %d is not served", i)
			}
			time.Sleep(20 * time.Millisecond)
		}
		took[i] = time.Since(began)
		l.await(t, n, ends[0])
	}
	slices.Sort(took)
	t.Logf("from a saved query to its answer, 20 edits: median %s, p95 %s, longest %s", round(took[9]), round(took[18]), round(took[19]))
}

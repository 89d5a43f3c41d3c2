package migrator_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver that goose runs on
	"github.com/pressly/goose/v3"

	"foldbook/internal/migrator"
	"foldbook/internal/testdb"
	"foldbook/migrations"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// recorder keeps what a migrator reports.
type recorder struct {
	mu     sync.Mutex
	steps  []string
	losses []migrator.Loss
	notes  []string
}

func (r *recorder) report() migrator.Report {
	return migrator.Report{
		Step: func(s migrator.Step) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.steps = append(r.steps, fmt.Sprintf("%s %s %s", s.Outcome, s.Direction, s.File))
		},
		Losses: func(l []migrator.Loss) { r.losses = l },
		Note: func(text string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.notes = append(r.notes, text)
		},
	}
}

func open(t *testing.T, url string, fsys fs.FS) (*migrator.Migrator, *recorder) {
	t.Helper()
	r := &recorder{}
	m, err := migrator.Open(t.Context(), url, 5*time.Second, fsys, r.report())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m, r
}

func exec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// schema describes everything that a migration makes: tables, columns, constraints, indexes, comments, functions,
// triggers, sequences' positions and the versions.
func schema(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
SELECT concat_ws(' ', 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum))
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v')
UNION ALL SELECT concat_ws(' ', 'table', relname, obj_description(oid)) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
UNION ALL SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT concat_ws(' ', 'index', indexdef) FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT concat_ws(' ', 'function', pg_get_functiondef(oid)) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT concat_ws(' ', 'trigger', pg_get_triggerdef(oid)) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT concat_ws(' ', 'sequence', sequencename, last_value) FROM pg_sequences WHERE schemaname = 'public'
ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// fixtures are rows in every table: 2 datasets, 3 runs, 4 folds, 2 simulations, 3 buckets, 5 trades.
const fixtures = `
INSERT INTO indicator_datasets (dataset_id, questdb_tag) SELECT ('d0000000-0000-0000-0000-00000000000' || i)::uuid, 'set' || i FROM generate_series(1, 2) i;
INSERT INTO walkforward_runs (run_id, dataset_id, prediction_measurement) SELECT ('e0000000-0000-0000-0000-00000000000' || i)::uuid, 'd0000000-0000-0000-0000-000000000001', 'p' || i FROM generate_series(1, 3) i;
INSERT INTO walkforward_folds (run_id, fold_number, train_start_idx, train_end_idx, test_start_idx, test_end_idx, samples_train, samples_test, best_score) SELECT 'e0000000-0000-0000-0000-000000000001', i, 0, 10, 10, 12, 10, 2, 0.1 FROM generate_series(0, 3) i;
INSERT INTO simulation_runs (simulation_id, run_id, dataset_id, mode) SELECT ('f0000000-0000-0000-0000-00000000000' || i)::uuid, 'e0000000-0000-0000-0000-000000000001', 'd0000000-0000-0000-0000-000000000001', 'dual' FROM generate_series(1, 2) i;
INSERT INTO simulation_trade_buckets (simulation_id, side) SELECT 'f0000000-0000-0000-0000-000000000001', s FROM unnest('{long,short,all}'::text[]) s;
INSERT INTO simulation_trades (simulation_id, bar_timestamp, side, size, entry_price) SELECT 'f0000000-0000-0000-0000-000000000001', now(), 'long', 1, i FROM generate_series(1, 5) i;`

func TestUpDownUp(t *testing.T) {
	t.Parallel()
	url := testdb.EmptyURL(t)
	conn := testdb.Connect(t, url)
	m, r := open(t, url, migrations.FS)
	files, err := migrator.Parse(migrations.FS)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := m.Up(t.Context(), false); err != nil || n != len(files) || len(r.steps) != n {
		t.Fatalf("up: got %d migrations, reported %q, %v; want all %d", n, r.steps, err, len(files))
	}
	first := schema(t, conn)
	if n, err := m.Up(t.Context(), false); err != nil || n != 0 {
		t.Fatalf("up again: got %d, %v; want nothing to do", n, err)
	}
	exec(t, conn, fixtures)

	if n, err := m.Down(t.Context(), migrator.All, migrator.Consent{Yes: true}); err != nil || n != len(files) {
		t.Fatalf("reset: got %d, %v; want %d", n, err, len(files))
	}
	for _, line := range schema(t, conn) {
		if !strings.Contains(line, "goose_db_version") {
			t.Errorf("after reset there is still: %s", line)
		}
	}
	if n, err := m.Up(t.Context(), false); err != nil || n != len(files) {
		t.Fatalf("up after reset: got %d, %v; want %d", n, err, len(files))
	}
	ignoreSequences := func(lines []string) []string {
		var kept []string
		for _, l := range lines {
			if !strings.HasPrefix(l, "sequence") {
				kept = append(kept, l)
			}
		}
		return kept
	}
	if diff := cmp.Diff(ignoreSequences(first), ignoreSequences(schema(t, conn))); diff != "" {
		t.Errorf("the schema differs after down and up (-first +second):\n%s", diff)
	}
	exec(t, conn, fixtures)
}

// Whoever uses goose itself gets the same schema and the same versions.
func TestAgreesWithGoose(t *testing.T) {
	t.Parallel()
	ours, theirs := testdb.EmptyURL(t), testdb.EmptyURL(t)
	m, _ := open(t, ours, migrations.FS)
	if _, err := m.Up(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	provider := gooseProvider(t, theirs)
	if _, err := provider.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(schema(t, testdb.Connect(t, theirs)), schema(t, testdb.Connect(t, ours))); diff != "" {
		t.Errorf("the schema differs (-goose +ours):\n%s", diff)
	}
	current, target, err := gooseProvider(t, ours).GetVersions(t.Context())
	if err != nil || current != target {
		t.Errorf("goose sees version %d of %d, %v; want the newest", current, target, err)
	}
}

func gooseProvider(t *testing.T, url string) *goose.Provider {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = provider.Close() })
	return provider
}

func TestDryRunLeavesNoTrace(t *testing.T) {
	t.Parallel()
	empty := testdb.EmptyURL(t)
	conn := testdb.Connect(t, empty)
	before := schema(t, conn)
	m, r := open(t, empty, migrations.FS)
	if _, err := m.Up(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, schema(t, conn)); diff != "" {
		t.Errorf("up --dry-run changed the database:\n%s", diff)
	}
	if len(r.steps) == 0 || !strings.HasPrefix(r.steps[0], "rolled back up 00001_") {
		t.Errorf("got steps %q, want all reported as rolled back", r.steps)
	}

	full := testdb.NewURL(t)
	conn = testdb.Connect(t, full)
	exec(t, conn, fixtures)
	before = schema(t, conn)
	m, r = open(t, full, migrations.FS)
	if _, err := m.Down(t.Context(), migrator.All, migrator.Consent{DryRun: true}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, schema(t, conn)); diff != "" {
		t.Errorf("reset --dry-run changed the database:\n%s", diff)
	}
	if diff := cmp.Diff(allFixtures, r.losses); diff != "" {
		t.Errorf("losses (-want +got):\n%s", diff)
	}
}

var allFixtures = []migrator.Loss{
	{Table: "indicator_datasets", Count: 2},
	{Table: "simulation_runs", Count: 2},
	{Table: "simulation_trade_buckets", Count: 3},
	{Table: "simulation_trades", Count: 5},
	{Table: "walkforward_folds", Count: 4},
	{Table: "walkforward_runs", Count: 3},
}

func TestDryRunFindsWhatFails(t *testing.T) {
	t.Parallel()
	m, _ := open(t, testdb.EmptyURL(t), fstest.MapFS{"00001_a.sql": file("-- +goose Up\nCREATE TABLE a (id int);\nINSERT INTO b VALUES (1);\n")})
	_, err := m.Up(t.Context(), true)
	if want := `migrations/00001_a.sql:3: relation "b" does not exist (SQLSTATE 42P01)`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestTwoMigratorsAtOnce(t *testing.T) {
	t.Parallel()
	url := testdb.EmptyURL(t)
	slow := fstest.MapFS{"00001_a.sql": file("-- +goose Up\nCREATE TABLE a (id int);\nSELECT pg_sleep(0.8);\n")}
	var wg sync.WaitGroup
	var counts [2]int
	var notes [2][]string
	for i := range counts {
		m, r := open(t, url, slow)
		wg.Go(func() {
			var err error
			if counts[i], err = m.Up(t.Context(), false); err != nil {
				t.Error(err)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			notes[i] = r.notes
		})
	}
	wg.Wait()
	if counts[0]+counts[1] != 1 {
		t.Errorf("applied %v, want the migration once", counts)
	}
	if said := slices.Concat(notes[0], notes[1]); len(said) != 1 || !strings.Contains(said[0], "another migrator") {
		t.Errorf("notes are %q, want the waiting one to say so", said)
	}
}

func TestFailureNamesTheLineAndLeavesNothing(t *testing.T) {
	t.Parallel()
	first := file("-- +goose Up\nCREATE TABLE a (id int PRIMARY KEY);\nINSERT INTO a VALUES (1);\n-- +goose Down\nDROP TABLE a;\n")
	for name, c := range map[string]struct{ sql, want string }{
		"syntax": {
			"-- +goose Up\nCREATE TABLE b (id int);\n\n-- why\nCREATE TABLE c (\n    id int,\n    nme txt\n);\n",
			`migrations/00002_b.sql:7: type "txt" does not exist (SQLSTATE 42704)`,
		},
		"while running": {
			"-- +goose Up\nCREATE TABLE b (id int);\nINSERT INTO a\nVALUES (1);\n",
			"migrations/00002_b.sql:3: duplicate key value violates unique constraint \"a_pkey\" (SQLSTATE 23505)\nDetail: Key (id)=(1) already exists.",
		},
		"in a block": {
			"-- +goose Up\nCREATE TABLE b (id int);\n-- +goose StatementBegin\nDO $$\nBEGIN\n  PERFORM 1;\n  PERFROM 2;\nEND $$;\n-- +goose StatementEnd\n",
			`migrations/00002_b.sql:7: syntax error at or near "PERFROM" (SQLSTATE 42601)`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := testdb.EmptyURL(t)
			m, _ := open(t, url, fstest.MapFS{"00001_a.sql": first, "00002_b.sql": file(c.sql), "00003_c.sql": file("-- +goose Up\nCREATE TABLE never (id int);\n")})
			n, err := m.Up(t.Context(), false)
			if n != 1 || err == nil || err.Error() != c.want {
				t.Errorf("got %d applied and %v\nwant 1 and %s", n, err, c.want)
			}
			conn := testdb.Connect(t, url)
			var tables []string
			if err := conn.QueryRow(t.Context(), "SELECT array_agg(relname::text ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'").Scan(&tables); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"a", "goose_db_version"}, tables); diff != "" {
				t.Errorf("tables (-want +got):\n%s", diff)
			}
			pool, err := pgxpool.New(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			if have, want, err := migrator.Version(t.Context(), pool, migrations.FS); err != nil || have != 1 || want < 6 {
				t.Errorf("got version %d of %d, %v; want 1 of 6 or more", have, want, err)
			}
		})
	}
}

// What goose cannot read is named with its file and line, and changes nothing.
func TestUnreadableMigration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"-- +goose Up\nCREATE TABLE a (id int);\n\nCREATE TABLE b (\n  id int\n)\n": "migrations/00001_a.sql:4: .*missing semicolon",
		"-- +goose Up\nSELECT 1;\n-- +goose StatementBegin\nSELECT 2;\n":            "migrations/00001_a.sql:3: .*missing '-- .goose StatementEnd'",
		"-- +goose Up\nCREATE TABLE a (id int)\n-- +goose Down\nDROP TABLE a;\n":    "migrations/00001_a.sql:2: .*missing semicolon",
		"CREATE TABLE a (id int);\n": "migrations/00001_a.sql:1: ",
		"-- +goose Up\nSELECT 1;\n-- +goose Sideways\nSELECT 2;\n-- +goose Down\nSELECT 3;\n": "migrations/00001_a.sql:3: ",
	} {
		m, _ := open(t, testdb.EmptyURL(t), fstest.MapFS{"00001_a.sql": file(text)})
		n, err := m.Up(t.Context(), false)
		if n != 0 || err == nil || !regexp.MustCompile("^"+want).MatchString(err.Error()) {
			t.Errorf("%q: %d applied, %v", text, n, err)
		}
	}
}

// What is left to do is not done on another connection, which would be without the lock.
func TestLostConnection(t *testing.T) {
	t.Parallel()
	url := testdb.EmptyURL(t)
	m, _ := open(t, url, fstest.MapFS{
		"00001_a.sql": file("-- +goose Up\nCREATE TABLE a (id int);\n"),
		"00002_b.sql": file("-- +goose Up\nSELECT pg_terminate_backend(pg_backend_pid());\n"),
		"00003_c.sql": file("-- +goose Up\nCREATE TABLE c (id int);\n"),
	})
	if n, err := m.Up(t.Context(), false); n != 1 || err == nil || !strings.Contains(err.Error(), "migrations/00002_b.sql:2") {
		t.Errorf("got %d, %v; want one applied, and the place of the failure", n, err)
	}
	if n, err := m.Up(t.Context(), false); n != 0 || err == nil {
		t.Errorf("once more: got %d, %v; want an error", n, err)
	}
	if got := schema(t, testdb.Connect(t, url)); slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, "table c") }) {
		t.Errorf("there is a table c: %q", got)
	}
}

func TestStatusAndNewerDatabase(t *testing.T) {
	t.Parallel()
	url := testdb.EmptyURL(t)
	two := fstest.MapFS{"00001_a.sql": file("-- +goose Up\nCREATE TABLE a ();\n-- +goose Down\nDROP TABLE a;\n"), "00002_b.sql": file("-- +goose Up\nCREATE TABLE b ();\n")}
	one := fstest.MapFS{"00001_a.sql": two["00001_a.sql"]}
	m, _ := open(t, url, two)
	before, err := m.Status(t.Context())
	if err != nil || len(before) != 2 || before[0].AppliedAt != nil {
		t.Errorf("status of an empty database: got %+v, %v; want two pending", before, err)
	}
	if _, err := m.Up(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	older, _ := open(t, url, one)
	list, err := older.Status(t.Context())
	if err != nil || len(list) != 2 || list[0].AppliedAt == nil || list[1].File != "" {
		t.Errorf("status: got %+v, %v; want one applied and one unknown", list, err)
	}
	if since := time.Since(*list[0].AppliedAt); since < -time.Minute || since > time.Hour {
		t.Errorf("applied at %s, want about now in UTC", list[0].AppliedAt)
	}
	if _, err := older.Up(t.Context(), false); !errors.Is(err, migrator.ErrUnknownVersion) {
		t.Errorf("up: got %v, want ErrUnknownVersion", err)
	}
	if _, err := older.Down(t.Context(), 1, migrator.Consent{Yes: true}); !errors.Is(err, migrator.ErrUnknownVersion) {
		t.Errorf("down: got %v, want ErrUnknownVersion", err)
	}
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

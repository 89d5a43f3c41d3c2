package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"foldbook/internal/migrator"
	"foldbook/internal/testdb"
	"foldbook/migrations"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// command runs foldbook in this process.
func command(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	// without a QuestDB that the test does not name, for one may run at the default address
	code = run(t.Context(), args, &out, &err, append([]string{"QDB_HTTP_URL=off"}, environ...))
	return code, out.String(), err.String()
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{}, {"-h"}, {"serve", "-h"}, {"config", "-h"}, {"version", "-h"}, {"migrate", "-h"}, {"migrate", "up", "-h"},
		{"migrate", "down", "-h"}, {"migrate", "status", "-h"}, {"migrate", "reset", "-h"}, {"migrate", "redo", "-h"}, {"migrate", "create", "-h"},
	} {
		code, out, stderr := command(t, nil, args...)
		if code != exitOK || !strings.Contains(out, "Example") || !strings.Contains(out, "    foldbook ") || stderr != "" {
			t.Errorf("foldbook %s: exit code %d, want 0 and examples\n%s%s", strings.Join(args, " "), code, out, stderr)
		}
	}
}

// down is how many migrations are undone when that of a version is the last of them.
func down(t *testing.T, version int64) string {
	t.Helper()
	files, err := migrator.Parse(migrations.FS)
	if err != nil {
		t.Fatal(err)
	}
	first := slices.IndexFunc(files, func(m migrator.Migration) bool { return m.Version == version })
	return strconv.Itoa(len(files) - first)
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	url := testdb.NewURL(t)
	seeded(t, url)
	full := "POSTGRES_URL=" + url
	const away = "POSTGRES_URL=postgres://foldbook:geheim@127.0.0.1:1/foldbook"
	for _, c := range []struct {
		env, args string
		code      int
		says      string
	}{
		{full, "version", exitOK, "schema "},
		{full, "--version", exitOK, "schema "},
		{full, "--server http://127.0.0.1:1 export --wait 0s all x", exitDatabase, "127.0.0.1:1"},
		{full, "--server=http://127.0.0.1:1 export --wait 0s all x", exitDatabase, "127.0.0.1:1"},
		{full, "export --wait 0s all x --server http://127.0.0.1:1", exitDatabase, "127.0.0.1:1"},
		{full, "migrate status", exitOK, "00006  00006_simulation_trades"},
		{full, "migrate up", exitOK, "nothing to do"},
		{full, "migrate down --dry-run " + down(t, 6), exitOK, "DROP TABLE simulation_trades;\n\ndry run: nothing was changed\n"},
		{full, "migrate --dry-run reset", exitOK, "indicator_datasets"},
		{full, "migrate down " + down(t, 6), exitDataLoss, "simulation_trades"},
		{full, "migrate down --yes " + down(t, 7), exitOK, "done        down 00007"},
		{full, "migrate redo", exitDataLoss, "refused, nothing was changed: data would be lost; --yes goes on all the same"},
		{full, "migrate reset", exitDataLoss, "indicator_datasets        2 rows"},
		{full, "migrate down 0", exitUsage, "at least 1"},
		{full, "migrate down x", exitUsage, "Run \"foldbook migrate -h\" for help."},
		{full, "migrate", exitUsage, "expected one of"},
		{full, "fly", exitUsage, "unexpected argument fly"},
		{"PORT=x", "serve", exitUsage, "PORT=\"x\" is not a whole number"},
		{"PORT=x", "migrate up", exitUsage, "PORT"},
		{away, "migrate up", exitDatabase, `PostgreSQL at 127.0.0.1:1 (database "foldbook", user "foldbook") cannot be reached`},
		{away, "migrate status", exitDatabase, "refused"},
		{away, "doctor", exitDatabase, "127.0.0.1:1"},
		{"POSTGRES_URL=" + testdb.EmptyURL(t), "doctor", exitFailed, "run \"foldbook migrate up\" first"},
	} {
		code, out, stderr := command(t, []string{c.env}, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out+stderr, c.says) || strings.Contains(out+stderr, "geheim") {
			t.Errorf("foldbook %s: exit code %d, want %d and %q\n%s%s", c.args, code, c.code, c.says, out, stderr)
		}
	}
}

func TestMigrateAndSeed(t *testing.T) {
	t.Parallel()
	url := testdb.EmptyURL(t)
	environ := []string{"POSTGRES_URL=" + url}
	steps := []struct {
		args string
		says string
	}{
		{"migrate up --dry-run", "rolled back up   00001_indicator_datasets.sql"},
		{"migrate status", "00001_indicator_datasets        pending"},
		{"migrate up", "done        up   00006_simulation_trades.sql"},
		{"migrate status", "applied 20"},
		{"seed", "2 datasets, 8 runs, "},
		{"seed", "2 datasets, 8 runs, "},
		{"migrate down --yes " + down(t, 5), "done        down 00005_simulation_trade_buckets.sql"},
		{"migrate up", "done        up   00005"},
		{"migrate redo --yes", "done        up   000"},
		{"seed", "2 datasets, 8 runs, "},
		{"migrate reset --yes", "done        down 00001"},
		{"migrate reset", "no migration is applied"},
	}
	for _, s := range steps {
		if s.args == "seed" {
			if out := seeded(t, url); !strings.Contains(out, s.says) {
				t.Fatalf("seed: want %q\n%s", s.says, out)
			}
			continue
		}
		code, out, stderr := command(t, environ, strings.Fields(s.args)...)
		if code != exitOK || !strings.Contains(out, s.says) {
			t.Fatalf("foldbook %s: exit code %d, want 0 and %q\n%s%s", s.args, code, s.says, out, stderr)
		}
		if strings.Contains(out, "\x1b[") {
			t.Errorf("foldbook %s: colours, and there is no terminal\n%s", s.args, out)
		}
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var tables int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'goose_db_version'").Scan(&tables); err != nil || tables != 0 {
		t.Errorf("after reset there are %d tables, %v; want none", tables, err)
	}
}

func TestMigrateCreate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	create := func(args ...string) (int, string) {
		code, out, stderr := command(t, nil, append([]string{"migrate", "create", "--dir", dir}, args...)...)
		return code, out + stderr
	}
	if code, said := create("first thing", "--dry-run"); code != exitOK || !strings.Contains(said, "would write "+filepath.Join(dir, "00001_first_thing.sql")) {
		t.Errorf("dry run: exit code %d\n%s", code, said)
	}
	for _, name := range []string{"first thing", "Second-Thing"} {
		if code, said := create(name); code != exitOK {
			t.Errorf("create %q: exit code %d\n%s", name, code, said)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 2 || filepath.Base(files[0]) != "00001_first_thing.sql" || filepath.Base(files[1]) != "00002_second_thing.sql" {
		t.Errorf("got files %q, %v", files, err)
	}
	if code, said := create("../up"); code != exitUsage {
		t.Errorf("a bad name: exit code %d, want 2\n%s", code, said)
	}
	text, err := os.ReadFile(files[0])
	if err != nil || !regexp.MustCompile(`(?s)^-- \+goose Up\n.*\n-- \+goose Down\n`).Match(text) {
		t.Errorf("got %v and\n%s", err, text)
	}
}

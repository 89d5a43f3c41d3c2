package migrator_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"foldbook/internal/migrator"
	"foldbook/internal/testdb"
	"foldbook/migrations"
)

// role makes a role that may do nothing in a database, and returns its name and its way there.
func role(t *testing.T, admin *pgx.Conn, database string) (name, at string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	name = "role_of_" + strings.TrimPrefix(u.Path, "/")
	exec(t, admin, fmt.Sprintf("DROP ROLE IF EXISTS %s; CREATE ROLE %[1]s LOGIN PASSWORD 'x'; REVOKE CREATE ON SCHEMA public FROM PUBLIC", name))
	t.Cleanup(func() { // a role belongs to all databases of the server
		if _, err := admin.Exec(context.Background(), fmt.Sprintf("DROP OWNED BY %s CASCADE; DROP ROLE %[1]s", name)); err != nil {
			t.Error(err)
		}
	})
	u.User = url.UserPassword(name, "x")
	return name, u.String()
}

// A role is told of all rights that it lacks before anything is applied, and with the grants that are named it goes through.
func TestRights(t *testing.T) {
	t.Parallel()
	database := testdb.EmptyURL(t)
	admin := testdb.Connect(t, database)
	_, at := role(t, admin, database)
	m, _ := open(t, at, migrations.FS)
	for _, dryRun := range []bool{true, false} {
		n, err := m.Up(t.Context(), dryRun)
		if n != 0 || !errors.Is(err, migrator.ErrRights) {
			t.Fatalf("got %d, %v; want ErrRights", n, err)
		}
		for _, text := range []string{`tables are made in the schema public`, "migrations/00011_river.sql makes a schema", "nothing was applied"} {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("got %v; want that it says %q", err, text)
			}
		}
		if left := schema(t, admin); len(left) > 0 {
			t.Errorf("a refused migration left %q", left)
		}
		if !dryRun {
			for _, grant := range regexp.MustCompile("GRANT .*;").FindAllString(err.Error(), -1) {
				exec(t, admin, grant)
			}
		}
	}
	if _, err := m.Up(t.Context(), false); err != nil {
		t.Fatalf("with the grants: %v", err)
	}
	if _, err := m.Down(t.Context(), migrator.All, migrator.Consent{Yes: true}); err != nil {
		t.Errorf("with the grants, down: %v", err)
	}
	if _, err := m.Up(t.Context(), false); err != nil {
		t.Errorf("with the grants, up again: %v", err)
	}
}

// Somebody else's tables are not migrated.
func TestRightsOnTablesOfAnother(t *testing.T) {
	t.Parallel()
	database := testdb.NewURL(t)
	admin := testdb.Connect(t, database)
	name, at := role(t, admin, database)
	exec(t, admin, "GRANT CREATE ON SCHEMA public TO "+name)
	exec(t, admin, "DELETE FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version); GRANT ALL ON goose_db_version TO "+name)
	m, _ := open(t, at, migrations.FS)
	if _, err := m.Up(t.Context(), false); !errors.Is(err, migrator.ErrRights) || !strings.Contains(err.Error(), "its tables belong to the role postgres") {
		t.Errorf("got %v, want ErrRights and the owner", err)
	}
}

// Where pg_trgm cannot be installed, the migration says what that costs, and what docs/operations.md says mends it.
func TestWithoutTrigrams(t *testing.T) {
	t.Parallel()
	database := testdb.EmptyURL(t)
	admin := testdb.Connect(t, database)
	exec(t, admin, `CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE insufficient_privilege; END $$;
		CREATE EVENT TRIGGER forbid ON ddl_command_start WHEN TAG IN ('CREATE EXTENSION') EXECUTE FUNCTION forbid()`)
	m, r := open(t, database, migrations.FS)
	if _, err := m.Up(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if len(r.notes) != 1 || !strings.Contains(r.notes[0], "warning: the extension pg_trgm cannot be installed") || !strings.Contains(r.notes[0], "docs/operations.md") {
		t.Errorf("notes are %q, want what is slower and how to mend it", r.notes)
	}
	exec(t, admin, "DROP EVENT TRIGGER forbid; DROP FUNCTION forbid")
	exec(t, admin, "DO $$ BEGIN CREATE EXTENSION not_there; EXCEPTION WHEN feature_not_supported OR undefined_file THEN NULL; END $$") // as 00010 does
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Text search\n")
	_, commands, _ := strings.Cut(section, "```sql\n")
	commands, _, found := strings.Cut(commands, "```")
	if !found {
		t.Fatal("docs/operations.md has no commands under Text search")
	}
	for command := range strings.SplitSeq(commands, ";\n") {
		exec(t, admin, command)
	}
	want := testdb.Connect(t, testdb.NewURL(t))
	if diff := cmp.Diff(indexes(t, want), indexes(t, admin)); diff != "" {
		t.Errorf("indexes (-with pg_trgm from the start +mended):\n%s", diff)
	}
}

func indexes(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

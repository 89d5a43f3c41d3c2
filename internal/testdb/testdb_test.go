package testdb_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"foldbook/internal/devstack"
	"foldbook/internal/testdb"
)

// hang in the environment lets TestHang take a database and keep it until the process is killed.
const hang = "TESTDB_HANG"

func TestMain(m *testing.M) { testdb.Main(m) }

func TestNewGivesEachTestItsOwnMigratedDatabase(t *testing.T) {
	t.Parallel()
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			pool := testdb.New(t)
			insertDataset(t, pool, "the same in all")
			if n := countDatasets(t, pool); n != 1 {
				t.Errorf("got %d datasets, want only the one of this test", n)
			}
			var at time.Time
			if err := pool.QueryRow(t.Context(), "SELECT created_at FROM indicator_datasets").Scan(&at); err != nil {
				t.Fatal(err)
			}
			if at.Location() != time.UTC {
				t.Errorf("times are in %s, want UTC", at.Location())
			}
		})
	}
}

func TestDatabasesAreDroppedWithTheirTest(t *testing.T) {
	t.Parallel()
	var migrated, empty string
	t.Run("use", func(t *testing.T) {
		migrated, empty = testdb.NewURL(t), testdb.EmptyURL(t)
		conn := testdb.Connect(t, empty)
		var tables int
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&tables); err != nil {
			t.Fatal(err)
		}
		if tables != 0 {
			t.Errorf("the empty database has %d tables", tables)
		}
	})
	for _, url := range []string{migrated, empty} {
		if conn, err := pgx.Connect(t.Context(), url); err == nil {
			_ = conn.Close(t.Context())
			t.Errorf("%s is still there", url)
		}
	}
}

func TestPrivateServerIsTheTestsToKill(t *testing.T) {
	t.Parallel()
	server := testdb.Private(t)
	pool, err := pgxpool.New(t.Context(), server.URL("foldbook"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	insertDataset(t, pool, "committed")
	server.Kill()
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	pool.Reset()
	if n := countDatasets(t, pool); n != 1 {
		t.Errorf("after the kill there are %d datasets, want the committed one", n)
	}
	var durable string
	if err := pool.QueryRow(t.Context(), "SHOW fsync").Scan(&durable); err != nil || durable != "on" {
		t.Errorf("fsync is %q (%v), want on as in production", durable, err)
	}
}

func TestQuestDBAnswers(t *testing.T) {
	t.Parallel()
	quest := testdb.QuestDB(t)
	if quest != testdb.QuestDB(t) {
		t.Error("a second call starts another QuestDB")
	}
	conn := testdb.Connect(t, quest.PGURL())
	var one int
	if err := conn.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil || one != 1 {
		t.Errorf("it answers %d, %v", one, err)
	}
}

// TestHang is what the tests below run in a process of its own.
func TestHang(t *testing.T) {
	t.Parallel()
	if os.Getenv(hang) == "" {
		t.Skip("a helper of other tests")
	}
	fmt.Println("url", testdb.NewURL(t))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func TestProcessesShareOneTemplate(t *testing.T) {
	t.Parallel()
	module := newModule(t)
	var runs []*exec.Cmd
	for range 2 {
		cmd := child(t, module, "^TestNewGivesEachTestItsOwnMigratedDatabase$")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		runs = append(runs, cmd)
	}
	for _, cmd := range runs {
		if err := cmd.Wait(); err != nil {
			t.Errorf("a test process: %v\n%s", err, cmd.Stdout)
		}
	}
	want := []string{"lock", "tpl"}
	if diff := cmp.Diff(want, leftIn(t, module)); diff != "" {
		t.Errorf("the test processes left (-want +got):\n%s", diff)
	}
}

func TestKilledProcessLeavesNoServer(t *testing.T) {
	t.Parallel()
	module := newModule(t)
	cmd := child(t, module, "^TestHang$", hang+"=1")
	cmd.Stdout = nil
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var url string
	for lines := bufio.NewScanner(out); url == "" && lines.Scan(); {
		if found, ok := strings.CutPrefix(lines.Text(), "url "); ok {
			url = found
		}
	}
	conn := testdb.Connect(t, url)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), testdb.Patience)
	defer cancel()
	for conn.Ping(ctx) == nil { // until its server has ended
	}
	if ctx.Err() != nil {
		t.Fatal("the server of a killed test process still runs")
	}
	// The next process removes what the killed one left.
	next := child(t, module, "^TestNewGivesEachTestItsOwnMigratedDatabase$")
	if err := next.Run(); err != nil {
		t.Fatalf("the next test process: %v\n%s", err, next.Stdout)
	}
	if diff := cmp.Diff([]string{"lock", "tpl"}, leftIn(t, module)); diff != "" {
		t.Errorf("it left (-want +got):\n%s", diff)
	}
}

func TestGivenServerIsUsedAndLeftClean(t *testing.T) {
	t.Parallel()
	server := testdb.Private(t)
	for _, test := range []string{"^TestNewGivesEachTestItsOwnMigratedDatabase$", "^TestDatabasesAreDroppedWithTheirTest$"} {
		cmd := child(t, t.TempDir(), test, "TEST_POSTGRES_URL="+server.URL("postgres"))
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v\n%s", test, err, cmd.Stdout)
		}
	}
	conn := testdb.Connect(t, server.URL("postgres"))
	rows, err := conn.Query(t.Context(), "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY datname")
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"foldbook", "postgres"}, got); diff != "" {
		t.Errorf("databases on the given server (-want +got):\n%s", diff)
	}
}

// newModule makes a folder that looks like another clone, with this one's fetched programs.
func newModule(t *testing.T) string {
	t.Helper()
	testdb.Slow(t)
	_, state, err := devstack.Dirs()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := devstack.FindPostgres(t.Context(), state, nil); err != nil { // so that the cache is filled
		t.Fatal(err)
	}
	home := filepath.Join(state, "test")
	scratch, err := devstack.NewScratch(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := scratch.Remove(); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(scratch.Dir, "go.mod"), []byte("module other\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(scratch.Dir, ".dev"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(state, "cache"), filepath.Join(scratch.Dir, ".dev", "cache")); err != nil {
		t.Fatal(err)
	}
	return scratch.Dir
}

// child is this test binary again, as the tests of another package would be: its output is in Stdout.
func child(t *testing.T, dir, run string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run="+run, "-test.v")
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "TEST_POSTGRES_URL="), env...)
	out := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = out, out
	return cmd
}

// leftIn names what is in the folder of a module's test servers, templates without their hash.
func leftIn(t *testing.T, module string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(module, ".dev", "test"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		name, _, _ := strings.Cut(e.Name(), "_")
		names = append(names, name)
	}
	return names
}

func insertDataset(t *testing.T, pool *pgxpool.Pool, tag string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), "INSERT INTO indicator_datasets (questdb_tag) VALUES ($1)", tag); err != nil {
		t.Fatal(err)
	}
}

func countDatasets(t *testing.T, pool *pgxpool.Pool) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM indicator_datasets").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

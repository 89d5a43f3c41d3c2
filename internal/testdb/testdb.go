// Package testdb gives tests real PostgreSQL databases, one of its own to each test, and needs nothing set up before.
//
// The first test process makes a template: a cluster with the migrated schema. Each test process copies it, starts a
// private server on the copy when its first test asks for a database, and stops it at the end, so packages and single
// tests run in any order and at the same time. A test's database is made from the template in some 10 ms.
//
// With TEST_POSTGRES_URL set, the databases are made on that server instead; the user has to be allowed to.
package testdb

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"foldbook/internal/devstack"
)

// templateDB is the migrated database that the others are copies of.
const templateDB = "foldbook"

// Main runs a package's tests and stops what they started: call it from TestMain. It does not return.
func Main(m *testing.M) {
	code := m.Run()
	if err := errors.Join(stopServer(), quest.stop()); err != nil {
		fmt.Fprintln(os.Stderr, "testdb:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// Patience is how long a test waits for what has to come. It asserts nothing: a busy machine takes a minute where an idle one takes a
// second, and only what never comes is waited for so long.
const Patience = 3 * time.Minute

// Slow skips a test when -short is given: it starts a server of its own, or takes seconds on an idle machine.
func Slow(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("slow, and -short is given")
	}
}

// New returns a pool on a migrated database of the test's own, which is dropped when the test ends.
func New(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return open(t, NewURL(t))
}

// NewURL returns the connection string of a migrated database of the test's own, which is dropped when the test ends.
func NewURL(t testing.TB) string {
	t.Helper()
	s := theServer(t)
	return s.create(t, s.template)
}

// EmptyURL returns the connection string of a database without any schema, which is dropped when the test ends.
func EmptyURL(t testing.TB) string {
	t.Helper()
	return theServer(t).create(t, "template0")
}

// Connect opens a connection of the test's own, which is closed when the test ends.
func Connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	if ThroughPooler() { // which may give each statement another session, one without what was prepared
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	conn, err := pgx.ConnectConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// Private starts a server for this test alone, with the durable settings of production and one migrated database
// "foldbook", that the test may kill, freeze and restart. It is stopped when the test ends. The test is skipped
// when TEST_POSTGRES_URL is set, for that server is not the test's to kill.
func Private(t testing.TB) *devstack.Postgres {
	t.Helper()
	Slow(t)
	if os.Getenv("TEST_POSTGRES_URL") != "" {
		t.Skip("TEST_POSTGRES_URL is set, and this test needs a server that it may kill")
	}
	c, err := startCluster(context.Background(), true)
	if err != nil {
		t.Fatalf("start a private server: %v", err)
	}
	t.Cleanup(func() {
		if err := c.stop(); err != nil {
			t.Errorf("stop the private server: %v", err)
		}
	})
	return c.Postgres
}

// server is where the databases of this process are made.
type server struct {
	admin    *pgxpool.Pool
	url      func(database string) string
	template string
	strategy string // of CREATE DATABASE
	stop     func() error
}

// strategy is the quickest way to copy a small database, and the only one of PostgreSQL 14, which knows no word for it.
const strategy = "SELECT CASE WHEN current_setting('server_version_num')::int < 150000 THEN '' ELSE 'STRATEGY file_copy' END"

var (
	once     sync.Once
	shared   *server
	errStart error
	number   atomic.Int64
)

func theServer(t testing.TB) *server {
	t.Helper()
	once.Do(func() {
		if shared, errStart = startServer(context.Background()); errStart == nil {
			errStart = shared.admin.QueryRow(context.Background(), strategy).Scan(&shared.strategy)
		}
	})
	if errStart != nil {
		t.Fatalf("start the test databases: %v", errStart)
	}
	return shared
}

func stopServer() error {
	if shared == nil {
		return nil
	}
	return shared.stop()
}

func startServer(ctx context.Context) (*server, error) {
	if given := os.Getenv("TEST_POSTGRES_URL"); given != "" {
		return useServer(ctx, given)
	}
	c, err := startCluster(ctx, false)
	if err != nil {
		return nil, err
	}
	admin, err := adminPool(ctx, c.URL("postgres"))
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	stop := func() error {
		admin.Close()
		return c.stop()
	}
	return &server{admin: admin, url: c.URL, template: templateDB, stop: stop}, nil
}

// useServer makes a template on a server that was given, for this process alone.
func useServer(ctx context.Context, given string) (*server, error) {
	base, err := url.Parse(given)
	if err != nil || base.Scheme == "" {
		return nil, errors.New("TEST_POSTGRES_URL is not of the form postgres://user:password@host:port/database")
	}
	admin, err := adminPool(ctx, given)
	if err != nil {
		return nil, err
	}
	s := &server{admin: admin, template: fmt.Sprintf("foldbook_test_%d_%d", os.Getpid(), time.Now().UnixNano())}
	s.url = func(database string) string {
		u := *base
		u.Path = "/" + database
		return u.String()
	}
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+quote(s.template)+" TEMPLATE template0"); err != nil {
		admin.Close()
		return nil, fmt.Errorf("create the template database: %w", err)
	}
	s.stop = func() error {
		defer admin.Close()
		return s.drop(context.Background(), s.template)
	}
	if err := migrate(ctx, s.url(s.template)); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func adminPool(ctx context.Context, dsn string) (*pgxpool.Pool, error) {
	pool, err := pgxpool.New(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("connect to make test databases: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("connect to make test databases: %w", err)
	}
	return pool, nil
}

// create makes a database from the template and returns its connection string.
func (s *server) create(t testing.TB, template string) string {
	t.Helper()
	name := fmt.Sprintf("t_%d", number.Add(1))
	if s.template != templateDB {
		name = s.template + "_" + name // the server has other databases too
	}
	sql := fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s %s", quote(name), quote(template), s.strategy)
	if _, err := s.admin.Exec(context.Background(), sql); err != nil {
		t.Fatalf("create a test database: %v", err)
	}
	t.Cleanup(func() {
		if err := s.drop(context.Background(), name); err != nil {
			t.Errorf("%v", err)
		}
	})
	return s.url(name)
}

func (s *server) drop(ctx context.Context, name string) error {
	if _, err := s.admin.Exec(ctx, "DROP DATABASE IF EXISTS "+quote(name)+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("drop a test database: %w", err)
	}
	return nil
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

func open(t testing.TB, dsn string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatalf("open the test database: %v", err)
	}
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		conn.TypeMap().RegisterType(&pgtype.Type{
			Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
		})
		return nil
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatalf("open the test database: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"foldbook/internal/devstack"
	"foldbook/internal/seed"
)

// stack is a database at scale with the service on it.
type stack struct {
	root     string // of the module
	scratch  *devstack.Scratch
	postgres *devstack.Postgres // nil when POSTGRES_URL says where it is
	questdb  *devstack.QuestDB  // nil until it is measured
	admin    string             // connection string of the server's own database
	names    []string           // of the benchmark's databases
	url      string             // of the first of them, at scale
	opts     options
	binary   string // the service
	services []*service
	main     *service // with default settings on the first database
	series   *service // with a QuestDB, once it is measured
}

// openStack starts everything and loads the data; the caller closes the stack.
func openStack(ctx context.Context, o options) (_ *stack, err error) {
	s := &stack{opts: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.binary, err = filepath.Abs(o.Binary); err != nil {
		return nil, err
	}
	if s.root, err = devstack.Root(); err != nil {
		return nil, err
	}
	if err := s.startPostgres(ctx); err != nil {
		return nil, err
	}
	if s.url, err = s.createDatabase(ctx, s.binary); err != nil {
		return nil, err
	}
	if err := s.fill(ctx, s.url, seed.Records); err != nil {
		return nil, err
	}
	s.main, err = s.serve(ctx, s.binary, s.url)
	return s, err
}

func (s *stack) close() error {
	var errs []error
	for _, service := range s.services {
		errs = append(errs, service.process.Stop(12*time.Second, syscall.SIGTERM))
	}
	for _, name := range s.names {
		errs = append(errs, s.exec(context.Background(), s.admin, "DROP DATABASE "+pgx.Identifier{name}.Sanitize()))
	}
	if s.questdb != nil {
		errs = append(errs, s.questdb.Stop())
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.Stop())
	}
	if s.scratch != nil {
		errs = append(errs, s.scratch.Remove())
	}
	return errors.Join(errs...)
}

// startPostgres makes the scratch folder and, unless POSTGRES_URL is set, a durable server in it.
func (s *stack) startPostgres(ctx context.Context) error {
	state, err := devstack.StateDir(s.root)
	if err != nil {
		return err
	}
	if s.scratch, err = devstack.NewScratch(ctx, filepath.Join(state, "bench")); err != nil {
		return err
	}
	if s.admin = os.Getenv("POSTGRES_URL"); s.admin != "" {
		return nil
	}
	binaries, err := devstack.FindPostgres(ctx, state, func(text string) { fmt.Fprintln(os.Stderr, "postgres:", text) })
	if err != nil {
		return err
	}
	s.postgres, err = devstack.StartPostgres(ctx, s.scratch.Dir, devstack.Options{Binaries: binaries, Durable: true})
	if err != nil {
		return err
	}
	s.admin = s.postgres.URL("postgres")
	return nil
}

// createDatabase makes one more database, with the schema of the binary, and returns its connection string.
func (s *stack) createDatabase(ctx context.Context, binary string) (string, error) {
	u, err := url.Parse(s.admin)
	if err != nil || u.Scheme == "" {
		return "", errors.New("POSTGRES_URL is not of the form postgres://user:password@host:port/database")
	}
	name := fmt.Sprintf("foldbook_bench_%d_%d", os.Getpid(), len(s.names))
	if err := s.exec(ctx, s.admin, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		return "", err
	}
	s.names, u.Path = append(s.names, name), "/"+name
	return u.String(), s.run(ctx, binary, u.String(), "migrate", "up")
}

// fill stores the rows of dev seed --scale 1.
func (s *stack) fill(ctx context.Context, dsn string, store func(context.Context, *pgxpool.Pool, int) (string, error)) error {
	pool, err := pgxpool.New(ctx, dsn)
	if err != nil {
		return err
	}
	defer pool.Close()
	text, err := store(ctx, pool, 50)
	if err != nil {
		return err
	}
	progress("stored %s", text)
	return s.exec(ctx, dsn, "VACUUM ANALYZE")
}

// run runs a binary of the service to its end.
func (s *stack) run(ctx context.Context, binary, dsn string, args ...string) error {
	if out, err := s.command(ctx, binary, dsn, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("foldbook %v: %w\n%s", args, err, bytes.TrimSpace(out))
	}
	return nil
}

// exec runs statements in one transaction on a connection of its own.
func (s *stack) exec(ctx context.Context, dsn, sql string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect to the benchmark's server: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost
	if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("%.100s: %w", sql, err)
	}
	return nil
}

// command is a binary of the service with default settings, whatever this process's environment and .env say.
func (s *stack) command(ctx context.Context, binary, dsn string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = s.scratch.Dir
	cmd.Env = []string{"POSTGRES_URL=" + dsn, "QDB_HTTP_URL=off"}
	return cmd
}

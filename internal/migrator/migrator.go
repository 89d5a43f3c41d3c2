// Package migrator applies and undoes the schema migrations.
//
// It keeps goose's file format, version table and session lock, so goose's own tool works on the same database.
// What it adds is what an operator needs: a failure names the line, a dry run executes, and undoing counts what
// would be lost inside the very transaction that would lose it.
package migrator

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

// lockTimeout bounds how long a migration queues behind a table's users: everybody else queues behind it.
const lockTimeout = "5s"

// Report is told what happens while it happens. A nil function is not called.
type Report struct {
	Step   func(Step)   // a migration was run, or printed only
	Losses func([]Loss) // what undoing loses, before it is committed or refused
	Note   func(string) // something that the user should know, a line of text
}

// Step is one migration run in one direction.
type Step struct {
	Migration
	Direction Direction
	Outcome   Outcome
	Took      time.Duration
}

// Outcome says what became of a step.
type Outcome string

// The outcomes of a step.
const (
	Done       Outcome = "done"
	RolledBack Outcome = "rolled back" // executed by a dry run
	NotRun     Outcome = "not run"     // printed only: it cannot run in a transaction, or follows one that cannot
)

// Migrator runs the migrations of one folder on one database. It is used by one goroutine.
type Migrator struct {
	migrations []Migration
	db         *sql.DB
	config     *pgx.ConnConfig
	store      database.StoreExtender
	report     Report
}

// Open parses the migrations and connects to PostgreSQL. It fails with a *ConnectError when that cannot be
// reached within timeout.
func Open(ctx context.Context, url string, timeout time.Duration, fsys fs.FS, report Report) (*Migrator, error) {
	migrations, err := parseWritten(fsys)
	if err != nil {
		return nil, err
	}
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse the PostgreSQL settings: %w", err)
	}
	cfg.ConnectTimeout = timeout
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec // a cached plan could outlive the schema it was made for
	cfg.RuntimeParams["application_name"] = "foldbook migrate"
	cfg.RuntimeParams["statement_timeout"] = "0"
	cfg.RuntimeParams["lock_timeout"] = lockTimeout
	cfg.RuntimeParams["timezone"] = "UTC" // the version table's times have no zone
	store, err := newStore()
	if err != nil {
		return nil, err
	}
	m := &Migrator{migrations: migrations, config: cfg, store: store, report: report}
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			m.note("warning: %s", strings.TrimSpace(n.Message+"\n"+n.Hint))
		}
	}
	m.db = stdlib.OpenDB(*cfg)
	if err := m.db.PingContext(ctx); err != nil {
		_ = m.db.Close()
		return nil, NewConnectError(cfg, err)
	}
	return m, nil
}

func newStore() (database.StoreExtender, error) {
	store, err := database.NewStore(goose.DialectPostgres, goose.DefaultTablename)
	if err != nil {
		return nil, fmt.Errorf("make the version store: %w", err)
	}
	extended, ok := store.(database.StoreExtender)
	if !ok {
		return nil, errors.New("make the version store: it cannot tell whether its table exists")
	}
	return extended, nil
}

// Close closes the connection.
func (m *Migrator) Close() error { return m.db.Close() }

// Up applies what is pending, each migration in a transaction of its own, and returns how many there were. It stops
// at the first failure, with an *Error that names the line; those before it stay applied. A dry run applies all in
// one transaction and rolls it back.
func (m *Migrator) Up(ctx context.Context, dryRun bool) (int, error) {
	count := 0
	err := m.locked(ctx, func(conn *sql.Conn) error {
		applied, err := m.applied(ctx, conn)
		if err != nil {
			return err
		}
		steps, err := m.pending(applied)
		if err != nil {
			return err
		}
		if err := m.checkRights(ctx, conn, steps); err != nil {
			return err
		}
		if dryRun {
			count = len(steps)
			return m.rehearse(ctx, conn, steps, false)
		}
		if err := m.createVersionTable(ctx, conn); err != nil {
			return err
		}
		for _, step := range steps {
			if err := m.apply(ctx, conn, step); err != nil {
				return err
			}
			count++
		}
		return nil
	})
	return count, err
}

// apply runs one step and records it, in a transaction if it can be.
func (m *Migrator) apply(ctx context.Context, conn *sql.Conn, step Step) error {
	start := time.Now()
	both := func(db database.DBTxConn) error {
		if err := exec(ctx, db, step); err != nil {
			return err
		}
		return m.record(ctx, db, step)
	}
	var err error
	if step.Transactional {
		err = inTx(ctx, conn, func(tx *sql.Tx) error { return both(tx) })
	} else {
		err = both(conn)
	}
	if err != nil {
		return err
	}
	m.done(step, Done, time.Since(start))
	return nil
}

// exec runs the statements of a step one by one, so that a failure has a line.
func exec(ctx context.Context, db database.DBTxConn, step Step) error {
	for _, s := range step.Statements(step.Direction) {
		if _, err := db.ExecContext(ctx, s.SQL); err != nil {
			return failure(step.Migration, s, err)
		}
	}
	return nil
}

// record notes a step in the version table. What is only tried is not recorded, for not even a rollback takes back
// the number that the table's sequence gives out.
func (m *Migrator) record(ctx context.Context, db database.DBTxConn, step Step) error {
	var err error
	if step.Direction == Up {
		err = m.store.Insert(ctx, db, database.InsertRequest{Version: step.Version})
	} else {
		err = m.store.Delete(ctx, db, step.Version)
	}
	if err != nil {
		return fmt.Errorf("record migration %s: %w", step.File, err)
	}
	return nil
}

func (m *Migrator) done(step Step, outcome Outcome, took time.Duration) {
	step.Outcome, step.Took = outcome, took
	if m.report.Step != nil {
		m.report.Step(step)
	}
}

func (m *Migrator) note(format string, args ...any) {
	if m.report.Note != nil {
		m.report.Note(fmt.Sprintf(format, args...))
	}
}

// pending returns what is still to be applied. A gap is an error: what came later may rely on the order.
func (m *Migrator) pending(applied []int64) ([]Step, error) {
	newest := int64(0)
	if len(applied) > 0 {
		newest = applied[0]
	}
	if _, err := m.known(applied); err != nil {
		return nil, err
	}
	var steps []Step
	for _, migration := range m.migrations {
		switch {
		case slices.Contains(applied, migration.Version):
		case migration.Version < newest:
			return nil, fmt.Errorf("%s%s is older than version %d, which is applied already: give it the next free number", folder, migration.File, newest)
		default:
			steps = append(steps, Step{Migration: migration, Direction: Up})
		}
	}
	return steps, nil
}

// known returns the migrations that are applied, newest first.
func (m *Migrator) known(applied []int64) ([]Migration, error) {
	var known []Migration
	for _, version := range applied {
		i := slices.IndexFunc(m.migrations, func(c Migration) bool { return c.Version == version })
		if i < 0 {
			return nil, fmt.Errorf("migration %d is applied and not part of this binary: %w", version, ErrUnknownVersion)
		}
		known = append(known, m.migrations[i])
	}
	return known, nil
}

// applied returns the versions in the database, newest first; none when it was never migrated.
func (m *Migrator) applied(ctx context.Context, conn database.DBTxConn) ([]int64, error) {
	exists, err := m.store.TableExists(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("look for the version table: %w", err)
	}
	if !exists {
		return nil, nil
	}
	rows, err := m.store.ListMigrations(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("list applied migrations: %w", err)
	}
	var versions []int64
	for _, row := range rows {
		if row.IsApplied && row.Version > 0 { // version 0 stands for the empty database
			versions = append(versions, row.Version)
		}
	}
	slices.Sort(versions)
	slices.Reverse(versions)
	return versions, nil
}

func (m *Migrator) createVersionTable(ctx context.Context, conn *sql.Conn) error {
	exists, err := m.store.TableExists(ctx, conn)
	if err != nil || exists {
		return err
	}
	return inTx(ctx, conn, func(tx *sql.Tx) error {
		if err := m.store.CreateVersionTable(ctx, tx); err != nil {
			return fmt.Errorf("create the version table: %w", err)
		}
		return m.store.Insert(ctx, tx, database.InsertRequest{Version: 0})
	})
}

// locked runs f while this is the only migrator at work on the database. It waits for another one up to ten minutes.
func (m *Migrator) locked(ctx context.Context, f func(*sql.Conn) error) error {
	conn, err := m.db.Conn(ctx)
	if err != nil {
		return NewConnectError(m.config, err)
	}
	defer func() { _ = conn.Close() }()
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600), lock.WithUnlockTimeout(1, 1))
	if err != nil {
		return fmt.Errorf("make the lock: %w", err)
	}
	waiting := time.AfterFunc(300*time.Millisecond, func() { m.note("another migrator is at work; waiting for it to finish…") })
	err = locker.SessionLock(ctx, conn)
	waiting.Stop()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && strings.Contains(err.Error(), "failed to acquire lock"):
		return ErrBusy
	case err != nil:
		return fmt.Errorf("take the migration lock: %w", err)
	}
	// PostgreSQL drops the lock with the session, so a failure to unlock has no consequence.
	defer func() { _ = locker.SessionUnlock(context.WithoutCancel(ctx), conn) }()
	return f(conn)
}

func inTx(ctx context.Context, conn *sql.Conn, f func(*sql.Tx) error) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // says it is too late after the commit
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// Version returns the newest migration in the database (0: none) and the newest in fsys.
func Version(ctx context.Context, pool *pgxpool.Pool, fsys fs.FS) (have, want int64, err error) {
	migrations, err := parseWritten(fsys)
	if err != nil {
		return 0, 0, err
	}
	if len(migrations) > 0 {
		want = migrations[len(migrations)-1].Version
	}
	store, err := newStore()
	if err != nil {
		return 0, want, err
	}
	db := stdlib.OpenDBFromPool(pool)
	defer func() { _ = db.Close() }() // the pool stays open
	have, err = store.GetLatestVersion(ctx, db)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42P01" || errors.Is(err, database.ErrVersionNotFound) {
		return 0, want, nil // no version table: never migrated
	}
	if err != nil {
		return 0, want, fmt.Errorf("read the schema version: %w", err)
	}
	return have, want, nil
}

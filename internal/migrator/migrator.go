// Package migrator applies and undoes the schema migrations.
//
// goose reads, executes and records them. What is added here is what an operator needs: a failure names the line, a dry run
// executes, undoing counts what would be lost inside the very transaction that would lose it, and a role without the
// rights is told so before anything is applied.
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

func (r Report) complete() Report {
	if r.Step == nil {
		r.Step = func(Step) {}
	}
	if r.Losses == nil {
		r.Losses = func([]Loss) {}
	}
	if r.Note == nil {
		r.Note = func(string) {}
	}
	return r
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
	fsys       fs.FS
	db         *sql.DB // of the one connection of the session
	session    *session
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
	m := &Migrator{migrations: migrations, fsys: fsys, report: report.complete()}
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			m.report.Note("warning: " + strings.TrimSpace(n.Message+"\n"+n.Hint))
		}
	}
	m.session = &session{Connector: stdlib.GetConnector(*cfg)}
	m.db = sql.OpenDB(m.session)
	m.db.SetMaxOpenConns(1)
	if err := m.db.PingContext(ctx); err != nil {
		_ = m.db.Close()
		return nil, NewConnectError(cfg, err)
	}
	if err := m.checkSession(ctx); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// ErrPooler is returned for an address at which the settings of a session do not hold, so neither would the migration lock.
var ErrPooler = errors.New("the address leads to a pooler such as PgBouncer: give foldbook migrate the address of PostgreSQL itself")

func (m *Migrator) checkSession(ctx context.Context) error {
	var is string
	if err := m.session.conn.QueryRow(ctx, "SHOW lock_timeout").Scan(&is); err != nil {
		return fmt.Errorf("read the settings of the session: %w", err)
	}
	if is != lockTimeout {
		return ErrPooler
	}
	return nil
}

// Close closes the connection.
func (m *Migrator) Close() error { return m.db.Close() }

// Up applies what is pending, each migration in a transaction of its own, and returns how many there were. It stops
// at the first failure, with an *Error that names the line; those before it stay applied. A dry run applies all in
// one transaction and rolls it back.
func (m *Migrator) Up(ctx context.Context, dryRun bool) (int, error) {
	count := 0
	err := m.locked(ctx, func() error {
		steps, err := m.pending(ctx)
		if err != nil {
			return err
		}
		if err := m.checkRights(ctx, steps); err != nil {
			return err
		}
		if dryRun {
			count = len(steps)
			return m.together(ctx, steps, false, Consent{DryRun: true})
		}
		return m.run(ctx, steps, func(step Step) {
			count++
			m.report.Step(step)
		})
	})
	return count, err
}

// run lets goose execute steps one by one, and record each unless that may be taken back: not even a rollback takes back the
// number that the sequence of the version table gives out.
func (m *Migrator) run(ctx context.Context, steps []Step, done func(Step)) error {
	if len(steps) == 0 {
		return nil
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, m.db, m.fsys, goose.WithDisableVersioning(m.session.inTx))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	for _, step := range steps {
		result, err := provider.ApplyVersion(ctx, step.Version, step.Direction == Up)
		if err != nil {
			return failure(step, err)
		}
		step.Outcome, step.Took = Done, result.Duration
		done(step)
	}
	return nil
}

// pending returns what is still to be applied. A gap is an error: what came later may rely on the order.
func (m *Migrator) pending(ctx context.Context) ([]Step, error) {
	known, err := m.known(ctx)
	if err != nil {
		return nil, err
	}
	var steps []Step
	for _, migration := range m.migrations {
		switch {
		case slices.ContainsFunc(known, func(k Migration) bool { return k.Version == migration.Version }):
		case len(known) > 0 && migration.Version < known[0].Version:
			return nil, fmt.Errorf("%s%s is older than version %d, which is applied already: give it the next free number",
				folder, migration.File, known[0].Version)
		default:
			steps = append(steps, Step{Migration: migration, Direction: Up})
		}
	}
	return steps, nil
}

// known returns the migrations that are applied, newest first.
func (m *Migrator) known(ctx context.Context) ([]Migration, error) {
	rows, err := applied(ctx, m.session.conn)
	if err != nil {
		return nil, err
	}
	var known []Migration
	for _, row := range rows {
		i := slices.IndexFunc(m.migrations, func(c Migration) bool { return c.Version == row.Version })
		if i < 0 {
			return nil, fmt.Errorf("migration %d is applied and not part of this binary: %w", row.Version, ErrUnknownVersion)
		}
		known = append(known, m.migrations[i])
	}
	return known, nil
}

// querier is a connection or a pool.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// applied returns the versions in the database and since when, newest first; none when it was never migrated.
func applied(ctx context.Context, db querier) ([]Status, error) {
	rows, err := db.Query(ctx, "SELECT version_id, '', tstamp FROM "+goose.DefaultTablename+
		" WHERE is_applied AND version_id > 0 ORDER BY version_id DESC")
	if err == nil {
		var list []Status
		if list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Status]); err == nil {
			return list, nil
		}
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42P01" {
		return nil, nil
	}
	return nil, fmt.Errorf("list applied migrations: %w", err)
}

// locked runs f while this is the only migrator at work on the database, goose's own tool included. It waits for another one up
// to ten minutes, and asks again and again: a session that waits in a query would keep CREATE INDEX CONCURRENTLY from its end.
func (m *Migrator) locked(ctx context.Context, f func() error) error {
	for waited := 0; ; waited++ {
		var ours bool
		if err := m.session.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", lock.DefaultLockID).Scan(&ours); err != nil {
			return fmt.Errorf("take the migration lock: %w", err)
		}
		if ours {
			break
		}
		switch waited {
		case 0:
			m.report.Note("another migrator is at work; waiting for it to finish…")
		case 600:
			return ErrBusy
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	// PostgreSQL drops the lock with the session, so a failure to unlock has no consequence.
	defer func() {
		_, _ = m.session.conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", lock.DefaultLockID)
	}()
	return f()
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
	rows, err := applied(ctx, pool)
	if len(rows) > 0 {
		have = rows[0].Version
	}
	return have, want, err
}

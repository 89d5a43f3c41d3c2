package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"text/tabwriter"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"foldbook/db"
	"foldbook/internal/migrator"
	"foldbook/migrations"
	"foldbook/questdb"
)

// bothStores opens PostgreSQL and QuestDB, which is nil when there is to be none, for a command that works on their rows.
// It fails on a schema of another version. The caller calls done.
func (a *app) bothStores() (store *db.DB, series *questdb.Client, done func(), err error) {
	cfg, err := loadConfig(a.env)
	if err != nil {
		return nil, nil, nil, err
	}
	cfg.StatementTimeout = 0 // of a request, not of work on many rows
	if store, err = cfg.openDB(); err != nil {
		return nil, nil, nil, err
	}
	if series, err = cfg.openQuestDB(nil); err != nil {
		store.Close()
		return nil, nil, nil, err
	}
	done = func() {
		store.Close()
		if series != nil {
			series.Close()
		}
	}
	have, want, err := migrator.Version(a.ctx, store.Pool, migrations.FS)
	switch {
	case err != nil:
		err = connectFailure(store, err)
	case have < want:
		err = fmt.Errorf("the schema is at version %d and %d is needed: run \"foldbook migrate up\" first", have, want)
	case have > want:
		err = fmt.Errorf("the schema is at version %d, newer than the %d of this binary: use the newer one", have, want)
	default:
		return store, series, done, nil
	}
	done()
	return nil, nil, nil, err
}

func (c config) openDB(tracers ...pgx.QueryTracer) (*db.DB, error) {
	return db.Open(db.Config{
		URL: c.postgres(), PoolSize: c.PoolSize, ConnectTimeout: c.ConnectTimeout, AcquireTimeout: c.AcquireTimeout,
		StatementTimeout: c.StatementTimeout, Pooler: c.Pooler == "transaction", Tracers: tracers,
	})
}

// connectFailure makes a failed connection the migrator's ConnectError, which has a text for people and an exit code.
func connectFailure(store *db.DB, err error) error {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) || errors.Is(err, context.DeadlineExceeded) {
		return migrator.NewConnectError(store.Pool.Config().ConnConfig, err)
	}
	return err
}

type grantsCmd struct {
	Role string `arg:"" help:"The role of the service."`
}

// Help is the text below the summary.
func (grantsCmd) Help() string {
	return `The service may use a role that cannot change the schema. The role that migrates runs this SQL after each upgrade, with psql.

Examples:

	foldbook grants service | psql "$POSTGRES_URL"`
}

// Run prints them; it connects to nothing.
func (c grantsCmd) Run(a *app) error {
	role := pgx.Identifier{c.Role}.Sanitize()
	_, err := fmt.Fprintf(a.out, `GRANT USAGE ON SCHEMA public, river TO %[1]s;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, river TO %[1]s;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public, river TO %[1]s;
`, role)
	return err
}

type configCmd struct{}

// Help is the text below the summary.
func (configCmd) Help() string {
	return `One NAME=value a line, in the form of a .env file; a # marks what is at its default. Passwords are masked.

Examples:

	foldbook config
	PORT=8080 foldbook config | grep PORT`
}

// Run prints the settings.
func (configCmd) Run(a *app) error {
	cfg, err := loadConfig(a.env)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, s := range cfg.settings(a.env) {
		mark := "# default"
		if s.given {
			mark = "# set"
		} else if s.value == "" {
			mark = "# not set"
		}
		_, _ = fmt.Fprintf(w, "%s=%s\t%s\n", s.name, s.value, mark)
	}
	return w.Flush()
}

type versionCmd struct{}

// Help is the text below the summary.
func (versionCmd) Help() string {
	return `foldbook --version is the same.

Examples:

	foldbook version`
}

// Run prints version, Go and schema.
func (versionCmd) Run(a *app) error {
	_, err := fmt.Fprintln(a.out, versionText())
	return err
}

func versionText() string {
	known, err := migrator.Parse(migrations.FS)
	if err != nil || len(known) == 0 {
		panic(fmt.Sprintf("the migrations of this binary: %v", err)) // a test parses them
	}
	return fmt.Sprintf("foldbook %s (%s), schema %d", buildVersion(), runtime.Version(), known[len(known)-1].Version)
}

// version is set by the linker for a release: -ldflags "-X main.version=1.2.3".
var version string

// buildVersion is the release, or what Go derives from the commit that was built.
func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && version == "" {
		return strings.Trim(info.Main.Version, "()") // (devel) without a commit
	}
	return version
}

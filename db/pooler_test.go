package db_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"foldbook/db"
	"foldbook/internal/migrator"
	"foldbook/internal/testdb"
	"foldbook/migrations"
)

// Behind a pooler, which gives each transaction any of its server connections, every kind of query works for many callers at
// once, the limits hold, and nothing is left behind in a session.
func TestPooler(t *testing.T) {
	t.Parallel()
	direct := open(t)
	address := direct.Pool.Config().ConnString()
	id := uuid.New()
	if _, err := direct.UpsertDataset(t.Context(), bareDataset(id)); err != nil {
		t.Fatal(err)
	}
	store := open(t, func(c *db.Config) {
		c.URL, c.Pooler, c.PoolSize = testdb.Pooler(t, address, "default_pool_size=2"), true, 8
	})

	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 20 {
				if _, err := store.GetDataset(t.Context(), id); err != nil {
					t.Errorf("read: %v", err)
				}
				err := store.InTx(t.Context(), false, func(q *db.Queries) error {
					_, err := q.LockDataset(t.Context(), db.LockDatasetParams{DatasetID: id})
					return err
				})
				if err != nil {
					t.Errorf("transaction: %v", err)
				}
			}
		})
	}
	callers.Wait()

	tx, err := direct.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "SELECT FROM indicator_datasets FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	var refused *pgconn.PgError
	if _, err := store.LockDataset(t.Context(), db.LockDatasetParams{DatasetID: id}); !errors.As(err, &refused) || refused.Code != "55P03" {
		t.Errorf("a locked row: %v, want 55P03 after the lock limit of a second", err)
	}
	var left string
	if err := store.Pool.QueryRow(t.Context(), "SELECT current_setting('lock_timeout')").Scan(&left); err != nil || left != "0" {
		t.Errorf("lock_timeout of the session is %q, %v; want 0, as before", left, err)
	}
}

// Migrations are refused through a pooler before anything is applied, whether it refuses the parameters of the session or
// drops them.
func TestPoolerMigrate(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]string{
		"": "unsupported startup parameter",
		"ignore_startup_parameters=statement_timeout,lock_timeout": "pooler such as PgBouncer",
	} {
		address := testdb.Pooler(t, testdb.EmptyURL(t), settings)
		m, err := migrator.Open(t.Context(), address, 0, migrations.FS, migrator.Report{})
		if err == nil {
			_ = m.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "foldbook migrate") {
			t.Errorf("with %q: %v, want %q and the way out", settings, err, want)
		}
	}
}

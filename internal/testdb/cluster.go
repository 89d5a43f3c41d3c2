package testdb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that goose connects with
	"github.com/pressly/goose/v3"

	"foldbook/internal/devstack"
	"foldbook/migrations"
)

// cluster is a server on a copy of the template.
type cluster struct {
	*devstack.Postgres
	scratch *devstack.Scratch
}

func (c *cluster) stop() error { return errors.Join(c.Stop(), c.scratch.Remove()) }

func stateDir() (string, error) {
	root, err := devstack.Root()
	if err != nil {
		return "", err
	}
	return devstack.StateDir(root)
}

// startCluster copies the template, which it makes when there is none for these migrations, and starts a server on it.
func startCluster(ctx context.Context, durable bool) (*cluster, error) {
	state, err := stateDir()
	if err != nil {
		return nil, err
	}
	binaries, err := devstack.FindPostgres(ctx, state, nil)
	if err != nil {
		return nil, err
	}
	scratch, err := copyTemplate(ctx, filepath.Join(state, "test"), binaries)
	if err != nil {
		return nil, err
	}
	server, err := devstack.StartPostgres(ctx, scratch.Dir, devstack.Options{Binaries: binaries, Durable: durable})
	if err != nil {
		return nil, errors.Join(err, scratch.Remove())
	}
	return &cluster{Postgres: server, scratch: scratch}, nil
}

// copyTemplate does its work under the lock that test processes share: it makes the template if there is none for the
// schema, and copies it.
func copyTemplate(ctx context.Context, home string, binaries devstack.Binaries) (*devstack.Scratch, error) {
	lock, err := devstack.LockScratch(home)
	if err != nil {
		return nil, err
	}
	defer lock.Close() //nolint:errcheck // frees the lock
	hash, err := schemaHash(binaries.Version)
	if err != nil {
		return nil, err
	}
	template := filepath.Join(home, "tpl_"+hash)
	if _, err := os.Stat(template); errors.Is(err, fs.ErrNotExist) {
		if err := removeOthers(home, template); err != nil {
			return nil, err
		}
		if err := makeTemplate(ctx, template, binaries); err != nil {
			return nil, fmt.Errorf("make the template of the test databases: %w", err)
		}
	}
	scratch, err := devstack.NewScratch(ctx, home)
	if err != nil {
		return nil, err
	}
	if err := copyTree(filepath.Join(template, "data"), filepath.Join(scratch.Dir, "data")); err != nil {
		return nil, errors.Join(fmt.Errorf("copy the template: %w", err), scratch.Remove())
	}
	return scratch, nil
}

// removeOthers removes the templates of other schemas.
func removeOthers(home, template string) error {
	old, err := filepath.Glob(filepath.Join(home, "tpl_*"))
	if err != nil {
		return err
	}
	for _, dir := range old {
		if dir == template {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove an old template: %w", err)
		}
	}
	return nil
}

// schemaHash names a template by all that it is made from: the migrations and the server's version.
func schemaHash(version string) (string, error) {
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%s\n", version)
	err := fs.WalkDir(migrations.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(migrations.FS, path)
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", path, len(text), text)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read the migrations: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)[:6]), nil
}

// makeTemplate makes the cluster under another name, so that a half-made one never has the real name.
func makeTemplate(ctx context.Context, template string, binaries devstack.Binaries) error {
	fresh := strings.Replace(template, "tpl_", "new_", 1)
	if err := errors.Join(devstack.StopOrphan(ctx, fresh), os.RemoveAll(fresh)); err != nil {
		return err
	}
	server, err := devstack.StartPostgres(ctx, fresh, devstack.Options{Binaries: binaries})
	if err != nil {
		return err
	}
	err = errors.Join(createMigrated(ctx, server), server.Stop())
	if err != nil {
		return errors.Join(err, os.RemoveAll(fresh))
	}
	return os.Rename(fresh, template)
}

func createMigrated(ctx context.Context, server *devstack.Postgres) error {
	admin, err := adminPool(ctx, server.URL("postgres"))
	if err != nil {
		return err
	}
	defer admin.Close()
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+quote(templateDB)); err != nil {
		return fmt.Errorf("create the template database: %w", err)
	}
	return migrate(ctx, server.URL(templateDB))
}

func migrate(ctx context.Context, dsn string) (err error) {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// copyTree copies folders and files with their owners and modes: a server refuses a data folder that is not its own.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		dst := to + strings.TrimPrefix(path, from)
		if d.IsDir() {
			err = os.Mkdir(dst, info.Mode().Perm())
		} else {
			err = copyFile(path, dst, info.Mode().Perm())
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && err == nil && os.Geteuid() == 0 {
			err = os.Chown(dst, int(st.Uid), int(st.Gid))
		}
		return err
	})
}

func copyFile(from, to string, mode fs.FileMode) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}

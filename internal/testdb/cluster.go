package testdb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"foldbook/internal/devstack"
	"foldbook/internal/migrator"
	"foldbook/migrations"
)

// cluster is a server on a copy of the template.
type cluster struct {
	*devstack.Postgres
	scratch *devstack.Scratch
}

func (c *cluster) stop() error { return errors.Join(c.Stop(), c.scratch.Remove()) }

// startCluster copies the template, which it makes when there is none for these migrations, and starts a server on it.
func startCluster(ctx context.Context, durable bool) (*cluster, error) {
	_, state, err := devstack.Dirs()
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
	scratch, err := devstack.NewScratchLocked(ctx, home)
	if err != nil {
		return nil, err
	}
	// With owners and modes: a server refuses a data folder that is not its own.
	if out, err := exec.CommandContext(ctx, "cp", "-a", filepath.Join(template, "data"), scratch.Dir).CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("copy the template: %w: %s", err, out), scratch.Remove())
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

func migrate(ctx context.Context, dsn string) error {
	m, err := migrator.Open(ctx, dsn, 10*time.Second, migrations.FS, migrator.Report{})
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	_, err = m.Up(ctx, false)
	return errors.Join(err, m.Close())
}

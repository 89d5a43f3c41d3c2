package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"foldbook/internal/migrator"
)

// connectPatience is how long the database of this clone may take to answer on a busy machine.
const connectPatience = 10 * time.Second

// schema keeps a development database at the migrations that are in the files. A migration is edited many times before it
// is released, so the database remembers the text of each that was applied, its Down part included: when the file says
// something else, or is gone because another branch is checked out, the old text is undone and the new one applied.
// The memory is a table of the development database alone; a released migration is never edited.
type schema struct {
	url    string
	folder string
	say    func(text string)
}

const createMemory = `
CREATE SCHEMA IF NOT EXISTS development;
CREATE TABLE IF NOT EXISTS development.applied_migrations (version bigint PRIMARY KEY, file text NOT NULL, content text NOT NULL)`

// files are migrations by file name.
type files map[string]string

// aheadError says that the database has migrations that are not in the files, or are other ones there.
type aheadError []string

func (e aheadError) Error() string {
	return fmt.Sprintf("the database has applied %s, which the files do not have like that (another branch, or an edit): "+
		"make dev undoes them and applies the files; make reset starts over with an empty database", strings.Join(e, ", "))
}

// read returns the migrations in the folder that have statements.
func (s schema) read() (files, error) {
	all, err := migrator.Parse(os.DirFS(s.folder))
	if err != nil {
		return nil, err
	}
	now := files{}
	for _, m := range all {
		if m.Empty() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(s.folder, m.File))
		if err != nil {
			return nil, err
		}
		now[m.File] = string(text)
	}
	return now, nil
}

// synced is what became of a database.
type synced struct {
	undone, applied int
	before          files // that were applied when it began
}

// sync brings the database to the migrations of the folder. When some have to be undone it does so only if that is wanted,
// and else fails with an aheadError.
func (s schema) sync(ctx context.Context, undo bool) (synced, error) {
	now, err := s.read()
	if err != nil {
		return synced{}, err
	}
	before, err := s.remembered(ctx, now)
	if err != nil {
		return synced{}, err
	}
	return s.replace(ctx, before, now, undo)
}

// replace undoes what is not in now and applies the rest of it. When that fails it applies what was undone again.
func (s schema) replace(ctx context.Context, before, now files, undo bool) (synced, error) {
	done := synced{before: before}
	stale := s.stale(before, now)
	if len(stale) > 0 && !undo {
		return done, aheadError(stale)
	}
	if len(stale) > 0 {
		if err := s.undo(ctx, before, stale); err != nil {
			return done, err
		}
	}
	done.undone = len(stale)
	var err error
	if done.applied, err = s.up(ctx, now); err == nil {
		return done, s.remember(ctx, now)
	}
	if len(stale) > 0 {
		if _, again := s.up(ctx, before); again != nil {
			return done, fmt.Errorf("%w\nand what was undone cannot be applied again: %w", err, again)
		}
	}
	return done, err
}

// remembered returns the texts of the applied migrations. One that foldbook itself applied is taken to be as the file is now.
func (s schema) remembered(ctx context.Context, now files) (files, error) {
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost
	if _, err := conn.Exec(ctx, createMemory); err != nil {
		return nil, fmt.Errorf("make the memory of migrations: %w", err)
	}
	rows, err := conn.Query(ctx, `
		SELECT g.version_id, coalesce(m.file, ''), coalesce(m.content, '')
		FROM goose_db_version AS g
		LEFT JOIN development.applied_migrations AS m ON m.version = g.version_id
		WHERE g.version_id > 0 AND g.is_applied`)
	before := files{}
	var version int64
	var file, content string
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&version, &file, &content}, func() error {
			if file == "" {
				prefix := fmt.Sprintf("%05d_", version)
				if file = firstWithPrefix(now, prefix); file == "" {
					return fmt.Errorf("the database has applied migration %d, whose text neither the files nor the database have: "+
						"check out the branch that has it, or start over with make reset", version)
				}
				content = now[file]
			}
			before[file] = content
			return nil
		})
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42P01" { // no version table: never migrated
		return files{}, nil
	}
	return before, err
}

func firstWithPrefix(now files, prefix string) string {
	for file := range now {
		if strings.HasPrefix(file, prefix) {
			return file
		}
	}
	return ""
}

// stale lists the applied migrations to undo, newest first: from the oldest on that is other or missing in now, or that
// a pending one comes before.
func (s schema) stale(before, now files) []string {
	applied := slices.Sorted(maps.Keys(before))
	first := len(applied)
	for i, file := range slices.Backward(applied) {
		if text, ok := now[file]; !ok || statements(text) != statements(before[file]) {
			first = i
		}
	}
	for file := range now {
		if _, ok := before[file]; !ok {
			i, _ := slices.BinarySearch(applied, file)
			first = min(first, i)
		}
	}
	stale := applied[first:]
	slices.Reverse(stale)
	return stale
}

// statements is the Up part of a migration without the comments between its statements, which do nothing.
func statements(text string) string {
	up, _, _ := strings.Cut(text, "-- +goose Down")
	var b strings.Builder
	for line := range strings.Lines(up) {
		if trimmed := strings.TrimSpace(line); trimmed != "" && !strings.HasPrefix(trimmed, "--") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func (s schema) undo(ctx context.Context, before files, stale []string) error {
	m, err := migrator.Open(ctx, s.url, connectPatience, before.fs(), migrator.Report{
		Step: func(step migrator.Step) { s.say("undone      " + step.File) },
		Losses: func(losses []migrator.Loss) {
			for _, l := range losses {
				what := "rows of " + l.Table
				if l.Column != "" {
					what = "values of " + l.Table + "." + l.Column
				}
				s.say(fmt.Sprintf("lost        %d %s", l.Count, what))
			}
		},
	})
	if err != nil {
		return err
	}
	defer m.Close() //nolint:errcheck // a connection
	if _, err := m.Down(ctx, len(stale), migrator.Consent{Yes: true}); err != nil {
		return fmt.Errorf("undo %s as it was applied: %w\nmake reset starts over with an empty database", strings.Join(stale, ", "), err)
	}
	return nil
}

func (s schema) up(ctx context.Context, now files) (int, error) {
	m, err := migrator.Open(ctx, s.url, connectPatience, now.fs(), migrator.Report{
		Step: func(step migrator.Step) { s.say("applied     " + step.File) },
	})
	if err != nil {
		return 0, err
	}
	defer m.Close() //nolint:errcheck // a connection
	return m.Up(ctx, false)
}

func (s schema) remember(ctx context.Context, now files) error {
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue("DELETE FROM development.applied_migrations")
		for file, text := range now {
			batch.Queue("INSERT INTO development.applied_migrations (version, file, content) SELECT left($1, 5)::bigint, $1, $2", file, text)
		}
		return tx.SendBatch(ctx, batch).Close()
	})
}

func (f files) fs() fs.FS {
	memory := fstest.MapFS{}
	for file, text := range f {
		memory[file] = &fstest.MapFile{Data: []byte(text)}
	}
	return memory
}

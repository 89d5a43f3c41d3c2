package migrator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Status is the state of one migration.
type Status struct {
	Version   int64
	File      string     // empty when this binary lacks the migration
	AppliedAt *time.Time // UTC; nil while it is pending
}

// Status lists all migrations, those of the binary and those of the database, oldest first. It changes nothing and
// takes no lock.
func (m *Migrator) Status(ctx context.Context) ([]Status, error) {
	rows, err := applied(ctx, m.session.conn)
	if err != nil {
		return nil, err
	}
	list := rows
	for _, migration := range m.migrations {
		if i := slices.IndexFunc(rows, func(s Status) bool { return s.Version == migration.Version }); i >= 0 {
			list[i].File = migration.File
		} else {
			list = append(list, Status{Version: migration.Version, File: migration.File})
		}
	}
	slices.SortFunc(list, func(a, b Status) int { return int(a.Version - b.Version) })
	return list, nil
}

// Next returns the name and the text of a new, empty migration called name, numbered after the newest of existing.
func Next(existing []Migration, name string) (file, text string, err error) {
	subject := strings.ToLower(strings.Join(strings.FieldsFunc(name, func(r rune) bool { return r == ' ' || r == '-' || r == '_' }), "_"))
	if subject == "" || strings.ContainsFunc(subject, func(r rune) bool { return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') }) {
		return "", "", fmt.Errorf("%q is not a name for a migration: use letters, digits and underscores", name)
	}
	version := int64(1)
	if len(existing) > 0 {
		version = existing[len(existing)-1].Version + 1
	}
	return fmt.Sprintf("%05d_%s.sql", version, subject), skeleton, nil
}

const skeleton = `-- +goose Up
-- One subject a file. A statement ends with a semicolon at the end of a line; a function body needs goose's
-- StatementBegin and StatementEnd around it.

-- +goose Down
-- Undo Up exactly.
`

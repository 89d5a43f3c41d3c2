package migrator

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Loss is what undoing takes from one table: Rows of it, or, when the rows stay, the Values of a Column.
type Loss struct {
	Table  string // schema.name, or the name alone in the schema public
	Column string // empty when whole rows are lost
	Count  int64
}

// table is the contents of a table in numbers.
type table struct {
	oid     uint32
	name    pgx.Identifier // schema, name
	rows    int64
	columns []column
}

type column struct {
	number int16
	name   string
	values int64 // not null
}

// userTables lists the tables that a migration of this user could drop or empty, with their columns. What is in a generated
// column is in the others too.
const userTables = `
SELECT c.oid::bigint, n.nspname, c.relname, COALESCE(a.attnum, 0), COALESCE(a.attname, '')
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relkind = 'r'
  AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND c.relname <> $1
  AND pg_has_role(c.relowner, 'USAGE')
ORDER BY n.nspname, c.relname, a.attnum`

// countTables counts rows and values of every user table but the version table. With freeze it first keeps writers
// out until the transaction ends: a row written after the count would be lost unseen.
func countTables(ctx context.Context, tx *sql.Tx, except string, freeze bool) ([]table, error) {
	tables, err := listTables(ctx, tx, except)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	if freeze && len(tables) > 0 {
		names := make([]string, len(tables))
		for i, t := range tables {
			names[i] = "ONLY " + t.name.Sanitize()
		}
		if _, err := tx.ExecContext(ctx, "LOCK TABLE "+strings.Join(names, ", ")+" IN SHARE MODE"); err != nil {
			return nil, fmt.Errorf("keep writers out while counting: %s", message(err))
		}
	}
	for i := range tables {
		if err := tables[i].count(ctx, tx); err != nil {
			return nil, fmt.Errorf("count %s: %w", tables[i], err)
		}
	}
	return tables, nil
}

func listTables(ctx context.Context, tx *sql.Tx, except string) ([]table, error) {
	rows, err := tx.QueryContext(ctx, userTables, except)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var tables []table
	for rows.Next() {
		t := table{name: make(pgx.Identifier, 2)}
		var c column
		if err := rows.Scan(&t.oid, &t.name[0], &t.name[1], &c.number, &c.name); err != nil {
			return nil, err
		}
		if len(tables) == 0 || tables[len(tables)-1].oid != t.oid {
			tables = append(tables, t)
		}
		if c.number > 0 {
			last := &tables[len(tables)-1]
			last.columns = append(last.columns, c)
		}
	}
	return tables, rows.Err()
}

func (t *table) count(ctx context.Context, tx *sql.Tx) error {
	counts := []string{"count(*)"}
	into := []any{&t.rows}
	for i := range t.columns {
		c := &t.columns[i]
		counts = append(counts, "count("+pgx.Identifier{c.name}.Sanitize()+")")
		into = append(into, &c.values)
	}
	// The names come from the catalog of the moment, so there is no query to write beforehand.
	query := "SELECT " + strings.Join(counts, ", ") + " FROM ONLY " + t.name.Sanitize()
	return tx.QueryRowContext(ctx, query).Scan(into...)
}

// String is the table's name as a person writes it.
func (t table) String() string {
	if t.name[0] == "public" {
		return t.name[1]
	}
	return strings.Join(t.name, ".")
}

// compare returns what is missing after. A table that was renamed is found by its identity, one that was rebuilt
// by its name; columns likewise.
func compare(before, after []table) []Loss {
	var losses []Loss
	for _, old := range before {
		now, same := table{}, true
		if i := slices.IndexFunc(after, func(t table) bool { return t.oid == old.oid }); i >= 0 {
			now = after[i]
		} else if i := slices.IndexFunc(after, func(t table) bool { return slices.Equal(t.name, old.name) }); i >= 0 {
			now, same = after[i], false
		}
		if lost := old.rows - now.rows; lost > 0 {
			losses = append(losses, Loss{Table: old.String(), Count: lost})
			continue
		}
		for _, c := range old.columns {
			left := int64(0)
			i := slices.IndexFunc(now.columns, func(d column) bool {
				return same && d.number == c.number || !same && d.name == c.name
			})
			if i >= 0 {
				left = now.columns[i].values
			}
			if lost := c.values - left; lost > 0 {
				losses = append(losses, Loss{Table: old.String(), Column: c.name, Count: lost})
			}
		}
	}
	return losses
}

package migrator

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
)

// Loss is what undoing takes from one table: Rows of it, or, when the rows stay, the Values of a Column.
type Loss struct {
	Table  string // schema.name, or the name alone in the schema public
	Column string // empty when whole rows are lost
	Count  int64
}

// table is the contents of a table in numbers.
type table struct {
	OID          uint32
	Schema, Name string
	Columns      []string
	Numbers      []int16 // of the columns; they stay when one is renamed
	Query        string  // counts the rows, and the values of each column that are not null
	counts       []int64 // its result
}

// userTables lists the tables that a migration of this user could drop or empty, with the query that counts what is in them. What is
// in a generated column is in the others too.
const userTables = `
SELECT c.oid, n.nspname, c.relname,
       coalesce(array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attnum > 0), '{}'),
       coalesce(array_agg(a.attnum ORDER BY a.attnum) FILTER (WHERE a.attnum > 0), '{}'),
       format('SELECT ARRAY[count(*)%s] FROM ONLY %I.%I',
              string_agg(format(', count(%I)', a.attname), '' ORDER BY a.attnum), n.nspname, c.relname)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relkind = 'r'
  AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND c.relname <> ALL ($1)
  AND pg_has_role(c.relowner, 'USAGE')
GROUP BY c.oid, n.nspname, c.relname
ORDER BY n.nspname, c.relname`

// bookkeeping has the tables whose rows nobody stored: the versions of the schema, the number of the last event, and how far the daily
// returns follow the events.
var bookkeeping = []string{goose.DefaultTablename, "event_counter", "returns_position"}

// countTables counts rows and values of every user table but those of bookkeeping. With freeze it first keeps writers
// out until the transaction ends: a row written after the count would be lost unseen.
func countTables(ctx context.Context, conn *pgx.Conn, freeze bool) ([]table, error) {
	rows, err := conn.Query(ctx, userTables, bookkeeping)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	if freeze && len(tables) > 0 {
		names := make([]string, len(tables))
		for i, t := range tables {
			names[i] = "ONLY " + pgx.Identifier{t.Schema, t.Name}.Sanitize()
		}
		if _, err := conn.Exec(ctx, "LOCK TABLE "+strings.Join(names, ", ")+" IN SHARE MODE"); err != nil {
			return nil, fmt.Errorf("keep writers out while counting: %s", message(err))
		}
	}
	for i, t := range tables {
		if err := conn.QueryRow(ctx, t.Query).Scan(&tables[i].counts); err != nil {
			return nil, fmt.Errorf("count %s: %w", t, err)
		}
	}
	return tables, nil
}

// String is the table's name as a person writes it.
func (t table) String() string {
	if t.Schema == "public" {
		return t.Name
	}
	return t.Schema + "." + t.Name
}

// compare returns what is missing after. A table that was renamed is found by its identity, one that was rebuilt
// by its name; columns likewise.
func compare(before, after []table) []Loss {
	var losses []Loss
	for _, old := range before {
		i := slices.IndexFunc(after, func(t table) bool { return t.OID == old.OID })
		same := i >= 0
		if !same {
			i = slices.IndexFunc(after, func(t table) bool { return t.Schema == old.Schema && t.Name == old.Name })
		}
		now := table{counts: []int64{0}}
		if i >= 0 {
			now = after[i]
		}
		if lost := old.counts[0] - now.counts[0]; lost > 0 {
			losses = append(losses, Loss{Table: old.String(), Count: lost})
			continue
		}
		for i, name := range old.Columns {
			left, at := int64(0), slices.Index(now.Columns, name)
			if same {
				at = slices.Index(now.Numbers, old.Numbers[i])
			}
			if at >= 0 {
				left = now.counts[1+at]
			}
			if lost := old.counts[1+i] - left; lost > 0 {
				losses = append(losses, Loss{Table: old.String(), Column: name, Count: lost})
			}
		}
	}
	return losses
}

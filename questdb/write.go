package questdb

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Spec is a table to be written to: its designated timestamp is "timestamp", it has a WAL, and rows with the same
// timestamp and Key columns replace each other. With no Key column at all it keeps every row.
type Spec struct {
	Name        string
	PartitionBy string   // MONTH, YEAR
	Dedup       bool     // by timestamp and the columns that are a Key
	Columns     []Column // all but the timestamp: name, type, whether it is a Key
	Widen       []string // columns of whole numbers that get fractions
	Exists      bool     // the table is there, so that Columns need not be all: it is not made
}

// check refuses names that QuestDB would not accept. Error: ErrInvalidName.
func (s Spec) check() error {
	if !slices.Contains([]string{"HOUR", "DAY", "WEEK", "MONTH", "YEAR"}, s.PartitionBy) {
		return fmt.Errorf("%w: partition by %q", ErrInvalidName, s.PartitionBy)
	}
	for _, c := range s.Columns {
		if !ValidColumn(c.Name) {
			return fmt.Errorf("%w: column %q", ErrInvalidName, clip(c.Name))
		}
		if !slices.Contains(madeTypes, c.Type) {
			return fmt.Errorf("%w: type %q of column %q", ErrInvalidName, c.Type, c.Name)
		}
	}
	return nil
}

// madeTypes are the types that a Writer can write.
var madeTypes = []string{"DOUBLE", "LONG", "SYMBOL", "VARCHAR"}

// Ensure creates the table or adds its missing columns; a table without deduplication gets that of the spec. An existing
// column keeps its type. It is safe to call from several processes at once.
// Errors: ErrInvalidName, and those of a read; ErrNoTable only when it has to exist.
func (c *Client) Ensure(ctx context.Context, s Spec) (*Table, error) {
	name, err := tableName(s.Name)
	if err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	known := false
	defer func() {
		if !known {
			c.tables.forget(name) // what is returned is newer than what others may have looked up meanwhile
		}
	}()
	t, err := c.lookUp(ctx, name, c.execQuery)
	if errors.Is(err, ErrNoTable) && !s.Exists {
		if err := c.create(ctx, name, s); err != nil {
			return nil, fmt.Errorf("make a table: %w", err)
		}
		t, err = c.lookUp(ctx, name, c.execQuery) // another process may have made it otherwise
	}
	if err != nil {
		return nil, err
	}
	if changed, err := c.alter(ctx, t, s); err != nil {
		return nil, fmt.Errorf("change a table: %w", err)
	} else if !changed {
		known = true
		return t, nil
	}
	if err := c.waitApplied(ctx, t); err != nil {
		return nil, fmt.Errorf("change a table: %w", err)
	}
	return c.lookUp(ctx, name, c.execQuery)
}

// create creates a table. A statement that is too long for HTTP goes over the PostgreSQL wire; where that is closed, or may only be
// read, the table gets the columns that fit, and alter adds the others, which takes QuestDB some milliseconds for each.
func (c *Client) create(ctx context.Context, name string, s Spec) error {
	st := createTable(name, s)
	if c.pool != nil && tooLong(st) {
		if _, err := c.pool.Exec(ctx, st.literal(), pgx.QueryExecModeSimpleProtocol); err == nil {
			return nil
		}
	}
	for n := len(s.Columns); n > 0 && tooLong(st); {
		n -= n/10 + 1
		some := s
		some.Columns = slices.DeleteFunc(slices.Clone(s.Columns[n:]), func(c Column) bool { return !c.Key }) // without which it has no keys
		some.Columns = append(some.Columns, s.Columns[:n]...)
		st = createTable(name, some)
	}
	return c.ddl(ctx, st)
}

func tooLong(st *statement) bool { return len(url.QueryEscape(st.literal())) > maxExecSQL }

func createTable(name string, s Spec) *statement {
	st := new(statement).add("create table if not exists ").name(name).add(" (timestamp timestamp")
	for _, column := range s.Columns {
		st.add(", ").name(column.Name).add(" ").add(constant(column.Type)) // a type of madeTypes
	}
	st.add(") timestamp(timestamp) partition by ").add(constant(s.PartitionBy)).add(" wal")
	if s.Dedup {
		st.add(" dedup upsert keys(timestamp")
		for _, column := range s.Columns {
			if column.Key {
				st.add(", ").name(column.Name)
			}
		}
		st.add(")")
	}
	return st
}

// alter adds columns, one by one as tables with a WAL require, and deduplication.
func (c *Client) alter(ctx context.Context, t *Table, s Spec) (changed bool, err error) {
	for _, name := range s.Widen {
		if column, ok := t.Column(name); ok && !column.Key && KindOf(column.Type) == Int {
			if err := c.widen(ctx, t, column.Name); err != nil {
				return changed, err
			}
			changed = true
		}
	}
	for _, column := range s.Columns {
		if _, ok := t.Column(column.Name); ok {
			continue
		}
		st := new(statement).add("alter table ").table(t).add(" add column if not exists ").name(column.Name).add(" ").add(constant(column.Type))
		if err := c.ddl(ctx, st); err != nil {
			return changed, err
		}
		changed = true
	}
	if !s.Dedup || t.Dedup || !t.WAL || t.Designated == "" {
		return changed, nil
	}
	st := new(statement).add("alter table ").table(t).add(" dedup enable upsert keys(").name(t.Designated)
	for _, column := range s.Columns {
		if column.Key {
			st.add(", ").name(column.Name)
		}
	}
	return true, c.ddl(ctx, st.add(")"))
}

// widen makes a column of whole numbers one of doubles, unless it has numbers that a double cannot hold. Error: ErrWhole.
func (c *Client) widen(ctx context.Context, t *Table, name string) error {
	const exact = int64(1) << 53
	st := new(statement).add("select count() n from ").table(t).add(" where ").column(t, name).add(" > ").value(exact)
	st.add(" or ").column(t, name).add(" < ").value(-exact)
	large := int64(0)
	rows, err := c.execQuery(ctx, st)
	if err = each(rows, err, func(r *Rows) { large, _ = r.Int(0) }); err != nil {
		return err
	}
	if large > 0 {
		return ErrWhole
	}
	return c.ddl(ctx, new(statement).add("alter table ").table(t).add(" alter column ").column(t, name).add(" type double"))
}

const ddlTries = 5

// ddl changes the schema over HTTP, as a user who may. QuestDB refuses a change for a moment while another change, or a writer,
// holds the table.
func (c *Client) ddl(ctx context.Context, s *statement) error {
	for try := 1; ; try++ {
		err := c.do(ctx, s)
		refused := new(Refused)
		if err == nil || try == ddlTries || !errors.As(err, &refused) || !isBusy(refused.Message) {
			return err
		}
		if err := sleep(ctx, time.Duration(try)*50*time.Millisecond); err != nil {
			return failure(ctx, err, "", false)
		}
	}
}

func isBusy(message string) bool {
	return slices.ContainsFunc([]string{"busy", "lock", "in progress"}, func(s string) bool { return strings.Contains(message, s) })
}

// Drop removes a table if it exists. Errors: ErrInvalidName, and those of a read.
func (c *Client) Drop(ctx context.Context, name string) error {
	name, err := tableName(name)
	if err != nil {
		return err
	}
	defer c.tables.forget(name)
	if err := c.ddl(ctx, new(statement).add("drop table if exists ").name(name)); err != nil {
		return fmt.Errorf("drop a table: %w", err)
	}
	return nil
}

// Disown takes the rows of a selection by tags away from their owners: it sets the tags to NULL, which no record reads. QuestDB has no
// DELETE; it applies an UPDATE in the order of the commits, so that rows that others write meanwhile are neither lost nor changed.
// Errors: those of a read, and ErrSuspended.
func (c *Client) Disown(ctx context.Context, sel Selection) error {
	if err := c.waitApplied(ctx, sel.Table); err != nil { // also what an attempt before this one has sent
		return fmt.Errorf("take rows out of a table: %w", err)
	}
	rows, err := c.Count(ctx, sel)
	if err != nil || rows == 0 {
		return err
	}
	st := new(statement).add("update ").table(sel.Table).add(" set ")
	for i, tag := range sel.Where {
		if i > 0 {
			st.add(", ")
		}
		st.column(sel.Table, tag.Column).add(" = null")
	}
	if err := c.ddl(ctx, st.where(sel)); err != nil {
		return fmt.Errorf("take rows out of a table: %w", err)
	}
	return c.waitApplied(ctx, sel.Table)
}

// waitApplied waits until all that was committed to a table before is visible to reads, for at most the context.
// Errors: ErrSuspended, and those of a read; ErrNoTable when the table is gone.
func (c *Client) waitApplied(ctx context.Context, t *Table) error {
	st := new(statement).add("select writerTxn, sequencerTxn, suspended, errorMessage from wal_tables() where name = ").value(t.Name)
	target := int64(-1)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		writer, found, suspended, reason := int64(0), false, false, ""
		rows, err := c.execQuery(ctx, st)
		err = each(rows, err, func(r *Rows) {
			found = true
			writer, _ = r.Int(0)
			sequencer, _ := r.Int(1)
			if target < 0 { // later commits are others'
				target = sequencer
			}
			is, _ := r.Int(2)
			message, _ := r.Text(3)
			suspended, reason = is == 1, string(message)
		})
		switch {
		case err != nil:
			return err
		case !found && t.WAL:
			return ErrNoTable
		case !found || writer >= target:
			return nil
		case suspended:
			return fmt.Errorf("%w: %s", ErrSuspended, reason)
		}
		if err := sleep(ctx, pause); err != nil {
			return failure(ctx, err, "", false)
		}
	}
}

package questdb

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Tags counts the rows of a table by a column of texts; those without a value are "". Errors: those of a read.
func (c *Client) Tags(ctx context.Context, t *Table, column string) (map[string]int64, error) {
	tags := map[string]int64{}
	rows, err := c.query(ctx, new(statement).add("select ").column(t, column).add(" tag, count() n from ").table(t).add(" group by tag"))
	return tags, each(rows, err, func(r *Rows) {
		tag, _ := r.Text(0)
		n, _ := r.Int(1)
		tags[string(tag)] += n
	})
}

// CountTagged counts the rows of a table that have a value in a column. Errors: those of a read.
func (c *Client) CountTagged(ctx context.Context, t *Table, column string) (int64, error) {
	return c.number(ctx, new(statement).add("select count(").column(t, column).add(") n from ").table(t))
}

// Suffixes of the tables that Purge needs for a moment.
const (
	purgedSuffix = "__purged"
	// OldSuffix is that of the table as it was: after a crash all of its rows are there.
	OldSuffix = "__old"
)

// ErrWritten says that a table was written to while it was purged, and is as it was.
var ErrWritten = errors.New("the table was written to meanwhile: nothing is purged")

// Purge writes a table anew without the rows that have no value in a column, a partition at a time, in the place of the old one.
// Nobody else may write to it meanwhile: rows that come while it is copied are noticed, and rows that come within the two renames make a
// table of their own, which fails. Errors: ErrWritten, those of a read, and a *Refused.
func (c *Client) Purge(ctx context.Context, t *Table, column string) error {
	purged, old := &Table{Name: t.Name + purgedSuffix, WAL: true}, &Table{Name: t.Name + OldSuffix}
	defer c.Forget(t.Name)
	before, err := c.commits(ctx, t)
	if err == nil {
		err = c.copyTagged(ctx, t, purged, column)
	}
	if err == nil {
		err = c.rename(ctx, t, old)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("purge a table: %w", err), c.Drop(ctx, purged.Name))
	}
	now, err := c.commits(ctx, old)
	if err == nil && now != before+1 { // that is the renaming
		err = ErrWritten
	}
	if err == nil {
		err = c.rename(ctx, purged, t)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("purge a table: %w", err), c.rename(ctx, old, t), c.Drop(ctx, purged.Name))
	}
	return c.Drop(ctx, old.Name)
}

func (c *Client) rename(ctx context.Context, from, to *Table) error {
	return c.ddl(ctx, new(statement).add("rename table ").table(from).add(" to ").table(to))
}

// copyTagged makes a table like another one with those of its rows that have a value in a column.
func (c *Client) copyTagged(ctx context.Context, from, to *Table, column string) error {
	if err := c.Drop(ctx, to.Name); err != nil { // what a crash has left
		return err
	}
	if err := c.ddl(ctx, new(statement).add("create table ").table(to).add(" (like ").table(from).add(")")); err != nil {
		return err
	}
	var parts []Selection
	st := new(statement).add("select minTimestamp::timestamp::long, maxTimestamp::timestamp::long from table_partitions(")
	rows, err := c.execQuery(ctx, st.add(constant(textLiteral(from.Name))).add(") where numRows > 0"))
	err = each(rows, err, func(r *Rows) {
		first, _ := r.Int(0)
		last, _ := r.Int(1)
		parts = append(parts, Selection{Table: from, From: time.UnixMicro(first), To: time.UnixMicro(last)})
	})
	for i := 0; i < len(parts) && err == nil; i++ {
		st := new(statement).add("insert into ").table(to).add(" select * from ").table(from)
		st.where(parts[i], func() { st.column(from, column).add(" != null") })
		err = c.ddl(ctx, st)
	}
	if err != nil {
		return err
	}
	return c.waitApplied(ctx, to)
}

// commits is how many transactions were committed to a table, once all of them are applied.
func (c *Client) commits(ctx context.Context, t *Table) (n int64, err error) {
	if err := c.waitApplied(ctx, t); err != nil {
		return 0, err
	}
	rows, err := c.execQuery(ctx, new(statement).add("select sequencerTxn from wal_tables() where name = ").value(t.Name))
	return n, each(rows, err, func(r *Rows) { n, _ = r.Int(0) })
}

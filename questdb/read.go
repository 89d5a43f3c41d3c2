package questdb

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// Selection is rows of a table: those for which every Match holds, between From and To.
type Selection struct {
	Table    *Table
	Where    []Match
	From, To time.Time  // both inclusive, in microseconds; zero is no bound
	With     *Selection // only rows at times of rows of this one, for Scan and Count; nil for all. Scan reads the time, too
}

// Match holds for rows whose column has one of the values.
type Match struct {
	Column string
	Values []string
}

// Scan is what of a selection is read, in the order of the designated timestamp.
type Scan struct {
	Selection
	Columns []string // names in the table, at least one
	Desc    bool
	Offset  int64
	Limit   int64 // at most so many rows; below 0: all
}

// longRead is the number of rows above which a scan is a long read, which may not take the last places in the pool.
const longRead = 10000

// Scan reads rows. The rows have to be closed. A read that fails before its first row with ErrUnavailable is tried once more.
// Errors: ErrNoTable, ErrNoColumn, ErrUnavailable, ErrBusy, ErrTimeout, ErrBroken, and a *Refused.
func (c *Client) Scan(ctx context.Context, s Scan) (*Rows, error) {
	st := new(statement)
	st.stream = s.Limit < 0 || s.Limit > longRead
	st.add("select ")
	for i, name := range s.Columns {
		if i > 0 {
			st.add(", ")
		}
		if s.With == nil {
			st.read(s.Table, name)
		} else {
			st.add("a.").column(s.Table, name)
		}
	}
	return c.query(ctx, st.rest(s))
}

// from writes the source of a selection's rows up to its condition: the table or, for rows at times of other rows, the columns
// that are read as a, joined with those. The difference of the times is written out, because QuestDB would join by an equality.
func (st *statement) from(s Selection, columns ...string) *statement {
	st.add(" from ")
	if s.With == nil {
		return st.table(s.Table).where(s)
	}
	st.add("(select ")
	for i, name := range columns {
		if i > 0 {
			st.add(", ")
		}
		st.read(s.Table, name)
	}
	st.add(" from ").table(s.Table).where(s).add(") a asof join (select ").column(s.With.Table, s.With.Table.Designated)
	st.add(" from ").table(s.With.Table).where(*s.With).add(") b where b.").column(s.With.Table, s.With.Table.Designated)
	return st.add("::timestamp::long - a.").column(s.Table, s.Table.Designated).add("::timestamp::long = 0")
}

// rest writes the part of a scan after its columns.
func (st *statement) rest(s Scan) *statement {
	st.from(s.Selection, s.Columns...)
	if s.Table.Designated != "" {
		st.add(" order by ")
		if s.With != nil {
			st.add("a.")
		}
		st.column(s.Table, s.Table.Designated)
		if s.Desc {
			st.add(" desc")
		}
	}
	offset := max(s.Offset, 0)
	switch {
	case s.Limit >= 0:
		st.add(" limit ").value(offset).add(", ").value(offset + min(s.Limit, math.MaxInt64-offset))
	case offset > 0:
		st.add(" limit ").value(offset).add(", ").value(int64(math.MaxInt64))
	}
	return st
}

// where writes the condition of a selection and those that more write, if there is any.
func (s *statement) where(sel Selection, more ...func()) *statement {
	next := constant(" where ")
	and := func() {
		s.add(next)
		next = " and "
	}
	for _, m := range sel.Where {
		and()
		s.match(sel.Table, m)
	}
	if !sel.From.IsZero() {
		and()
		s.column(sel.Table, sel.Table.Designated).add(" >= ").micros(ceilMicros(sel.From))
	}
	if !sel.To.IsZero() { // the end of its microsecond, for columns of nanoseconds
		and()
		s.column(sel.Table, sel.Table.Designated).add(" < ").micros(sel.To.UnixMicro() + 1)
	}
	for _, write := range more {
		and()
		write()
	}
	return s
}

func ceilMicros(t time.Time) int64 {
	micros := t.UnixMicro()
	if t.Nanosecond()%1000 != 0 {
		micros++
	}
	return micros
}

// match writes the condition that a column has one of the values. It omits values that a column of its type cannot have.
func (s *statement) match(t *Table, m Match) *statement {
	c, ok := t.Column(m.Column)
	if !ok {
		return s.fail(fmt.Errorf("%w: %q", ErrNoColumn, m.Column))
	}
	var values []any
	for _, text := range m.Values {
		if v, ok := matchValue(c.Type, text); ok {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return s.add("1 = 0")
	}
	operand := func() *statement {
		if KindOf(c.Type) == Text && !slices.Contains([]string{"SYMBOL", "VARCHAR", "STRING"}, c.Type) {
			return s.add("cast(").name(c.Name).add(" as varchar)")
		}
		return s.name(c.Name)
	}
	s.add("(")
	for i, v := range values { // for few values as fast as a set, and there are sets of some types only
		if i > 0 {
			s.add(" or ")
		}
		operand().add(" = ").value(v)
	}
	return s.add(")")
}

// matchValue is text as a value of a column of that type; not ok when it can be none.
func matchValue(columnType, text string) (any, bool) {
	bits := map[string]int{"BYTE": 8, "SHORT": 16, "INT": 32, "LONG": 64, "FLOAT": 32, "DOUBLE": 64}[columnType]
	switch KindOf(columnType) {
	case Int:
		v, err := strconv.ParseInt(text, 10, bits)
		return v, err == nil
	case Float:
		v, err := strconv.ParseFloat(text, bits)
		return v, err == nil
	case Bool:
		v, err := strconv.ParseBool(text)
		return v, err == nil
	case Time:
		t, err := time.Parse(time.RFC3339Nano, text)
		return t, err == nil
	}
	return text, true
}

// Bounds is the number of rows of a selection, and their first and last time (zero when there are none).
type Bounds struct {
	Rows        int64
	First, Last time.Time
}

// Count counts a selection. Errors as Scan.
func (c *Client) Count(ctx context.Context, s Selection) (int64, error) {
	return c.number(ctx, new(statement).add("select count() n").from(s, s.Table.Designated))
}

// number runs a read of one number.
func (c *Client) number(ctx context.Context, st *statement) (n int64, err error) {
	rows, err := c.query(ctx, st)
	err = each(rows, err, func(r *Rows) { n, _ = r.Int(0) })
	return n, err
}

// Bounds counts a selection and finds its first and last time. Errors as Scan. Three separate queries are much faster than one:
// without a condition QuestDB answers each from its metadata.
func (c *Client) Bounds(ctx context.Context, s Selection) (Bounds, error) {
	if s.Table.Designated == "" {
		n, err := c.Count(ctx, s)
		return Bounds{Rows: n}, err
	}
	st := new(statement).add("(select count() n from ").table(s.Table).where(s).add(")")
	for _, end := range []constant{" limit 1)", " limit -1)"} {
		st.add(" union all (select ").column(s.Table, s.Table.Designated).add("::timestamp::long from ").table(s.Table).where(s).
			add(" order by ").column(s.Table, s.Table.Designated).add(end)
	}
	var found []int64
	rows, err := c.query(ctx, st)
	err = each(rows, err, func(r *Rows) {
		v, _ := r.Int(0)
		found = append(found, v)
	})
	b := Bounds{}
	if err == nil && len(found) == 3 {
		b = Bounds{found[0], time.UnixMicro(found[1]).UTC(), time.UnixMicro(found[2]).UTC()}
	}
	return b, err
}

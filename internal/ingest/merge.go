package ingest

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"foldbook/api/spec"
	"foldbook/internal/rowread"
	"foldbook/questdb"
)

// Stored says what became of the rows of a request.
type Stored struct {
	Rows                      int64 // of different keys
	Duplicates                int64 // rows of the request whose key a later one has too
	FirstDuplicate            time.Time
	Added, Changed, Unchanged int64 // of Compare alone
}

// group is the rows of a request that have one key, in the order in which they came: the last cell that is given counts.
type group []int

// groups calls f for the rows of each key, by time. Few requests are not sorted already.
func (w *tableWriter) groups(f func(group) error) error {
	order := w.order()
	at := func(i int) int {
		if order == nil {
			return i
		}
		return int(order[i])
	}
	one := make(group, 0, 1)
	for i, n := 0, len(w.batch.Times); i < n; {
		one = append(one[:0], at(i))
		for i++; i < n && w.dedup && w.compare(at(i), one[0]) == 0; i++ {
			one = append(one, at(i))
		}
		if err := f(one); err != nil {
			return err
		}
	}
	return nil
}

// order is the rows by time and key; nil when they are in that order already.
func (w *tableWriter) order() []int32 {
	n := len(w.batch.Times)
	for i := 1; ; i++ {
		if i >= n {
			return nil
		}
		if w.compare(i-1, i) > 0 {
			break
		}
	}
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(i, j int32) int { return w.compare(int(i), int(j)) })
	return order
}

// compare orders two rows by their time and key.
func (w *tableWriter) compare(i, j int) int {
	if c := cmp.Compare(w.batch.Times[i], w.batch.Times[j]); c != 0 {
		return c
	}
	for _, f := range w.keys {
		if c := f.at(i).compare(f.at(j)); c != 0 {
			return c
		}
	}
	return 0
}

// count counts the rows of a request by their keys.
func (w *tableWriter) count() (s Stored) {
	_ = w.groups(func(g group) error { // which has no error of its own
		s.Rows++
		if len(g) > 1 && s.Duplicates == 0 {
			s.FirstDuplicate = time.UnixMicro(w.batch.Times[g[0]]).UTC()
		}
		s.Duplicates += int64(len(g) - 1)
		return nil
	})
	return s
}

// cell is a value of one of the kinds that are stored.
type cell struct {
	there bool
	kind  questdb.Kind
	float float64
	int   int64
	text  string
}

func (c cell) compare(d cell) int {
	switch {
	case c.there != d.there:
		return cmp.Compare(b2i(c.there), b2i(d.there))
	case c.kind == questdb.Float || d.kind == questdb.Float:
		return cmp.Compare(c.number(), d.number())
	}
	return cmp.Or(cmp.Compare(c.int, d.int), cmp.Compare(c.text, d.text))
}

func (c cell) number() float64 {
	if c.kind == questdb.Float {
		return c.float
	}
	return float64(c.int)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// at is the cell of a row of the request.
func (f *field) at(row int) cell {
	c := f.column
	if c == nil || c.Missing(row) {
		return cell{there: f.tag != "", text: f.tag}
	}
	switch c.Kind {
	case rowread.Float:
		return cell{there: true, kind: questdb.Float, float: c.Float(row)}
	case rowread.Int:
		return cell{there: true, kind: questdb.Int, int: c.Int(row)}
	}
	text, _ := c.Text(row)
	return cell{there: true, text: text}
}

// merged is the cell of a row that is stored: the last one that the request gives, or else the stored one.
func (f *field) merged(g group, stored []cell) cell {
	for i := len(g) - 1; i >= 0; i-- {
		if f.column != nil && f.column.Given(g[i]) {
			return f.at(g[i])
		}
	}
	if f.stored >= 0 && stored != nil && stored[f.stored].there {
		return stored[f.stored]
	}
	return cell{there: f.tag != "", text: f.tag}
}

// cursor reads the stored rows of the times of a request, by time.
type cursor struct {
	rows  *questdb.Rows
	read  []*field // in the order of the columns behind the time
	keys  []*field
	now   int64 // the time of the rows in same
	same  [][]cell
	ahead bool // rows is at a row of a later time
}

// at is the stored row with the time and key of a row of the request, nil if there is none. Times must not go back.
func (c *cursor) at(w *tableWriter, row int) ([]cell, error) {
	if c == nil {
		return nil, nil
	}
	if at := w.batch.Times[row]; at != c.now || c.same == nil {
		c.now, c.same = at, c.same[:0]
		for c.ahead || c.rows.Next() {
			micros, _ := c.rows.Int(0)
			if c.ahead = micros > at; c.ahead {
				break
			}
			if micros == at {
				c.same = append(c.same, c.cells())
			}
		}
		if err := c.rows.Err(); err != nil {
			return nil, fmt.Errorf("read %s: %w", w.table.Name, err)
		}
	}
	for _, stored := range c.same {
		if !slices.ContainsFunc(c.keys, func(f *field) bool { return f.at(row).compare(stored[f.stored]) != 0 }) {
			return stored, nil
		}
	}
	return nil, nil
}

// cells copies the row that rows is at.
func (c *cursor) cells() []cell {
	list := make([]cell, len(c.read))
	for i := range c.read {
		v := cell{kind: c.rows.Fields[i+1].Kind}
		switch v.kind {
		case questdb.Float:
			v.float, v.there = c.rows.Float(i + 1)
		case questdb.Text:
			var text []byte
			text, v.there = c.rows.Text(i + 1)
			v.text = string(text)
		default:
			v.int, v.there = c.rows.Int(i + 1)
		}
		list[i] = v
	}
	return list
}

// open reads what is stored of those fields at the times of the request; nil when nothing is, or nothing is asked for.
func (w *tableWriter) open(ctx context.Context, fields []*field) (*cursor, error) {
	if len(fields) == 0 {
		return nil, nil
	}
	c := &cursor{keys: w.keys, now: -1}
	scan := questdb.Scan{Selection: w.Place.Selection(), Columns: []string{w.table.Designated}, Limit: 1}
	scan.Table = w.table
	scan.From, scan.To = time.UnixMicro(slices.Min(w.batch.Times)), time.UnixMicro(slices.Max(w.batch.Times))
	probe, err := w.client.Scan(ctx, scan) // most rows come behind those that are stored: then nothing more is read
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", w.table.Name, err)
	}
	some := probe.Next()
	probe.Close()
	if err := probe.Err(); err != nil || !some {
		return nil, err
	}
	for _, f := range w.fields {
		if f.stored = -1; slices.Contains(w.keys, f) || slices.Contains(fields, f) {
			f.stored = len(c.read)
			c.read = append(c.read, f)
			scan.Columns = append(scan.Columns, f.Name)
		}
	}
	scan.Limit = -1
	if c.rows, err = w.client.Scan(ctx, scan); err != nil {
		return nil, fmt.Errorf("read %s: %w", w.table.Name, err)
	}
	return c, nil
}

func (c *cursor) close() {
	if c != nil {
		c.rows.Close()
	}
}

// kept are the fields of which a row may keep what is stored: the request does not have them, or not in every row.
func (w *tableWriter) kept() (list []*field) {
	for _, f := range w.fields {
		if f.of != nil || w.replace || slices.Contains(w.keys, f) || f.always {
			continue
		}
		given := f.column != nil
		for row := 0; given && row < len(w.batch.Times); row++ {
			given = f.column.Given(row)
		}
		if !given {
			list = append(list, f)
		}
	}
	return list
}

// Compare counts how many rows a request would add, change, and leave as they are, and stores nothing.
func (d *Destination) Compare(ctx context.Context, client *questdb.Client, batch *rowread.Batch) (Stored, error) {
	table := d.Place.Table
	if table == nil {
		table = &questdb.Table{Name: d.Place.Name, Columns: d.columns().Columns, WAL: true}
	}
	w := newTableWriter(client, table, d, batch)
	s := w.count()
	if d.Place.Table != nil {
		if err := appendable(table); err != nil {
			return Stored{}, err
		}
	}
	isNew := func(c *rowread.Column) bool { _, ok := table.Column(c.Name); return !ok && !c.Empty(len(batch.Times)) }
	switch {
	case d.Place.Table == nil, !w.dedup && slices.ContainsFunc(batch.Columns, isNew):
		s.Added = s.Rows
		return s, nil
	case !w.dedup:
		missing, err := w.missing(ctx)
		if err == nil {
			for range missing {
				s.Added++
			}
		}
		s.Rows, s.Unchanged = s.Added, s.Rows-s.Added
		return s, err
	}
	c, err := w.open(ctx, w.fields)
	if err != nil {
		return s, err
	}
	defer c.close()
	return s, w.groups(func(g group) error {
		if w.replace {
			g = g[len(g)-1:]
		}
		stored, err := c.at(w, g[0])
		switch {
		case err != nil:
			return err
		case stored == nil:
			s.Added++
		case slices.ContainsFunc(w.fields, func(f *field) bool { return f.differs(g, stored, w.replace) }):
			s.Changed++
		default:
			s.Unchanged++
		}
		return nil
	})
}

// differs tells whether a row of the request changes the stored cell.
func (f *field) differs(g group, stored []cell, replace bool) bool {
	if f.of != nil || f.always {
		return false
	}
	var had cell
	if f.stored >= 0 {
		had = stored[f.stored]
	}
	old := stored
	if replace {
		old = nil
	}
	return f.merged(g, old).compare(had) != 0
}

// writable are the types of cells that can be written again.
var writable = []string{
	"SYMBOL", "VARCHAR", "STRING", "CHAR", "UUID", "IPV4", "DOUBLE", "FLOAT", "LONG", "INT", "SHORT", "BYTE", "BOOLEAN", "TIMESTAMP",
}

// writable refuses to keep cells of types that cannot be written again.
func (c *cursor) writable() error {
	if c == nil {
		return nil
	}
	for _, f := range c.read {
		if !slices.Contains(writable, f.Type) {
			return &spec.Problem{Status: http.StatusConflict, Code: spec.ErrorCodeConflict, Message: fmt.Sprintf(
				"column %s is a %s, which rows that are written again cannot keep: replace=true replaces the rows", f.Name, f.Type)}
		}
	}
	return nil
}

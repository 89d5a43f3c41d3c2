package series

import (
	"context"
	"errors"
	"fmt"
	"time"

	"foldbook/questdb"
)

// Scan is the rows of a range. Their first column is the time.
type Scan struct {
	*questdb.Rows
	More bool     // there are rows behind the last one
	Last Position // behind the last row, when there are more

	table string
	left  int64 // rows still to give, below 0: all there are
	ended bool
}

// Scan begins to read a range of rows. It has to be closed.
func (s *Series) Scan(ctx context.Context, columns []Column, r Range) (*Scan, error) {
	scan := s.scanOf(columns, r)
	limit := r.Limit
	if r.Numbered {
		first, end := r.First, r.End
		if r.Desc { // the rows are read from the end
			total, err := s.Client.Count(ctx, scan.Selection)
			if err != nil {
				return nil, fmt.Errorf("count the rows of %s: %w", s.Table.Name, err)
			}
			end = min(end, total)
			first, end = total-end, total-first
		}
		scan.Offset += first
		if rest := max(0, end-first-r.Offset); limit < 0 || rest < limit {
			limit = rest
		}
	}
	if limit >= 0 {
		scan.Limit = limit + 1 // one more tells whether there is one more
	}
	rows, err := s.Client.Scan(ctx, scan)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.Table.Name, err)
	}
	return s.scanned(rows, limit, r.After), nil
}

// Candles begins to read candles; limit is below 0 for all.
func (s *Series) Candles(ctx context.Context, k questdb.Candles, limit int64) (*Scan, error) {
	if k.Limit = -1; limit >= 0 {
		k.Limit = limit + 1
	}
	rows, err := s.Client.Candles(ctx, k)
	if err != nil {
		return nil, fmt.Errorf("put candles of %s together: %w", s.Table.Name, err)
	}
	return s.scanned(rows, limit, nil), nil
}

func (s *Series) scanned(rows *questdb.Rows, limit int64, after *Position) *Scan {
	found := &Scan{Rows: rows, table: s.Table.Name, left: limit}
	if after != nil {
		found.Last = *after
	}
	return found
}

// scanOf is the scan of a range of time without its limit.
func (s *Series) scanOf(columns []Column, r Range) questdb.Scan {
	scan := questdb.Scan{Selection: s.Selection(r), Desc: r.Desc, Offset: r.Offset, Limit: -1}
	for _, c := range columns {
		scan.Columns = append(scan.Columns, c.Source)
	}
	if r.After == nil {
		return scan
	}
	t := time.UnixMicro(r.After.At)
	if scan.Desc {
		if scan.To.IsZero() || t.Before(scan.To) {
			scan.To = t
		}
	} else if t.After(scan.From) {
		scan.From = t
	}
	scan.Offset += r.After.Sent
	return scan
}

// Next moves to the next row.
func (s *Scan) Next() bool {
	if s.left == 0 {
		if !s.ended {
			s.ended = true
			if s.More = s.Rows.Next(); s.More {
				s.Rows.Next() // the scan asked for one row more, and its end keeps the connection
			}
		}
		return false
	}
	if !s.Rows.Next() {
		return false
	}
	if s.left < 0 { // there will be no next page
		return true
	}
	s.left--
	t, _ := s.Int(0)
	s.Last = s.Last.behind(t)
	return true
}

// Err is the error that ended the rows early.
func (s *Scan) Err() error { return readError(s.table, s.Rows.Err()) }

func readError(table string, err error) error {
	if err != nil {
		return fmt.Errorf("read %s: %w", table, err)
	}
	return nil
}

// Index is rows of a number and a time.
type Index struct {
	*questdb.Rows
	table string
	next  int64
}

// Index begins to read the times of the rows from number first to before number end.
func (s *Series) Index(ctx context.Context, first, end int64) (*Index, error) {
	scan := questdb.Scan{Selection: s.Selection(Range{}), Columns: []string{s.Table.Designated}, Offset: first, Limit: end - first}
	rows, err := s.Client.Scan(ctx, scan)
	if err != nil {
		return nil, fmt.Errorf("read the times of %s: %w", s.Table.Name, err)
	}
	return &Index{rows, s.Table.Name, first}, nil
}

// Next moves to the next row.
func (x *Index) Next() bool {
	x.next++
	return x.Rows.Next()
}

// Int is the number of the row, or its time.
func (x *Index) Int(i int) (int64, bool) {
	if i == 0 {
		return x.next - 1, true
	}
	return x.Rows.Int(0)
}

// Err is the error that ended the rows early.
func (x *Index) Err() error { return readError(x.table, x.Rows.Err()) }

// Aligned is the rows of a series at times where another series has a row too. Both are read by time.
type Aligned struct {
	*questdb.Rows
	More bool     // there are rows behind the last one
	Last Position // behind the last row

	table string
	other *questdb.Rows
	desc  bool
	at    int64 // time of the other's row
	ended bool  // the other has no more
	skip  int64
	left  int64 // rows still to give, below 0: all there are
}

// Aligned begins to read the rows of a range, and the times of the other series that may belong to them.
func (s *Series) Aligned(ctx context.Context, other *Series, columns []Column, r Range) (*Aligned, error) {
	scan := s.scanOf(columns, r)
	skip := scan.Offset
	scan.Offset = 0
	rows, err := s.Client.Scan(ctx, scan)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.Table.Name, err)
	}
	others, err := s.Client.Scan(ctx, questdb.Scan{
		Selection: questdb.Selection{Table: other.Table, Where: other.Where, From: scan.From, To: scan.To},
		Columns:   []string{other.Table.Designated}, Desc: scan.Desc, Limit: -1,
	})
	if err != nil {
		rows.Close()
		return nil, fmt.Errorf("read %s: %w", other.Table.Name, err)
	}
	a := &Aligned{Rows: rows, table: s.Table.Name, other: others, desc: scan.Desc, skip: skip, left: r.Limit}
	if r.After != nil {
		a.Last = *r.After
	}
	a.ended = !a.advance()
	return a, nil
}

// CountAligned counts all rows in a range that have a partner.
func (s *Series) CountAligned(ctx context.Context, other *Series, r Range) (total int64, err error) {
	r.After, r.Limit, r.Offset = nil, -1, 0
	a, err := s.Aligned(ctx, other, []Column{s.TimeColumn()}, r)
	if err != nil {
		return 0, err
	}
	defer a.Close()
	for a.match() {
		total++
	}
	return total, a.Err()
}

// Next moves to the next row.
func (a *Aligned) Next() bool {
	for ; a.skip > 0 && a.match(); a.skip-- {
	}
	if a.left == 0 {
		a.More = a.More || a.match()
		return false
	}
	if !a.match() {
		return false
	}
	if a.left > 0 {
		a.left--
	}
	t, _ := a.Int(0)
	a.Last = a.Last.behind(t)
	return true
}

// match moves to the next row that has a partner.
func (a *Aligned) match() bool {
	for !a.ended && a.Rows.Next() {
		t, _ := a.Int(0)
		for !a.ended && a.isBefore(a.at, t) {
			a.ended = !a.advance()
		}
		if !a.ended && a.at == t {
			return true
		}
	}
	return false
}

func (a *Aligned) isBefore(x, y int64) bool {
	if a.desc {
		return x > y
	}
	return x < y
}

func (a *Aligned) advance() bool {
	if !a.other.Next() {
		return false
	}
	a.at, _ = a.other.Int(0)
	return true
}

// Err is the error that ended the rows early.
func (a *Aligned) Err() error { return readError(a.table, errors.Join(a.Rows.Err(), a.other.Err())) }

// Close ends both reads.
func (a *Aligned) Close() {
	a.Rows.Close()
	a.other.Close()
}

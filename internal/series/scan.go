package series

import (
	"context"
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
	if scan.With != nil {
		scan.With.From, scan.With.To = scan.From, scan.To
	}
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

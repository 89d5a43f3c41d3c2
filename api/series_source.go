package api

import (
	"context"
	"fmt"
	"time"

	"foldbook/questdb"
)

// continueAt narrows a scan to what comes behind a place.
func continueAt(scan *questdb.Scan, at place) {
	t := time.UnixMicro(at.At)
	if scan.Desc {
		if scan.To.IsZero() || t.Before(scan.To) {
			scan.To = t
		}
	} else if t.After(scan.From) {
		scan.From = t
	}
	scan.Offset += at.Sent
}

// scanSource is the rows of a scan, whose first column is the time.
type scanSource struct {
	name  string // of the table
	rows  *questdb.Rows
	left  int64                // rows still to give, below 0: all there are
	more  bool                 // there are rows behind the last one
	place place                // behind the last row
	adapt func(*questdb.Batch) // changes a batch before it is sent; nil for none
}

func (s *scanSource) fill(b *questdb.Batch, n int) (bool, error) {
	if s.left >= 0 {
		n = int(min(int64(n), s.left))
	}
	if s.adapt != nil {
		b.Reset(s.rows.Kinds())
	}
	more := s.rows.Read(b, n)
	if more && s.left >= 0 {
		if s.left -= int64(b.N); s.left == 0 {
			if s.more = s.rows.Next(); s.more {
				s.rows.Next() // the scan asked for one row more, and its end keeps the connection
			}
			more = false
		}
	}
	if err := s.rows.Err(); err != nil {
		return false, fmt.Errorf("read %s: %w", s.name, err)
	}
	if b.N > 0 {
		s.place = s.place.behind(b.Columns[0].Ints)
	}
	if s.adapt != nil {
		s.adapt(b)
	}
	return more, nil
}

func (s *scanSource) close() { s.rows.Close() }

// behind is the place behind rows of these times.
func (p place) behind(times []int64) place {
	last := times[len(times)-1]
	same := 0
	for i := len(times) - 1; i >= 0 && times[i] == last; i-- {
		same++
	}
	if same == len(times) && p.At == last {
		return place{last, p.Sent + int64(same)}
	}
	return place{last, int64(same)}
}

// indexSource is the times of rows behind their numbers.
type indexSource struct {
	name string
	rows *questdb.Rows
	next int64
}

func (s *indexSource) fill(b *questdb.Batch, n int) (bool, error) {
	for ; b.N < n; b.N++ {
		if !s.rows.Next() {
			if err := s.rows.Err(); err != nil {
				return false, fmt.Errorf("read %s: %w", s.name, err)
			}
			return false, nil
		}
		b.Columns[0].PutInt(s.next, true)
		b.Columns[1].PutInt(s.rows.Int(0))
		s.next++
	}
	return true, nil
}

func (s *indexSource) close() { s.rows.Close() }

// alignedSource is the rows of a series at whose time another one has a row as well. Both are read by time.
type alignedSource struct {
	name  string
	rows  *questdb.Rows
	other *questdb.Rows
	desc  bool
	at    int64 // time of the other's row
	ended bool  // the other has no more
	skip  int64
	left  int64 // rows still to give, below 0: all there are
	more  bool
	place place
}

// alignedScan reads a scan and the times of the other series that may belong to it.
func alignedScan(ctx context.Context, r, other *seriesRows, scan questdb.Scan, at rowRange) (*alignedSource, error) {
	if at.at != nil {
		continueAt(&scan, *at.at)
	}
	skip := scan.Offset
	scan.Offset, scan.Limit = 0, -1
	rows, err := r.db.Scan(ctx, scan)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.table.Name, err)
	}
	times := questdb.Scan{
		Selection: questdb.Selection{Table: other.table, Where: other.where, From: scan.From, To: scan.To},
		Columns:   []string{other.table.Designated}, Desc: scan.Desc, Limit: -1,
	}
	others, err := r.db.Scan(ctx, times)
	if err != nil {
		rows.Close()
		return nil, fmt.Errorf("read %s: %w", other.table.Name, err)
	}
	source := &alignedSource{name: r.table.Name, rows: rows, other: others, desc: scan.Desc, skip: skip, left: at.limit}
	if at.at != nil {
		source.place = *at.at
	}
	source.ended = !source.advance()
	return source, nil
}

// next moves to the next row that has a partner.
func (s *alignedSource) next() bool {
	for !s.ended && s.rows.Next() {
		t, _ := s.rows.Int(0)
		for !s.ended && s.before(s.at, t) {
			s.ended = !s.advance()
		}
		if !s.ended && s.at == t {
			return true
		}
	}
	return false
}

func (s *alignedSource) before(a, b int64) bool {
	if s.desc {
		return a > b
	}
	return a < b
}

func (s *alignedSource) advance() bool {
	if !s.other.Next() {
		return false
	}
	s.at, _ = s.other.Int(0)
	return true
}

func (s *alignedSource) fill(b *questdb.Batch, n int) (bool, error) {
	for ; s.skip > 0 && s.next(); s.skip-- {
	}
	more := true
	for b.N < n && s.left != 0 {
		if more = s.next(); !more {
			break
		}
		s.rows.Append(b)
		s.left--
	}
	if s.left == 0 && more {
		s.more, more = s.next(), false
	}
	if err := firstError(s.rows.Err(), s.other.Err()); err != nil {
		return false, fmt.Errorf("read %s: %w", s.name, err)
	}
	if b.N > 0 {
		s.place = s.place.behind(b.Columns[0].Ints)
	}
	return more, nil
}

func (s *alignedSource) close() {
	s.rows.Close()
	s.other.Close()
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

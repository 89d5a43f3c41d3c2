package api

import (
	"context"
	"errors"
	"fmt"

	"foldbook/questdb"
)

// Where QuestDB finds the points of a chart rather than sending all rows. A row costs it less to look at than to send, a
// point some 5 µs to look up, and nothing is sent before all rows were looked at: the last limit keeps that within a second or two.
const (
	rowsPerPoint  = 100
	fewestRows    = 100_000
	mostLookedAt  = 20_000_000 // rows times series
	pointsPerSpan = 2          // first and last of a pixel column, which the series have in common
)

// extremes are the rows of a range that may be kept when it is thinned out; not found where all rows have to be read for that,
// or had better be.
func (r *series) extremes(ctx context.Context, columns []seriesColumn, at rowRange, g grid, pixels, total int64) (rows batches, found bool, err error) {
	search := questdb.Extremes{Selection: r.selection(at), Start: g.start, Step: g.step}
	scan := questdb.Scan{Selection: search.Selection, Limit: -1}
	for i, c := range columns {
		scan.Columns = append(scan.Columns, c.source)
		if i > 0 && (c.kind == questdb.Float || c.kind == questdb.Int) {
			search.Series = append(search.Series, c.source)
		}
	}
	count := int64(len(search.Series))
	if points := pixels * (pointsPerSpan + 2*count); total < fewestRows+rowsPerPoint*points || total*(count+1) > mostLookedAt {
		return nil, false, nil
	}
	times, found, err := r.db.Extremes(ctx, search)
	if errors.As(err, new(*questdb.Refused)) { // too many series for one query
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("find the extremes of %s: %w", r.table.Name, err)
	}
	if !found || len(times) == 0 {
		return nil, false, nil
	}
	p := &picked{ctx: ctx, db: r.db, scan: scan, times: times}
	if !p.more() {
		return nil, false, fmt.Errorf("read %s: %w", r.table.Name, p.err)
	}
	return p, true, nil
}

// everything is all rows of a range.
func (r *series) everything(ctx context.Context, columns []seriesColumn, at rowRange) (batches, error) {
	source, err := r.scan(ctx, columns, at)
	if err != nil {
		return nil, err
	}
	return source.rows, nil
}

// picked are the rows of some times, which are asked for a part at a time.
type picked struct {
	ctx   context.Context //nolint:containedctx // of the one request that reads them
	db    *questdb.Client
	scan  questdb.Scan
	times []int64 // that were not asked for yet
	rows  *questdb.Rows
	err   error
}

// more asks for the next part.
func (p *picked) more() bool {
	n := min(len(p.times), questdb.MostTimes)
	if n == 0 {
		return false
	}
	p.scan.At, p.times = p.times[:n], p.times[n:]
	rows, err := p.db.Scan(p.ctx, p.scan)
	for p.rows != nil && errors.Is(err, questdb.ErrBusy) && p.ctx.Err() == nil { // an answer that has begun waits for its turn
		rows, err = p.db.Scan(p.ctx, p.scan)
	}
	if err != nil {
		p.err = err
		return false
	}
	p.rows = rows
	return true
}

// Read adds rows to a batch until it has n, and says whether there may be more.
func (p *picked) Read(b *questdb.Batch, n int) bool {
	for !p.rows.Read(b, n) {
		if p.rows.Err() != nil || !p.more() {
			return false
		}
	}
	return true
}

// Err is what ended the rows early.
func (p *picked) Err() error {
	if p.err != nil {
		return p.err
	}
	return p.rows.Err()
}

// Kinds are the kinds of the columns.
func (p *picked) Kinds() []questdb.Kind { return p.rows.Kinds() }

// Close ends the part that is being read.
func (p *picked) Close() { p.rows.Close() }

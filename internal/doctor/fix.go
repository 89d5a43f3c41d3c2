package doctor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"foldbook/db"
	"foldbook/internal/ingest"
	"foldbook/internal/series"
)

// Fix repairs what a finding tells of and that can be repaired without a loss: what a record says of its rows is counted
// anew, and deduplication is switched on. With drop, a table without a record is dropped, rows and all, and rows without a record are taken
// out of their shared table.
func (d *Doctor) Fix(ctx context.Context, f *Finding, drop bool) (err error) {
	switch {
	case !f.Fixable || (f.Problem == NoRecord && !drop):
		return nil
	case f.Problem == Pending:
		err = d.remove(ctx)
	case f.rows != nil:
		err = d.disown(ctx, f)
	case f.Problem == NoRecord:
		err = d.QuestDB.Drop(ctx, f.Table)
	case f.Problem == NoDedup:
		_, err = d.QuestDB.Ensure(ctx, f.keys)
	case f.Problem == NoFoldTimes:
		_, err = d.note(nil).FillFolds(ctx, f.ID)
	default:
		err = d.count(ctx, f)
	}
	if err != nil {
		return fmt.Errorf("fix %s of %s: %w", f.Problem, f.Table, err)
	}
	f.Fixed = true
	return nil
}

// removalPatience is how long Fix works at removals.
const removalPatience = 30 * time.Second

// remove works at the removals that are pending, and at other jobs meanwhile, as the service does.
func (d *Doctor) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, removalPatience)
	defer cancel()
	ended := make(chan error, 1)
	workers := ingest.Workers{Store: d.DB, Series: d.QuestDB, Log: slog.New(slog.DiscardHandler), Count: 1,
		Ready: func(context.Context) bool { return true }}
	go func() { ended <- workers.Run(ctx) }()
	for {
		left, err := d.DB.CountRemovals(ctx)
		if err == nil && left.Jobs > 0 {
			select {
			case <-ctx.Done():
				err = ctx.Err()
			case <-time.After(100 * time.Millisecond):
				continue
			}
		}
		cancel()
		return errors.Join(err, <-ended)
	}
}

// note stores what was counted.
func (d *Doctor) note(lease *series.Lease) series.Note {
	transact := func(ctx context.Context, run func(context.Context, *db.Queries) error) error {
		return d.DB.InTx(ctx, false, func(q *db.Queries) error { return run(ctx, q) })
	}
	return series.Note{Store: d.DB, Client: d.QuestDB, Lease: lease, Transact: transact}
}

// count counts the rows of a dataset anew, while nobody writes them.
func (d *Doctor) count(ctx context.Context, f *Finding) error {
	row, err := d.DB.GetDatasetSeries(ctx, f.ID)
	if err != nil {
		return fmt.Errorf("read dataset %s: %w", f.ID, err)
	}
	place, err := series.Find(ctx, d.QuestDB, f.kind, f.Table, row.QuestDBTag)
	if err != nil {
		return err
	}
	lease := place.Lease(d.DB.Queries)
	if err := lease.Take(ctx); err != nil {
		return err
	}
	defer lease.Release(ctx)
	if f.kind == series.Bars {
		_, err := d.note(lease).Bars(ctx, f.ID)
		return err
	}
	if _, err = d.note(lease).Indicators(ctx, f.ID); err == nil {
		_, err = d.note(lease).FillFolds(ctx, f.ID)
	}
	return err
}

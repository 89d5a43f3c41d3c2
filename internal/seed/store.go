package seed

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"foldbook/db"
)

// book is a dataset with all that belongs to it, as it is written.
type book struct {
	dataset     db.UpsertDatasetParams
	runs        []db.UpsertRunParams
	folds       []db.CopyFoldsParams
	simulations []db.UpsertSimulationParams
	buckets     []db.CopyBucketsParams
	trades      []db.CopyTradesParams
}

// storedBook is what the database holds of a book.
type storedBook struct {
	datasets    []db.IndicatorDataset
	runs        []db.GetRunRow
	folds       []db.WalkforwardFold
	simulations []db.SimulationRun
	buckets     []db.SimulationTradeBucket
	trades      []db.SimulationTrade
}

// sort brings the children into the order in which load reads them: by parent, then as their lists are.
func (b *book) sort() {
	place := map[uuid.UUID]int{}
	for i, s := range b.simulations {
		place[s.SimulationID] = i
	}
	slices.SortFunc(b.trades, func(x, y db.CopyTradesParams) int {
		return cmp.Or(cmp.Compare(place[x.SimulationID], place[y.SimulationID]),
			x.BarTimestamp.Compare(y.BarTimestamp), cmp.Compare(x.TradeIndex, y.TradeIndex))
	})
	slices.SortFunc(b.buckets, func(x, y db.CopyBucketsParams) int {
		return cmp.Or(cmp.Compare(place[x.SimulationID], place[y.SimulationID]), strings.Compare(x.Side, y.Side))
	})
}

// put makes the database hold the book and returns what it then reads back. A book that is there already is
// left alone, so that seeding again moves no updated_at. It fails when what was read is not what was written.
func (b book) put(ctx context.Context, q *db.Queries) (storedBook, error) {
	stored, err := b.load(ctx, q)
	if err != nil || b.equal(stored) {
		return stored, err
	}
	if err := b.write(ctx, q); err != nil {
		return storedBook{}, fmt.Errorf("store dataset %s: %w", b.dataset.QuestDBTag, err)
	}
	if stored, err = b.load(ctx, q); err == nil && !b.equal(stored) {
		err = fmt.Errorf("dataset %s reads back other than it was written", b.dataset.QuestDBTag)
	}
	return stored, err
}

// write upserts the parents and replaces their children.
func (b book) write(ctx context.Context, q *db.Queries) error {
	if _, err := q.UpsertDataset(ctx, b.dataset); err != nil {
		return err
	}
	for _, run := range b.runs {
		if _, err := q.UpsertRun(ctx, run); err != nil {
			return err
		}
		if _, err := q.DeleteFolds(ctx, db.DeleteFoldsParams{RunID: run.RunID}); err != nil {
			return err
		}
		if _, err := q.FinishRun(ctx, db.FinishRunParams{RunID: run.RunID}); err != nil {
			return err
		}
	}
	for _, simulation := range b.simulations {
		if _, err := q.UpsertSimulation(ctx, simulation); err != nil {
			return err
		}
		if _, err := q.DeleteBuckets(ctx, simulation.SimulationID); err != nil {
			return err
		}
		if _, err := q.DeleteTrades(ctx, simulation.SimulationID); err != nil {
			return err
		}
		if err := q.FinishSimulation(ctx, db.FinishSimulationParams{SimulationID: simulation.SimulationID}); err != nil {
			return err
		}
	}
	if _, err := q.CopyFolds(ctx, b.folds); err != nil {
		return err
	}
	if _, err := q.CopyBuckets(ctx, b.buckets); err != nil {
		return err
	}
	_, err := q.CopyTrades(ctx, b.trades)
	return err
}

// load reads what the database holds under the ids of the book.
func (b book) load(ctx context.Context, q *db.Queries) (storedBook, error) {
	var s storedBook
	var errs []error
	keep := func(err error) bool {
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			errs = append(errs, err)
		}
		return err == nil
	}
	if dataset, err := q.GetDataset(ctx, b.dataset.DatasetID); keep(err) {
		s.datasets = append(s.datasets, dataset)
	}
	var runs, simulations []uuid.UUID
	for _, run := range b.runs {
		runs = append(runs, run.RunID)
	}
	for _, simulation := range b.simulations {
		simulations = append(simulations, simulation.SimulationID)
	}
	q.GetRun(ctx, runs).QueryRow(func(_ int, row db.GetRunRow, err error) {
		if keep(err) {
			s.runs = append(s.runs, row)
		}
	})
	q.ListFolds(ctx, runs).Query(func(_ int, rows []db.WalkforwardFold, err error) {
		keep(err)
		s.folds = append(s.folds, rows...)
	})
	q.GetSimulation(ctx, simulations).QueryRow(func(_ int, row db.SimulationRun, err error) {
		if keep(err) {
			s.simulations = append(s.simulations, row)
		}
	})
	q.ListBuckets(ctx, simulations).Query(func(_ int, rows []db.SimulationTradeBucket, err error) {
		keep(err)
		s.buckets = append(s.buckets, rows...)
	})
	for _, id := range simulations {
		rows, err := q.ListTrades(ctx, db.ListTradesParams{SimulationID: id, PageSize: math.MaxInt32})
		keep(err)
		s.trades = append(s.trades, rows...)
	}
	if err := errors.Join(errs...); err != nil {
		return storedBook{}, fmt.Errorf("read dataset %s: %w", b.dataset.QuestDBTag, err)
	}
	return s, nil
}

// equal reports whether the database holds exactly the book.
func (b book) equal(s storedBook) bool {
	return sameRows([]db.UpsertDatasetParams{b.dataset}, s.datasets) &&
		sameRows(b.runs, s.runs) && sameRows(b.folds, s.folds) &&
		sameRows(b.simulations, s.simulations) && sameRows(b.buckets, s.buckets) && sameRows(b.trades, s.trades)
}

// sameRows compares rows by the columns that are written. Row and parameter types name their columns alike in
// JSON; decoded JSON is compared because Postgres spells JSONB its own way.
func sameRows[P, R any](wanted []P, stored []R) bool {
	if len(wanted) != len(stored) {
		return false
	}
	if len(wanted) == 0 {
		return true
	}
	reread := make([]P, len(stored))
	for i := range stored {
		if json.Unmarshal(encode(stored[i]), &reread[i]) != nil {
			return false
		}
	}
	return reflect.DeepEqual(decoded(wanted), decoded(reread))
}

func decoded(v any) any {
	var out any
	if json.Unmarshal(encode(v), &out) != nil {
		return nil
	}
	return out
}

package series

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"foldbook/db"
	"foldbook/questdb"
)

// Clock tells the times of the indicator rows of a dataset by their numbers.
type Clock struct {
	times    []int64 // milliseconds, from the first row on
	all      bool    // there are no more
	interval int64   // milliseconds from the last row to the end of its bar
}

// NewClock reads the times of the rows before number end.
func NewClock(ctx context.Context, client *questdb.Client, dataset *db.IndicatorDataset, end int64) (*Clock, error) {
	place, err := Find(ctx, client, Indicators, dataset.QuestDBMeasurement, dataset.QuestDBTag)
	if err != nil || place.Table == nil || place.Table.Designated == "" {
		return &Clock{}, err
	}
	rows, err := client.Scan(ctx, questdb.Scan{Selection: place.Selection(), Columns: []string{place.Table.Designated},
		Limit: max(end, 0) + 1})
	if err != nil {
		return nil, fmt.Errorf("read the times of %s: %w", place.Name, err)
	}
	defer rows.Close()
	c := &Clock{interval: BarLength(dataset.BarIntervalMS, dataset.Granularity).Milliseconds()}
	for rows.Next() {
		micros, _ := rows.Int(0)
		c.times = append(c.times, micros/1000)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the times of %s: %w", place.Name, err)
	}
	if n := len(c.times); c.interval == 0 && n > 1 {
		c.interval = c.times[n-1] - c.times[n-2]
	}
	c.all = int64(len(c.times)) <= end
	return c, nil
}

// At is the time of row number n; after the last row it is the end of the last bar.
func (c *Clock) At(n int64) (ms int64, ok bool) {
	last := int64(len(c.times)) - 1
	switch {
	case n < 0 || n > last+1 || last < 0:
		return 0, false
	case n <= last:
		return c.times[n], true
	case !c.all || c.interval == 0:
		return 0, false
	}
	return c.times[last] + c.interval, true
}

// pageOfRuns and pageOfFolds bound the work of one statement.
const (
	pageOfRuns  = 100
	pageOfFolds = 10_000
)

// FillFolds sets the missing times of the folds of a dataset's runs, where QuestDB has the rows. It needs no lease.
func (n Note) FillFolds(ctx context.Context, id uuid.UUID) (folds int64, err error) {
	dataset, err := n.Store.GetDataset(ctx, id)
	if err != nil {
		return 0, fmt.Errorf("read dataset %s: %w", id, err)
	}
	var clock *Clock
	for {
		runs, err := n.Store.ListRunsWithFoldGaps(ctx, db.ListRunsWithFoldGapsParams{
			DatasetID: id, RowCount: dataset.RowCount, PageSize: pageOfRuns,
		})
		if err != nil {
			return folds, fmt.Errorf("list the runs without times: %w", err)
		}
		if len(runs) == 0 {
			return folds, nil
		}
		if clock == nil {
			if clock, err = NewClock(ctx, n.Client, &dataset, dataset.RowCount); err != nil {
				return folds, err
			}
		}
		filled := int64(0)
		for _, run := range runs {
			var set int64
			err := n.Transact(ctx, func(ctx context.Context, q *db.Queries) (err error) {
				set, err = fillRun(ctx, q, clock, run, dataset.RowCount)
				return err
			})
			if err != nil {
				return folds, fmt.Errorf("fill the times of run %s: %w", run, err)
			}
			filled += set
		}
		folds += filled
		if filled == 0 { // the rows have other times than the record says
			return folds, nil
		}
	}
}

func fillRun(ctx context.Context, q *db.Queries, clock *Clock, run uuid.UUID, rows int64) (int64, error) {
	stored, err := q.LockRun(ctx, run)
	if err != nil {
		return 0, err
	}
	gaps, err := q.ListFoldGaps(ctx, db.ListFoldGapsParams{RunID: run, RowCount: rows, PageSize: pageOfFolds})
	if err != nil {
		return 0, err
	}
	p := db.SetFoldTimesParams{RunID: run}
	for _, g := range gaps {
		times, ok := clock.Fold(g.TrainStartIdx, g.TrainEndIdx, g.TestStartIdx, g.TestEndIdx)
		if !ok {
			continue
		}
		p.FoldNumbers = append(p.FoldNumbers, g.FoldNumber)
		p.TrainStarts, p.TrainEnds = append(p.TrainStarts, times[0]), append(p.TrainEnds, times[1])
		p.TestStarts, p.TestEnds = append(p.TestStarts, times[2]), append(p.TestEnds, times[3])
	}
	if len(p.FoldNumbers) == 0 {
		return 0, nil
	}
	n, err := q.SetFoldTimes(ctx, p)
	if err != nil {
		return 0, err
	}
	if _, err := q.PatchRun(ctx, db.PatchRunParams{RunID: run}); err != nil { // raises its version
		return 0, err
	}
	_, err = q.TouchDatasets(ctx, []uuid.UUID{stored.DatasetID})
	return n, err
}

// Fold returns the four times of a fold.
func (c *Clock) Fold(numbers ...int64) (times [4]int64, ok bool) {
	for i, n := range numbers {
		if times[i], ok = c.At(n); !ok {
			return times, false
		}
	}
	return times, true
}

// lookUpTime bounds how long a write of a run waits for times, which can also be set later.
const lookUpTime = time.Second

// TimeFolds sets the missing times of folds before they are stored, where QuestDB has the dataset's rows. It leaves the folds
// unchanged when QuestDB does not answer soon.
func TimeFolds(ctx context.Context, d *db.DB, client *questdb.Client, dataset uuid.UUID, folds []db.CopyFoldsParams) error {
	end, lack := int64(0), false
	for _, f := range folds {
		if f.TrainStartTSMS == nil || f.TrainEndTSMS == nil || f.TestStartTSMS == nil || f.TestEndTSMS == nil {
			lack = true
			end = max(end, f.TrainEndIdx, f.TestEndIdx)
		}
	}
	if !lack || client == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	row, err := d.GetDataset(ctx, dataset)
	if err != nil || row.RowCount == 0 {
		return err
	}
	clock, err := NewClock(ctx, client, &row, min(end, row.RowCount))
	if err != nil {
		return err
	}
	for i := range folds {
		f := &folds[i]
		times, ok := clock.Fold(f.TrainStartIdx, f.TrainEndIdx, f.TestStartIdx, f.TestEndIdx)
		if !ok {
			continue
		}
		for j, into := range []**int64{&f.TrainStartTSMS, &f.TrainEndTSMS, &f.TestStartTSMS, &f.TestEndTSMS} {
			if *into == nil {
				*into = &times[j]
			}
		}
	}
	return nil
}

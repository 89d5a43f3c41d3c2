package returns

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"foldbook/db"
	"foldbook/internal/stats"
)

const (
	followEvery = time.Second      // while nothing has changed
	awayEvery   = 10 * time.Second // while QuestDB or PostgreSQL does not answer
	stepTime    = time.Minute      // for the simulations of a step
	stepSize    = 50               // simulations
	eventsAhead = 1000
	leasePlace  = "daily returns" // is no table's
)

// Follower computes the returns of simulations after each write of their trades, folds or bars, before somebody asks for them. It goes
// by the events, which are written in the transactions of the writers and cost these nothing more. One process at a time follows; if
// two did, they would store the same.
type Follower struct {
	Store  *db.DB
	Loader Loader
	Log    *slog.Logger
	Ready  func(ctx context.Context) bool // whether the schema has the tables

	holder uuid.UUID
}

// Run follows until ctx ends. It rests at least as long as it has worked, because nobody waits for it.
func (f *Follower) Run(ctx context.Context) {
	ready, failing := false, false
	for rest := followEvery; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(rest):
		}
		if ready = ready || f.Ready(ctx); !ready {
			continue
		}
		began := time.Now()
		done, err := f.Step(ctx)
		switch {
		case err != nil:
			if !failing && ctx.Err() == nil {
				f.Log.Warn("daily returns are computed when they are asked for", "cause", err.Error())
			}
			rest = awayEvery
		case done:
			rest = followEvery
		default:
			rest = time.Since(began)
		}
		failing = err != nil
	}
}

// Step computes the returns of some of the simulations that have changed. done tells that there were none, or that another process
// follows.
func (f *Follower) Step(ctx context.Context) (done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	at, err := f.Store.GetReturnsPosition(ctx)
	if err != nil || at.Last <= at.Seq {
		return true, err
	}
	if f.holder == uuid.Nil {
		f.holder = uuid.New()
	}
	n, err := f.Store.TakeRowLease(ctx, db.TakeRowLeaseParams{Place: leasePlace, Holder: f.holder, Seconds: stepTime.Seconds()})
	if err != nil || n == 0 {
		return true, err
	}
	next := db.SetReturnsPositionParams{FormerSeq: at.Seq, FormerAfterID: at.AfterID, Seq: at.Seq, Upto: at.Upto}
	if at.Upto <= at.Seq {
		next.Upto = min(at.Last, at.Seq+eventsAhead)
	}
	ids, err := f.Store.ListSimulationsToFollow(ctx, db.ListSimulationsToFollowParams{
		Seq: at.Seq, Upto: next.Upto, AfterID: at.AfterID, PageSize: stepSize,
	})
	if err != nil {
		return true, fmt.Errorf("list what has changed: %w", err)
	}
	if err := f.compute(ctx, ids); err != nil {
		return true, err
	}
	if len(ids) == stepSize {
		next.AfterID = ids[stepSize-1]
	} else {
		next.Seq = next.Upto
	}
	if _, err := f.Store.SetReturnsPosition(ctx, next); err != nil {
		return true, fmt.Errorf("note what is computed: %w", err)
	}
	if next.Seq >= at.Last {
		_, err = f.Store.ReleaseRowLease(ctx, db.ReleaseRowLeaseParams{Places: []string{leasePlace}, Holder: f.holder})
	}
	return false, err
}

// compute stores the returns of simulations. It fails while QuestDB is away; what else fails is left to those who ask, and are told why.
func (f *Follower) compute(ctx context.Context, ids []uuid.UUID) error {
	all, err := f.Loader.Load(ctx, ids)
	if away(err) {
		return err
	}
	if err != nil {
		f.Log.Warn("the returns of some simulations cannot be computed", "cause", err.Error())
	}
	for i := range all {
		if all[i].Why == string(stats.QuestDBAway) {
			return fmt.Errorf("the bars of dataset %s cannot be read now", all[i].DatasetID)
		}
	}
	return nil
}

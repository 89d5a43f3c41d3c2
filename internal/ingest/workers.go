package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"foldbook/db"
	"foldbook/questdb"
)

const (
	pollEvery  = 500 * time.Millisecond // a new job waits for at most so long
	startEvery = time.Second            // between attempts to start while PostgreSQL is away
	sweepEvery = time.Minute
	softStop   = 3 * time.Second // for the part that is being written when the process stops
)

// Workers work jobs in this process.
type Workers struct {
	Store  *db.DB
	Series *questdb.Client
	Log    *slog.Logger
	Count  int                            // of jobs at a time
	Ready  func(ctx context.Context) bool // whether the schema has the tables
}

// Run works on jobs until ctx ends, and then hands back the open ones. It waits while PostgreSQL is down.
func (w Workers) Run(ctx context.Context) error {
	client, err := newClient(ctx, w)
	if err != nil {
		return fmt.Errorf("make the workers: %w", err)
	}
	for !w.Ready(ctx) || start(ctx, w, client) != nil {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(startEvery):
		}
	}
	w.Log.Info("jobs are worked", "workers", w.Count)
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		select {
		case <-client.Stopped():
			return nil
		case <-sweep.C:
			if n, err := w.Store.FailLostJobs(ctx); err != nil && ctx.Err() == nil {
				w.Log.Warn("lost jobs cannot be looked for", "cause", err.Error())
			} else if n > 0 {
				w.Log.Warn("jobs whose workers died again and again have failed", "parts", n)
			}
		}
	}
}

// newClient polls, because listening would occupy a connection of the pool and does not work through PgBouncer. It is no method, and
// start is none: the packages that use Workers would compile River's generic client once more.
func newClient(ctx context.Context, w Workers) (*river.Client[pgx.Tx], error) {
	workers := river.NewWorkers()
	if err := river.AddWorkerSafely(workers, &importer{store: w.Store, series: w.Series, log: w.Log, stopping: ctx}); err != nil {
		return nil, err
	}
	if err := river.AddWorkerSafely(workers, &remover{store: w.Store, series: w.Series, log: w.Log}); err != nil {
		return nil, err
	}
	return river.NewClient(riverpgxv5.New(w.Store.Pool), &river.Config{
		Schema:               schema,
		Logger:               slog.New(&sparse{Handler: w.Log.Handler(), last: &lastSaid{}}),
		Queues:               map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: w.Count}},
		Workers:              workers,
		PollOnly:             true,
		FetchPollInterval:    pollEvery,
		JobTimeout:           taskTimeout,
		RescueStuckJobsAfter: rescueAfter,
		SoftStopTimeout:      softStop,
		ReindexerIndexNames:  []string{}, // a table of a few jobs
		// The list of jobs has them until somebody deletes them.
		CancelledJobRetentionPeriod: -1,
		CompletedJobRetentionPeriod: -1,
		DiscardedJobRetentionPeriod: -1,
	})
}

func start(ctx context.Context, w Workers, client *river.Client[pgx.Tx]) error {
	err := client.Start(ctx)
	if err != nil && !errors.Is(err, context.Canceled) {
		w.Log.Debug("the workers do not start yet", "cause", err.Error())
	}
	return err
}

// sparse is the log of River: warnings and errors, each at most once a minute, because River logs one for every poll of a
// database that is down.
type sparse struct {
	slog.Handler
	last *lastSaid
}

type lastSaid struct {
	mu sync.Mutex
	at map[string]time.Time
}

// Enabled leaves out what is not a warning.
func (s *sparse) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && s.Handler.Enabled(ctx, level)
}

// Handle passes on what was not said within the last minute.
func (s *sparse) Handle(ctx context.Context, r slog.Record) error {
	s.last.mu.Lock()
	known := r.Time.Sub(s.last.at[r.Message]) < time.Minute
	if !known {
		if s.last.at == nil || len(s.last.at) > 1000 {
			s.last.at = map[string]time.Time{}
		}
		s.last.at[r.Message] = r.Time
	}
	s.last.mu.Unlock()
	if known {
		return nil
	}
	return s.Handler.Handle(ctx, r)
}

// WithAttrs keeps what was said.
func (s *sparse) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &sparse{s.Handler.WithAttrs(attrs), s.last}
}

// WithGroup keeps what was said.
func (s *sparse) WithGroup(name string) slog.Handler {
	return &sparse{s.Handler.WithGroup(name), s.last}
}

package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"foldbook/db"
	"foldbook/internal/series"
	"foldbook/questdb"
)

// TypeRemoval is the type of jobs that remove the rows of deleted records from QuestDB.
const TypeRemoval = "questdb_removal"

// Removal is what goes with a deleted record: its table, or its rows in a table that several records share.
type Removal struct {
	Kind   series.Kind `json:"kind"`
	Table  string      `json:"table"`
	Owners []string    `json:"owners"` // the tags of the rows in a shared table; none: the table, if no row in it has a tag
	Kept   bool        `json:"kept"`   // another record names the table
	Taken  bool        `json:"-"`      // an owner is left out, because another record goes by that name
}

// The most owners of one removal, whose statement has to fit into a URL, and removals of one job, which has to end in time.
const (
	ownersOfRemoval = 200
	removalsOfJob   = 20
)

// Removals puts the owners of each table together.
func Removals(places []db.ListPlacesRow) (all []Removal) {
	for _, p := range places {
		last, kind := len(all)-1, series.Kind(p.Kind) //nolint:gosec // the query names the kinds
		if last < 0 || all[last].Table != p.TableName || all[last].Kind != kind || len(all[last].Owners) == ownersOfRemoval {
			all = append(all, Removal{Kind: kind, Table: p.TableName})
			last++
		}
		all[last].Owners = append(all[last].Owners, p.Owner)
	}
	return all
}

// Place finds the rows.
func (r *Removal) Place(ctx context.Context, client *questdb.Client) (*series.Place, error) {
	return series.Find(ctx, client, r.Kind, r.Table, r.Owners...)
}

type removalArgs struct {
	Places []Removal `json:"places"`
}

// Kind names the type of the job to River.
func (removalArgs) Kind() string { return TypeRemoval }

// Remove stores the jobs that remove what is in these places from QuestDB, in the transaction of q, which has deleted the records.
// It spares what other records name, and returns what is left.
func Remove(ctx context.Context, q *db.Queries, places []db.ListPlacesRow) ([]Removal, error) {
	all := Removals(places)
	var tables, owners []string
	for _, p := range places {
		tables, owners = append(tables, p.TableName), append(owners, p.Owner)
	}
	if err := q.LockTables(ctx, tables); err != nil {
		return nil, fmt.Errorf("lock the tables: %w", err)
	}
	others, err := q.ListOtherPlaces(ctx, db.ListOtherPlacesParams{Tables: tables, Owners: owners})
	if err != nil {
		return nil, fmt.Errorf("list who else names the tables: %w", err)
	}
	for i := range all {
		r := &all[i]
		for _, other := range others {
			if other.TableName == r.Table {
				r.Kept = true
				n := len(r.Owners)
				r.Owners = slices.DeleteFunc(r.Owners, func(owner string) bool { return owner == other.Owner })
				r.Taken = r.Taken || len(r.Owners) < n
			}
		}
	}
	for part := range slices.Chunk(all, removalsOfJob) {
		if _, err := insert(ctx, q, removalArgs{part}, removalAttempts); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Size is how much a removal takes out of QuestDB.
type Size struct {
	Rows, Tables int64
}

// Measure counts what is in the places that Remove would return.
func Measure(ctx context.Context, client *questdb.Client, places []db.ListPlacesRow) ([]Size, error) {
	sizes := []Size{}
	for _, r := range Removals(places) {
		place, err := r.Place(ctx, client)
		if err != nil {
			return sizes, err
		}
		bounds, err := series.Count(ctx, client, place)
		if err != nil {
			return sizes, err
		}
		size := Size{Rows: bounds.Rows}
		if place.Table != nil && !place.Shared {
			size.Tables = 1
		}
		sizes = append(sizes, size)
	}
	return sizes, nil
}

const (
	removalAttempts = 10_000 // of which only those count whose worker died
	removalPause    = time.Second
)

// remover is River's worker for removals. While QuestDB is away it tries again and again, without an end.
type remover struct {
	river.WorkerDefaults[removalArgs]
	store  *db.DB
	series *questdb.Client
	log    *slog.Logger
}

// Timeout bounds a task.
func (*remover) Timeout(*river.Job[removalArgs]) time.Duration { return taskTimeout }

// Work removes what is left of its places. It may be repeated.
func (w *remover) Work(ctx context.Context, task *river.Job[removalArgs]) error {
	for i := range task.Args.Places {
		if err := w.remove(ctx, &task.Args.Places[i]); err != nil {
			w.log.Warn("rows of a deleted record wait to be removed", "table", task.Args.Places[i].Table, "cause", err.Error())
			return river.JobSnooze(removalPause)
		}
	}
	return nil
}

// remove waits for writers that began before their records were deleted, and looks for the table only then: one of them may make it.
func (w *remover) remove(ctx context.Context, r *Removal) error {
	lease := series.LeaseOf(w.store.Queries, r.Table, r.Owners...)
	defer lease.Release(context.WithoutCancel(ctx)) // what was sent last does no harm later
	if err := lease.Take(ctx); err != nil {
		return err
	}
	w.series.Forget(r.Table)
	place, err := r.Place(ctx, w.series)
	switch {
	case err != nil || place.Table == nil:
		return err
	case place.Shared && len(r.Owners) > 0:
		if err := w.series.Disown(ctx, place.Selection()); err != nil {
			return err
		}
		return w.dropUnused(ctx, r, place)
	case r.Kept:
		return nil
	case place.Shared:
		if n, err := w.series.CountTagged(ctx, place.Table, place.Where[0].Column); err != nil || n > 0 {
			return err
		}
	}
	return w.series.Drop(ctx, r.Table)
}

// dropUnused has a job drop a shared table in which no row has an owner any more, if no record names it. From then on new records that
// name it wait for the job. Others may not wait while QuestDB is away, so that this is decided only when it has answered.
func (w *remover) dropUnused(ctx context.Context, r *Removal, place *series.Place) error {
	n, err := w.series.CountTagged(ctx, place.Table, place.Where[0].Column)
	if err != nil || n > 0 {
		return err
	}
	return w.store.InTx(ctx, false, func(q *db.Queries) error {
		tables := []string{r.Table}
		if err := q.LockTables(ctx, tables); err != nil {
			return fmt.Errorf("lock the table: %w", err)
		}
		named, err := q.ListOtherPlaces(ctx, db.ListOtherPlacesParams{Tables: tables, Owners: []string{}})
		if err != nil || len(named) > 0 {
			return err
		}
		_, err = insert(ctx, q, removalArgs{[]Removal{{Kind: r.Kind, Table: r.Table, Owners: []string{}}}}, removalAttempts)
		return err
	})
}

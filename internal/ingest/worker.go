package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"foldbook/db"
	"foldbook/questdb"
)

// A River task is a slice of a job. It ends long before River would take its worker for dead, and a new task continues the
// job. So a dead worker is noticed within seconds, whatever the length of the job. rescueAfter is below the 15 s after which
// River replaces a dead leader, so that the next leader finds the task when it first looks.
const (
	sliceTime   = 4 * time.Second
	partTimeout = 6 * time.Second  // for the rows of one part to be written and visible
	taskTimeout = 11 * time.Second // a slice, and the part that was begun within it
	rescueAfter = 12 * time.Second
)

// An attempt that failed is repeated after 1, 2, 4, … s, at most a minute: fifty of them take some 45 minutes.
const (
	maxAttempts  = 50
	longestPause = time.Minute
)

// importer is River's worker for imports.
type importer struct {
	river.WorkerDefaults[importArgs]
	store    *db.DB
	series   *questdb.Client
	log      *slog.Logger
	stopping context.Context //nolint:containedctx // it ends with the process, not with the task
}

// Timeout bounds a task.
func (*importer) Timeout(*river.Job[importArgs]) time.Duration { return taskTimeout }

// NextRetry is when a task that failed is tried again.
func (*importer) NextRetry(task *river.Job[importArgs]) time.Time {
	return time.Now().Add(pause(task.Attempt))
}

func pause(attempt int) time.Duration {
	return min(time.Second<<min(max(attempt-1, 0), 10), longestPause)
}

// errEnded means that a job is no longer this worker's: it was cancelled, or another worker has it.
var errEnded = errors.New("the job is not open any more")

// Work does a slice of an import.
func (w *importer) Work(ctx context.Context, task *river.Job[importArgs]) error {
	id := task.Args.JobID
	job, err := w.store.StartJob(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	} else if err != nil {
		return fmt.Errorf("start a job: %w", err)
	}
	result, err := w.slice(ctx, &job)
	switch {
	case errors.Is(err, errEnded):
		return nil
	case err == nil && result == nil, w.stopping.Err() != nil && err != nil:
		return river.JobSnooze(0) // no attempt is used up
	case err == nil:
		return w.complete(ctx, task, result)
	}
	if _, permanent := Mistake(err); permanent || task.Attempt >= task.MaxAttempts {
		if err := w.fail(ctx, id, err); err != nil {
			return err
		}
		return river.JobCancel(err)
	}
	w.log.Warn("a job waits for its next attempt", "job_id", id, "attempt", task.Attempt, "cause", err.Error())
	_, note := w.store.NoteJob(ctx, db.NoteJobParams{JobID: id, Message: fmt.Sprintf("%s; attempt %d of %d failed, the next one follows",
		explain(err), task.Attempt, task.MaxAttempts)})
	return errors.Join(err, note)
}

// slice imports parts until none are left, and then returns the result, or until the time of the slice is over.
func (w *importer) slice(ctx context.Context, job *db.Job) (*Result, error) {
	state := importState{}
	if err := json.Unmarshal(job.State, &state); err != nil || state.Plan == nil {
		return nil, &FileError{What: "the plan of the import cannot be read"}
	}
	unpacker, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("unpack an import: %w", err)
	}
	defer unpacker.Close()
	var target *Target
	for began := time.Now(); time.Since(began) < sliceTime && w.stopping.Err() == nil; {
		part, err := w.store.GetNextImportPart(ctx, job.JobID)
		if errors.Is(err, pgx.ErrNoRows) {
			result, err := state.Plan.Result(state.Outcome)
			return &result, err
		} else if err != nil {
			return nil, fmt.Errorf("read a part of an import: %w", err)
		}
		if target == nil {
			if target, err = w.ready(ctx, state.Plan); err != nil {
				return nil, err
			}
		}
		text, err := unpacker.DecodeAll(part.Data, nil)
		if err != nil {
			return nil, &FileError{What: "a part of the upload cannot be unpacked"}
		}
		if err := w.part(ctx, job, target, &state, part.Part, Part{First: part.FirstRow, Text: string(text)}); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (w *importer) ready(ctx context.Context, plan *Plan) (*Target, error) {
	ctx, cancel := context.WithTimeout(ctx, partTimeout)
	defer cancel()
	return plan.Ready(ctx, w.series)
}

// part writes the rows of a part and records that. If the worker dies in between, the part is written again.
func (w *importer) part(ctx context.Context, job *db.Job, target *Target, state *importState, number int32, part Part) error {
	write, cancel := context.WithTimeout(ctx, partTimeout)
	defer cancel()
	rows, err := target.Write(write, &state.Outcome, part)
	if err != nil {
		return err
	}
	text, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("encode the state of an import: %w", err)
	}
	n, err := w.store.FinishImportPart(ctx, db.FinishImportPartParams{
		JobID: job.JobID, Part: number, RowCount: rows, Message: "importing", State: text,
	})
	if err != nil {
		return fmt.Errorf("note the progress of a job: %w", err)
	}
	if n == 0 {
		return errEnded
	}
	return nil
}

// complete ends a job and River's task in one transaction.
func (w *importer) complete(ctx context.Context, task *river.Job[importArgs], result *Result) error {
	text, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("encode the result of an import: %w", err)
	}
	return w.end(ctx, db.EndJobParams{
		JobID: task.Args.JobID, Message: fmt.Sprintf("%d rows imported, %d rejected", result.Imported, result.Rejected), Result: text,
	}, func(q *db.Queries) error {
		_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, q.Tx(), task)
		return err
	})
}

func (w *importer) fail(ctx context.Context, id uuid.UUID, cause error) error {
	why := explain(cause)
	w.log.Warn("a job failed", "job_id", id, "cause", cause.Error())
	return w.end(ctx, db.EndJobParams{JobID: id, Message: "failed", Error: &why}, func(*db.Queries) error { return nil })
}

// end records the result of a job, unless it was cancelled meanwhile.
func (w *importer) end(ctx context.Context, outcome db.EndJobParams, also func(*db.Queries) error) error {
	err := w.store.InTx(ctx, false, func(q *db.Queries) error {
		if n, err := q.EndJob(ctx, outcome); err != nil || n == 0 {
			return err
		}
		if _, err := q.DeleteImportParts(ctx, outcome.JobID); err != nil {
			return err
		}
		return also(q)
	})
	if err != nil {
		return fmt.Errorf("end a job: %w", err)
	}
	return nil
}

// Mistake recognises errors in the file, which the next attempt would meet again, and returns their message.
func Mistake(err error) (what string, ok bool) {
	refused, bad := new(questdb.Refused), new(FileError)
	switch {
	case errors.As(err, &bad):
		return bad.What, true
	case errors.As(err, &refused):
		return "QuestDB does not take the rows: " + strings.Join(strings.Fields(refused.Message), " "), true
	case errors.Is(err, questdb.ErrInvalidName):
		return questdb.ErrInvalidName.Error(), true
	}
	return "", false
}

// explain returns a message for callers about what went wrong.
func explain(err error) string {
	if what, ok := Mistake(err); ok {
		return what
	}
	for _, known := range []error{
		questdb.ErrNoColumn, questdb.ErrNoTable, questdb.ErrSuspended, questdb.ErrNotVisible,
		questdb.ErrUnavailable, questdb.ErrBusy, questdb.ErrTimeout, questdb.ErrBroken,
	} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "the database of the jobs does not answer"
}

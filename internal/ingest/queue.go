package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"foldbook/db"
)

// TypeImport is the type of jobs that import a file into QuestDB.
const TypeImport = "questdb_import"

// schema is PostgreSQL's schema with River's tables.
const schema = "river"

// importArgs is what River keeps of an import; everything else is in the table jobs.
type importArgs struct {
	JobID uuid.UUID `json:"job_id"`
}

// Kind names the type of the job to River.
func (importArgs) Kind() string { return TypeImport }

// importState is what the next worker of an import needs.
type importState struct {
	Plan    *Plan   `json:"plan"`
	Outcome Outcome `json:"outcome"`
}

// inserter stores jobs in transactions of others. River keeps their states and attempts in PostgreSQL; the table jobs has what callers
// want to know of imports besides.
var inserter = sync.OnceValues(func() (*river.Client[pgx.Tx], error) {
	return river.NewClient(riverpgxv5.New(nil), &river.Config{Schema: schema, Logger: slog.New(slog.DiscardHandler)})
})

// insert stores a job of River in the transaction of q.
func insert(ctx context.Context, q *db.Queries, args river.JobArgs, attempts int) (id int64, err error) {
	client, err := inserter()
	if err != nil {
		return 0, fmt.Errorf("make the queue of jobs: %w", err)
	}
	task, err := client.InsertTx(ctx, q.Tx(), args, &river.InsertOpts{MaxAttempts: attempts})
	if err != nil {
		return 0, fmt.Errorf("store a task: %w", err)
	}
	return task.Job.ID, nil
}

// Upload is a file that is to be imported.
type Upload struct {
	plan    []byte
	payload []byte
	rows    int64
	parts   []db.CopyImportPartsParams
}

// NewUpload compresses the parts of a file. The filename may be empty.
func NewUpload(plan *Plan, parts []Part, filename string) (*Upload, error) {
	payload := map[string]string{"measurement": plan.Table}
	if filename != "" {
		payload["filename"] = filename
	}
	u := &Upload{rows: plan.Rows}
	var err error
	if u.payload, err = json.Marshal(payload); err != nil {
		return nil, fmt.Errorf("encode the payload of a job: %w", err)
	}
	if u.plan, err = json.Marshal(importState{Plan: plan, Outcome: Outcome{Errors: []RowError{}}}); err != nil {
		return nil, fmt.Errorf("encode the plan of an import: %w", err)
	}
	packer, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("pack an import: %w", err)
	}
	for i, part := range parts {
		u.parts = append(u.parts, db.CopyImportPartsParams{
			Part: int32(i), FirstRow: part.First, Data: packer.EncodeAll([]byte(part.Text), nil),
		})
	}
	return u, nil
}

// Import stores a job with its upload, and River's beside it, in the transaction of q.
func Import(ctx context.Context, q *db.Queries, u *Upload) (db.Job, error) {
	id := uuid.New()
	task, err := insert(ctx, q, importArgs{id}, maxAttempts)
	if err != nil {
		return db.Job{}, err
	}
	job, err := q.InsertJob(ctx, db.InsertJobParams{
		JobID: id, JobType: TypeImport, Total: u.rows, Message: fmt.Sprintf("%d rows wait to be imported", u.rows),
		Payload: u.payload, State: u.plan, RiverID: task,
	})
	if err != nil {
		return job, fmt.Errorf("store a job: %w", err)
	}
	for i := range u.parts {
		u.parts[i].JobID = id
	}
	if _, err := q.CopyImportParts(ctx, u.parts); err != nil {
		return job, fmt.Errorf("store an upload: %w", err)
	}
	return job, nil
}

// Cancel ends a job, if it is open, in the transaction of q; its worker notices when it next notes its progress.
func Cancel(ctx context.Context, q *db.Queries, id uuid.UUID) error {
	task, err := q.CancelJob(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	client, broken := inserter()
	if err = errors.Join(err, broken); err == nil {
		_, err = client.JobCancelTx(ctx, q.Tx(), task)
	}
	if err == nil {
		_, err = q.DeleteImportParts(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("cancel a job: %w", err)
	}
	return nil
}

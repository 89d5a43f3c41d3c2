package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/httpbody"
	"foldbook/internal/ingest"
	"foldbook/internal/paging"
	"foldbook/questdb"
)

var jobStatuses = []spec.JobStatus{"PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"}

// endOfTime is later than every job.
var endOfTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// maxBlocking is the most rows of an import in one request.
const maxBlocking = 100_000

// imports is the queue of jobs.
func (s *Server) imports() (*ingest.Queue, error) {
	if s.Jobs == nil {
		return nil, notEnabled("imports and jobs are", "QDB_IMPORT")
	}
	return s.Jobs, nil
}

// upload is an import that was read and checked.
type upload struct {
	plan     *ingest.Plan
	parts    []ingest.Part
	filename string
}

func readUpload(body *httpbody.Body) (*upload, error) {
	var b struct {
		Measurement *string `json:"measurement"`
		Data        *string `json:"data"`
		Filename    *string `json:"filename"`
	}
	if err := body.Decode(&b); err != nil {
		return nil, err
	}
	f := httpbody.Fields{}
	table, data := httpbody.Required(&f, "measurement", b.Measurement), httpbody.Required(&f, "data", b.Data)
	filename := orElse(f.Name("filename", b.Filename), "")
	if f.Err() == nil && !questdb.ValidTable(table) {
		f.Fail("measurement", "must be a name of letters, digits, _, - and single dots inside")
	}
	if f.Err() != nil {
		return nil, f.Err()
	}
	plan, parts, err := ingest.ReadCSV(strings.ToLower(table), data)
	if err != nil {
		return nil, httpbody.Invalid("data", err.Error())
	}
	return &upload{plan, parts, filename}, nil
}

// ImportSeriesAsync serves POST /api/questdb/import/async: {"job_id": …, "status": "PENDING", "message": …, "poll_url": …}.
func (s *Server) ImportSeriesAsync(c echo.Context) error {
	queue, err := s.imports()
	if err != nil {
		return err
	}
	if s.QuestDB == nil {
		return errSeriesOff
	}
	body := s.openBody(c, maxBody)
	defer body.Close()
	u, err := readUpload(body)
	if err != nil {
		return err
	}
	packed, err := ingest.NewUpload(u.plan, u.parts, u.filename)
	if err != nil {
		return err
	}
	var job db.Job
	err = s.write(c, false, func(ctx context.Context, q *db.Queries) error {
		job, err = queue.Import(ctx, q, packed)
		return err
	})
	if err != nil {
		return fmt.Errorf("store an import: %w", err)
	}
	return c.JSON(http.StatusAccepted, spec.ImportAccepted{
		JobID: job.JobID, Status: "PENDING", Message: job.Message, PollURL: "/api/jobs/" + job.JobID.String(),
	})
}

// ImportSeries serves POST /api/questdb/import: {"measurement": …, "rows": …, "imported": …, "rejected": …, "errors": […], "columns": […]}.
func (s *Server) ImportSeries(c echo.Context) error {
	if _, err := s.imports(); err != nil {
		return err
	}
	if s.QuestDB == nil {
		return errSeriesOff
	}
	body := s.openBody(c, maxBody)
	defer body.Close()
	u, err := readUpload(body)
	if err != nil {
		return err
	}
	if u.plan.Rows > maxBlocking {
		return spec.NewProblem(http.StatusRequestEntityTooLarge, spec.ErrorCodeBodyTooLarge,
			fmt.Sprintf("%d rows are more than %d: POST them to /api/questdb/import/async, which does not wait", u.plan.Rows, maxBlocking))
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), s.WriteTimeout)
	defer cancel()
	target, err := u.plan.Ready(ctx, s.QuestDB)
	var outcome ingest.Outcome
	for i := 0; i < len(u.parts) && err == nil; i++ {
		_, err = target.Write(ctx, u.parts[i], &outcome)
	}
	var result ingest.Result
	if err == nil {
		result, err = u.plan.Result(outcome)
	}
	if err != nil {
		return importAnswer(err)
	}
	return c.JSON(http.StatusOK, result)
}

// importAnswer is the answer to an import that failed. Errors in the file, and rows that QuestDB refuses, are the caller's.
func importAnswer(err error) error {
	if what, ok := ingest.Mistake(err); ok {
		return httpbody.Invalid("data", what)
	}
	return fmt.Errorf("import: %w", err)
}

// ListJobs serves GET /api/jobs: {"jobs": […], "count": …, "total": …, "next": …}.
func (s *Server) ListJobs(c echo.Context, params spec.ListJobsParams) error {
	if _, err := s.imports(); err != nil {
		return err
	}
	q, err := pageLimits.Request(paging.Params{
		Limit: params.Limit, Offset: params.Offset, Cursor: params.Cursor, Count: (*string)(params.Count),
	}, paging.Scope("/api/jobs", c.QueryParams()))
	if err != nil {
		return err
	}
	if params.Status != nil && !slices.Contains(jobStatuses, *params.Status) {
		return spec.InvalidParameter("status", "is not a status: PENDING, RUNNING, COMPLETED, FAILED or CANCELLED")
	}
	status := (*string)(params.Status)
	args := db.ListJobsParams{JobType: params.JobType, Status: status, PageSize: q.Limit + 1, PageOffset: q.Offset, BeforeAt: endOfTime}
	if q.After != nil {
		args.BeforeAt, args.AfterID = q.After.At, q.After.ID
	}
	ctx := c.Request().Context()
	rows, err := s.DB.ListJobs(ctx, args)
	if err != nil {
		return fmt.Errorf("list the jobs: %w", err)
	}
	list := paging.NewList("jobs", rows, q, func(last *db.JobDetail) paging.Cursor {
		return paging.Cursor{At: last.CreatedAt, ID: last.JobID}
	})
	err = list.SetTotal(func(int64) (int64, error) {
		return s.DB.CountJobs(ctx, db.CountJobsParams{JobType: params.JobType, Status: status})
	})
	if err != nil {
		return fmt.Errorf("count the jobs: %w", err)
	}
	return writeEnvelope(c, list)
}

// GetJob serves GET /api/jobs/:job_id.
func (s *Server) GetJob(c echo.Context, jobID string) error {
	if _, err := s.imports(); err != nil {
		return err
	}
	id, err := pathID("job_id", jobID)
	if err != nil {
		return err
	}
	job, err := s.DB.GetJob(c.Request().Context(), id)
	if err != nil {
		return notFound(err, "job", id)
	}
	return c.JSON(http.StatusOK, &job)
}

// CancelJob serves POST /api/jobs/:job_id/cancel: the job as it is then.
func (s *Server) CancelJob(c echo.Context, jobID string) error {
	queue, err := s.imports()
	if err != nil {
		return err
	}
	id, err := pathID("job_id", jobID)
	if err != nil {
		return err
	}
	var job db.JobDetail
	err = s.write(c, false, func(ctx context.Context, q *db.Queries) error {
		if err := queue.Cancel(ctx, q, id); err != nil {
			return err
		}
		job, err = q.GetJob(ctx, id)
		return err
	})
	switch {
	case err != nil:
		return notFound(err, "job", id)
	case job.Status != "CANCELLED":
		return conflict("the job is "+job.Status+" already", nil)
	}
	return c.JSON(http.StatusOK, &job)
}

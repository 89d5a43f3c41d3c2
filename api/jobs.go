package api

import (
	"context"
	"fmt"
	"net/http"
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

// endOfTime is later than every job.
var endOfTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// maxBlocking is the most rows of an import in one request.
const maxBlocking = 100_000

// imports refuses a request while imports are not enabled.
func (s *Server) imports() error {
	if !s.Import {
		return notEnabled("imports and jobs are", "QDB_IMPORT")
	}
	return nil
}

// upload is an import that was read and checked.
type upload struct {
	plan     *ingest.Plan
	parts    []ingest.Part
	filename string
}

// openImport begins to read an import.
func (s *Server) openImport(c echo.Context) (*httpbody.Body, error) {
	err := s.imports()
	if err == nil && s.QuestDB == nil {
		err = errSeriesOff
	}
	if err != nil {
		return nil, err
	}
	return s.openBody(c, maxBody), nil
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
	body, err := s.openImport(c)
	if err != nil {
		return err
	}
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
		if job, err = ingest.Import(ctx, q, packed); err != nil {
			return err
		}
		return claimTable(ctx, q, u.plan.Table)
	})
	if err != nil {
		return fmt.Errorf("store an import: %w", err)
	}
	return c.JSON(http.StatusAccepted, spec.ImportAccepted{
		JobID: job.JobID, Status: "PENDING", Message: job.Message, PollURL: "/api/jobs/" + job.JobID.String(),
	})
}

// ImportSeries serves POST /api/questdb/import: {"measurement": …, "rows": …, "imported": …, "rejected": …, "errors":
// […], "columns": […]}.
func (s *Server) ImportSeries(c echo.Context) error {
	body, err := s.openImport(c)
	if err != nil {
		return err
	}
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
	if err := s.write(c, true, func(ctx context.Context, q *db.Queries) error { return claimTable(ctx, q, u.plan.Table) }); err != nil {
		return err
	}
	result, err := u.store(ctx, s.QuestDB)
	if what, ok := ingest.Mistake(err); ok { // what the file holds, or what QuestDB does not take of it
		return httpbody.Invalid("data", what)
	} else if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return c.JSON(http.StatusOK, result)
}

// store writes all rows, or none.
func (u *upload) store(ctx context.Context, client *questdb.Client) (ingest.Result, error) {
	target, err := u.plan.Ready(ctx, client)
	if err != nil {
		return ingest.Result{}, err
	}
	var outcome ingest.Outcome
	if _, err := target.Write(ctx, &outcome, u.parts...); err != nil {
		return ingest.Result{}, err
	}
	return u.plan.Result(outcome)
}

// ListJobs serves GET /api/jobs: {"jobs": […], "count": …, "total": …, "next": …}.
func (s *Server) ListJobs(c echo.Context, params spec.ListJobsParams) error {
	s.tellEvents(c)
	if err := s.imports(); err != nil {
		return err
	}
	q, err := pageLimits.Request(paging.Params{
		Limit: params.Limit, Offset: params.Offset, Cursor: params.Cursor,
		Count: (*string)(params.Count), Fields: params.Fields, Format: params.Format,
	}, paging.Scope("/api/jobs", c.QueryParams()), (*db.JobDetail)(nil).Columns())
	if err != nil {
		return err
	}
	if params.Status != nil && !params.Status.Valid() {
		return spec.InvalidParameter("status", "is not a status: PENDING, RUNNING, COMPLETED, FAILED or CANCELLED")
	}
	f := db.CountJobsParams{JobType: params.JobType, Status: (*string)(params.Status)}
	ctx, w := c.Request().Context(), window{after: q.After}
	rows, err := s.DB.ListJobs(ctx, db.ListJobsParams{
		JobType: f.JobType, Status: f.Status,
		BeforeAt: orElse(w.afterAt(), endOfTime), AfterID: w.cursor().ID, PageSize: q.Limit + 1, PageOffset: q.Offset,
	})
	if err != nil {
		return fmt.Errorf("list the jobs: %w", err)
	}
	list := paging.NewList("jobs", rows, q, func(last *db.JobDetail) paging.Cursor {
		return paging.Cursor{At: last.CreatedAt, ID: last.JobID}
	})
	return writeEnvelope(c, list, func(ctx context.Context, _ int64) (int64, error) { return s.DB.CountJobs(ctx, f) })
}

// GetJob serves GET /api/jobs/:job_id.
func (s *Server) GetJob(c echo.Context, jobID string) error {
	if err := s.imports(); err != nil {
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
	if err := s.imports(); err != nil {
		return err
	}
	id, err := pathID("job_id", jobID)
	if err != nil {
		return err
	}
	var job db.JobDetail
	err = s.write(c, false, func(ctx context.Context, q *db.Queries) error {
		if err := ingest.Cancel(ctx, q, id); err != nil {
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

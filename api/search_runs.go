package api

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/metricquery"
	"foldbook/internal/paging"
)

// runNumbers are the numbers of a run that can be searched.
var runNumbers = metricquery.Fields{
	Columns: []string{"summary_metrics", "hyperparameters", "walk_config", "cost_model"},
	Numbers: []string{"duration_ms", "fold_count", "created_at", "started_at", "completed_at", "initial_capital", "target_horizon_bars"},
	Texts: []string{"status", "prediction_measurement", "target_column", "requested_by", "dataset_slug", "symbol",
		"name", "search_id", "parent_run_id", "git_commit"},
}

// runSearchOf reads the filters that all lists of runs take.
func (s *Server) runSearchOf(ctx context.Context, p spec.ListRunsParams) (q search, err error) {
	if q.Query, err = runNumbers.Parse(p.Metric, p.Sort); err != nil {
		return q, err
	}
	if q.pattern, err = pattern(p.Search); err != nil {
		return q, err
	}
	if q.ids, err = queryIDs("run_id", p.RunID); err != nil {
		return q, err
	}
	q.where("prediction_measurement", one(p.Measurement))
	q.where("target_column", one(p.TargetColumn))
	q.where("requested_by", one(p.RequestedBy))
	q.where("name", one(p.Name))
	q.where("search_id", one(p.SearchID))
	q.whereEach("tags", p.Tags)
	parents, err := queryIDs("parent_run_id", p.ParentRunID)
	if err != nil {
		return q, err
	}
	if parents != nil {
		q.where("parent_run_id", new(texts(parents)))
	}
	return q, s.whereAll(ctx, &q, p.Status, p.DatasetID, p.DatasetSlug, p.Symbol)
}

// runFinder is no method of Server, as simulationFinder is none: the packages that use Server would compile the finder once more.
func runFinder(ctx context.Context, s *Server, search search) *finder[db.SearchRunsRow] {
	q := s.DB.CustomPlans()
	return &finder[db.SearchRunsRow]{ctx: ctx, search: search, searches: searches[db.SearchRunsRow]{
		what: "run", list: q.SearchRuns,
		byMetric: func(ctx context.Context, p db.SearchRunsByMetricParams) ([]db.SearchRunsRow, error) {
			rows, err := q.SearchRunsByMetric(ctx, p)
			return converted(rows, err, func(row db.SearchRunsByMetricRow) db.SearchRunsRow { return db.SearchRunsRow(row) })
		},
		ascending: func(ctx context.Context, p db.SortRunsByMetricParams) ([]db.SearchRunsRow, error) {
			rows, err := q.SortRunsByMetric(ctx, p)
			return converted(rows, err, func(row db.SortRunsByMetricRow) db.SearchRunsRow { return db.SearchRunsRow(row) })
		},
		descending: func(ctx context.Context, p db.SortRunsByMetricParams) ([]db.SearchRunsRow, error) {
			rows, err := q.SortRunsByMetricDesc(ctx, db.SortRunsByMetricDescParams(p))
			return converted(rows, err, func(row db.SortRunsByMetricDescRow) db.SearchRunsRow { return db.SearchRunsRow(row) })
		},
		count: q.CountSearchedRuns, countByMetrics: q.CountRunsByMetrics, match: q.MatchRunsByMetrics, matchText: q.MatchRunsByText,
		position: func(r *db.SearchRunsRow) (time.Time, uuid.UUID) { return r.CreatedAt, r.RunID },
		sortKey:  q.GetRunSortKey, known: q.ListRunSearchKeys,
	}}
}

// converted turns rows of one query into those of another one with the same columns.
func converted[T, U any](rows []T, err error, convert func(T) U) ([]U, error) {
	result := make([]U, len(rows))
	for i, row := range rows {
		result[i] = convert(row)
	}
	return result, err
}

// ListRuns serves GET /api/runs: {"runs": […], "count": …, "total": …, "next": …}.
func (s *Server) ListRuns(c echo.Context, params spec.ListRunsParams) error {
	s.tellEvents(c)
	q, err := s.runSearchOf(c.Request().Context(), params)
	if err != nil {
		return err
	}
	return s.writeRuns(c, "/api/runs", q, params)
}

// ListDatasetRuns serves GET /api/datasets/:dataset_id/runs in the shape of GET /api/runs.
func (s *Server) ListDatasetRuns(c echo.Context, datasetID string, params spec.ListDatasetRunsParams) error {
	s.tellEvents(c)
	id, err := s.datasetID(c, datasetID)
	if err != nil {
		return err
	}
	search := spec.ListRunsParams{
		RunID: params.RunID, Status: params.Status, Measurement: params.Measurement, TargetColumn: params.TargetColumn,
		RequestedBy: params.RequestedBy, Name: params.Name, Tags: params.Tags,
		SearchID: params.SearchID, ParentRunID: params.ParentRunID,
		Search: params.Search, Metric: params.Metric, Sort: params.Sort,
		Limit: params.Limit, Offset: params.Offset, Cursor: params.Cursor, Count: (*spec.ListRunsParamsCount)(params.Count),
		Fields: params.Fields, Format: params.Format,
	}
	q, err := s.runSearchOf(c.Request().Context(), search)
	if err != nil {
		return err
	}
	version, err := s.DB.GetDatasetVersion(c.Request().Context(), id)
	if err != nil {
		return notFound(err, "dataset", id)
	}
	if unchanged(c, params.IfNoneMatch, paging.ETag(version.Version, version.CreatedAt, c.Request().URL.RawQuery)) {
		return nil
	}
	q.where("dataset_slug", &[]string{version.QuestDBTag})
	return s.writeRuns(c, "/api/datasets/"+id.String()+"/runs", q, search)
}

func (s *Server) writeRuns(c echo.Context, route string, q search, params spec.ListRunsParams) error {
	page, err := pageLimits.Request(paging.Params{
		Limit: params.Limit, Offset: params.Offset, Cursor: params.Cursor,
		Count: (*string)(params.Count), Fields: params.Fields, Format: params.Format,
	}, paging.Scope(route, c.QueryParams()), (*db.SearchRunsRow)(nil).Columns())
	if err != nil {
		return err
	}
	return writeFound(c, "runs", runFinder(c.Request().Context(), s, q), page)
}

// ListWalkforwardRuns serves GET /api/walkforward/runs: [run, …].
func (s *Server) ListWalkforwardRuns(c echo.Context, params spec.ListWalkforwardRunsParams) error {
	p, err := olderLimits.Page("", params.Limit, params.Offset)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	q, err := s.runSearchOf(ctx, spec.ListRunsParams{
		RunID: params.RunID, DatasetID: params.DatasetID, DatasetSlug: params.DatasetSlug, Symbol: params.Symbol, Status: params.Status,
		Measurement: params.Measurement, TargetColumn: params.TargetColumn, RequestedBy: params.RequestedBy, Search: params.Search,
		Metric: params.Metric, Sort: params.Sort, Name: params.Name, Tags: params.Tags,
		SearchID: params.SearchID, ParentRunID: params.ParentRunID,
	})
	if err != nil {
		return err
	}
	if !q.all() {
		rows, count, err := runFinder(ctx, s, q).byOffset(p)
		return listRuns(c, rows, err, p, params.Fields, count)
	}
	rows, err := s.DB.ListRuns(ctx, db.ListRunsParams{PageSize: p.Limit, PageOffset: p.Offset})
	return listRuns(c, rows, err, p, params.Fields, func() (int64, error) { return s.DB.CountRuns(ctx) })
}

func listRuns[T any, P paging.Row[T]](
	c echo.Context, rows []T, err error, p paging.Page, fields *[]string, count func() (int64, error),
) error {
	if err != nil {
		return fmt.Errorf("list runs: %w", err)
	}
	return writeList[T, P](c, rows, p, fields, count)
}

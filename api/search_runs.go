package api

import (
	"context"
	"encoding/json"
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
	Columns: []string{"summary_metrics", "hyperparameters", "walk_config"},
	Numbers: []string{"duration_ms", "created_at", "started_at", "completed_at"},
}

// runFilter holds the filters of a list of runs other than numbers. It is compared with one that has only the filters that a
// query of its own serves, so a new filter only has to be read here and handed to the queries.
type runFilter struct {
	dataset                                           *uuid.UUID
	status, measurement, target, requestedBy, pattern *string
}

// runSearchOf reads the filters that all lists of runs take.
func runSearchOf(p spec.ListRunsParams) (f runFilter, q metricquery.Query, err error) {
	f = runFilter{measurement: p.Measurement, target: p.TargetColumn, requestedBy: p.RequestedBy}
	if f.dataset, err = queryID("dataset_id", p.DatasetID); err != nil {
		return f, q, err
	}
	if f.status, err = queryStatus(p.Status); err != nil {
		return f, q, err
	}
	if f.pattern, err = pattern(p.Search); err != nil {
		return f, q, err
	}
	q, err = runNumbers.Parse(p.Metric, p.Sort)
	return f, q, err
}

func (s *Server) runFinder(ctx context.Context, f runFilter) *finder[db.SearchRunsRow] {
	q := s.DB.CustomPlans()
	return &finder[db.SearchRunsRow]{
		list: func(ranges []metricquery.Range, w window) ([]db.SearchRunsRow, error) {
			if first, others, ok := metricquery.Leading(ranges); ok && f == (runFilter{}) && w.ids == nil {
				m := metricquery.ListsOf(others)
				rows, err := q.SearchRunsByMetric(ctx, db.SearchRunsByMetricParams{
					LeadKey: first.Key, LeadLow: first.Low, LeadHigh: first.High,
					MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs,
					AfterAt: w.afterAt(), AfterID: w.afterID(), PageSize: w.size, PageOffset: w.offset,
				})
				return converted(rows, err, func(row db.SearchRunsByMetricRow) db.SearchRunsRow { return db.SearchRunsRow(row) })
			}
			m := metricquery.ListsOf(ranges)
			return q.SearchRuns(ctx, db.SearchRunsParams{
				DatasetID: f.dataset, Status: f.status, Measurement: f.measurement, Target: f.target, RequestedBy: f.requestedBy, Pattern: f.pattern,
				MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs,
				Ids: w.ids, AfterAt: w.afterAt(), AfterID: w.afterID(), PageSize: w.size, PageOffset: w.offset,
			})
		},
		sorted: func(order metricquery.Range, descending bool, ranges []metricquery.Range, w window) ([]db.SearchRunsRow, error) {
			m := metricquery.ListsOf(ranges)
			args := db.SortRunsByMetricParams{
				SortKey: order.Key, SortLow: order.Low, SortHigh: order.High,
				DatasetID: f.dataset, Status: f.status, Measurement: f.measurement, Target: f.target, RequestedBy: f.requestedBy, Pattern: f.pattern,
				MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs,
				Ids: w.ids, HasCursor: w.after != nil, AfterValue: w.afterValue(), AfterID: w.afterID(), PageSize: w.size, PageOffset: w.offset,
			}
			if descending {
				rows, err := q.SortRunsByMetricDesc(ctx, db.SortRunsByMetricDescParams(args))
				return converted(rows, err, func(row db.SortRunsByMetricDescRow) db.SearchRunsRow { return db.SearchRunsRow(row) })
			}
			rows, err := q.SortRunsByMetric(ctx, args)
			return converted(rows, err, func(row db.SortRunsByMetricRow) db.SearchRunsRow { return db.SearchRunsRow(row) })
		},
		count: func(ranges []metricquery.Range, ids []uuid.UUID, most int64) (int64, error) {
			if first, others, ok := metricquery.Leading(ranges); ok && f == (runFilter{}) && (ids == nil || len(others) == 0) {
				j, m := joinable(others, nil)
				return q.CountRunsByMetrics(ctx, db.CountRunsByMetricsParams{
					Key: first.Key, Low: first.Low, High: first.High, MaxCount: most,
					JoinedKeys: j.Keys, JoinedWanted: j.Wanted, JoinedLows: j.Lows, JoinedHighs: j.Highs,
					MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs,
				})
			}
			j, m := joinable(ranges, ids)
			return q.CountSearchedRuns(ctx, db.CountSearchedRunsParams{
				DatasetID: f.dataset, Status: f.status, Measurement: f.measurement, Target: f.target, RequestedBy: f.requestedBy, Pattern: f.pattern,
				JoinedKeys: j.Keys, JoinedWanted: j.Wanted, JoinedLows: j.Lows, JoinedHighs: j.Highs,
				MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs, Ids: ids, MaxCount: most,
			})
		},
		byMetric: func(r metricquery.Range, most int32) ([]uuid.UUID, error) {
			return q.MatchRunsByMetric(ctx, db.MatchRunsByMetricParams{Key: r.Key, Low: r.Low, High: r.High, PageSize: most})
		},
		byText: matchText(f.pattern, func(pattern string, most int32) ([]uuid.UUID, error) {
			return q.MatchRunsByText(ctx, db.MatchRunsByTextParams{Pattern: pattern, PageSize: most})
		}),
		position: func(r *db.SearchRunsRow) (time.Time, uuid.UUID) { return r.CreatedAt, r.RunID },
		column: func(r *db.SearchRunsRow, name string) json.RawMessage {
			return map[string]json.RawMessage{"summary_metrics": r.SummaryMetrics, "hyperparameters": r.Hyperparameters, "walk_config": r.WalkConfig}[name]
		},
		field: func(r *db.SearchRunsRow, name string) float64 {
			if name == "duration_ms" {
				return float64(orElse(r.DurationMS, 0))
			}
			return timeField(name, r.CreatedAt, r.StartedAt, r.CompletedAt)
		},
	}
}

// converted turns rows of one query into those of another one with the same columns.
func converted[T, U any](rows []T, err error, convert func(T) U) ([]U, error) {
	result := make([]U, len(rows))
	for i, row := range rows {
		result[i] = convert(row)
	}
	return result, err
}

// timeField is one of the times of a run or a simulation by its name.
func timeField(name string, created time.Time, started, completed *time.Time) float64 {
	switch name {
	case "started_at":
		created = orElse(started, time.Time{})
	case "completed_at":
		created = orElse(completed, time.Time{})
	}
	return metricquery.Milliseconds(created)
}

func matchText(pattern *string, match func(pattern string, most int32) ([]uuid.UUID, error)) func(int32) ([]uuid.UUID, error) {
	if pattern == nil {
		return nil
	}
	return func(most int32) ([]uuid.UUID, error) { return match(*pattern, most) }
}

// ListRuns serves GET /api/runs: {"runs": […], "count": …, "total": …, "next": …}.
func (s *Server) ListRuns(c echo.Context, params spec.ListRunsParams) error {
	return s.writeRuns(c, "/api/runs", params)
}

// ListDatasetRuns serves GET /api/datasets/:dataset_id/runs in the shape of GET /api/runs.
func (s *Server) ListDatasetRuns(c echo.Context, datasetID string, params spec.ListDatasetRunsParams) error {
	id, err := pathID("dataset_id", datasetID)
	if err != nil {
		return err
	}
	search := spec.ListRunsParams{
		Status: params.Status, Measurement: params.Measurement, TargetColumn: params.TargetColumn, RequestedBy: params.RequestedBy,
		Search: params.Search, Metric: params.Metric, Sort: params.Sort,
		Limit: params.Limit, Offset: params.Offset, Cursor: params.Cursor, Count: (*spec.ListRunsParamsCount)(params.Count),
	}
	if _, _, err := runSearchOf(search); err != nil {
		return err
	}
	version, err := s.DB.GetDatasetVersion(c.Request().Context(), id)
	if err != nil {
		return notFound(err, "dataset", id)
	}
	if unchanged(c, params.IfNoneMatch, paging.ETag(version.Version, version.CreatedAt, c.Request().URL.RawQuery)) {
		return nil
	}
	search.DatasetID = new(id.String())
	return s.writeRuns(c, "/api/datasets/"+id.String()+"/runs", search)
}

func (s *Server) writeRuns(c echo.Context, route string, params spec.ListRunsParams) error {
	f, q, err := runSearchOf(params)
	if err != nil {
		return err
	}
	page, err := pageLimits.Request(paging.Params{
		Limit: params.Limit, Offset: params.Offset, Cursor: params.Cursor, Count: (*string)(params.Count),
	}, paging.Scope(route, c.QueryParams()))
	if err != nil {
		return err
	}
	return writeFound(c, "runs", s.runFinder(c.Request().Context(), f), q, page)
}

// writeFound answers one page of a search.
func writeFound[T any, P paging.Row[T]](c echo.Context, key string, f *finder[T], q metricquery.Query, page paging.Request) error {
	got, err := f.search(q, page.After, page.Page)
	if err != nil {
		return fmt.Errorf("list %s: %w", key, err)
	}
	list := paging.NewList[T, P](key, got.rows, page, nil)
	if got.next != nil {
		list.SetNext(*got.next)
	}
	return writeEnvelope(c, list, func(most int64) (int64, error) { return f.count(q.Ranges, got.ids, most) })
}

// ListWalkforwardRuns serves GET /api/walkforward/runs: [run, …].
func (s *Server) ListWalkforwardRuns(c echo.Context, params spec.ListWalkforwardRunsParams) error {
	p, err := olderLimits.Page("", params.Limit, params.Offset)
	if err != nil {
		return err
	}
	f, q, err := runSearchOf(spec.ListRunsParams{
		DatasetID: params.DatasetID, Status: params.Status, Measurement: params.Measurement, TargetColumn: params.TargetColumn,
		RequestedBy: params.RequestedBy, Search: params.Search, Metric: params.Metric, Sort: params.Sort,
	})
	if err != nil {
		return err
	}
	if f != (runFilter{dataset: f.dataset, status: f.status}) || !q.Empty() {
		rows, count, err := s.runFinder(c.Request().Context(), f).all(q, p)
		return listRuns(c, rows, err, p, count)
	}
	return s.listIndexedRuns(c, f, p)
}

// listIndexedRuns picks the query whose index serves the filters.
func (s *Server) listIndexedRuns(c echo.Context, f runFilter, p paging.Page) error {
	ctx := c.Request().Context()
	count := func() (int64, error) {
		return s.DB.CountRuns(ctx, db.CountRunsParams{DatasetID: f.dataset, Status: f.status})
	}
	switch {
	case f.dataset != nil:
		rows, err := s.DB.ListRunsByDataset(ctx, db.ListRunsByDatasetParams{
			DatasetID: *f.dataset, Status: f.status, PageSize: p.Limit, PageOffset: p.Offset,
		})
		return listRuns(c, rows, err, p, count)
	case f.status != nil:
		rows, err := s.DB.ListRunsByStatus(ctx, db.ListRunsByStatusParams{Status: *f.status, PageSize: p.Limit, PageOffset: p.Offset})
		return listRuns(c, rows, err, p, count)
	}
	rows, err := s.DB.ListRuns(ctx, db.ListRunsParams{PageSize: p.Limit, PageOffset: p.Offset})
	return listRuns(c, rows, err, p, count)
}

func listRuns[T any, P paging.Row[T]](c echo.Context, rows []T, err error, p paging.Page, count func() (int64, error)) error {
	if err != nil {
		return fmt.Errorf("list runs: %w", err)
	}
	return writeList[T, P](c, rows, p, count)
}

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
	Columns: []string{"summary_metrics", "hyperparameters", "walk_config"},
	Numbers: []string{"duration_ms", "created_at", "started_at", "completed_at"},
	Texts:   []string{"status", "prediction_measurement", "target_column", "requested_by"},
}

// runFilter holds the filters of a list of runs other than metrics. It is compared with one that has only the filters that a
// query of its own serves, so a new filter only has to be read here and handed to the queries.
type runFilter struct {
	datasets                                  []uuid.UUID
	statuses                                  []string
	measurement, target, requestedBy, pattern *string
}

// runSearch is what a list of runs is asked for.
type runSearch struct {
	runFilter
	metricquery.Query
	ids []uuid.UUID
}

// runSearchOf reads the filters that all lists of runs take.
func (s *Server) runSearchOf(ctx context.Context, p spec.ListRunsParams) (q runSearch, err error) {
	q.runFilter = runFilter{measurement: p.Measurement, target: p.TargetColumn, requestedBy: p.RequestedBy}
	if q.statuses, err = queryStatus(p.Status); err != nil {
		return q, err
	}
	if q.pattern, err = pattern(p.Search); err != nil {
		return q, err
	}
	if q.ids, err = queryIDs("run_id", p.RunID); err != nil {
		return q, err
	}
	if q.Query, err = runNumbers.Parse(p.Metric, p.Sort); err != nil {
		return q, err
	}
	q.datasets, err = s.datasetsOf(ctx, p.DatasetID, p.DatasetSlug, p.Symbol)
	return q, err
}

func (s *Server) runFinder(ctx context.Context, f runSearch) *finder[db.SearchRunsRow] {
	q, plain := s.DB.CustomPlans(), isZero(f.runFilter) && f.ids == nil
	return &finder[db.SearchRunsRow]{
		what: "run", only: f.ids,
		list: func(ranges []metricquery.Range, w window) ([]db.SearchRunsRow, error) {
			if first, others, ok := metricquery.Leading(ranges); ok && plain && w.ids == nil {
				m := metricquery.ListsOf(others)
				rows, err := q.SearchRunsByMetric(ctx, db.SearchRunsByMetricParams{
					LeadKey: first.Key, LeadLow: first.Low, LeadHigh: first.High,
					MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs,
					AfterAt: w.afterAt(), AfterID: w.cursor().ID, PageSize: w.size, PageOffset: w.offset,
				})
				return converted(rows, err, func(row db.SearchRunsByMetricRow) db.SearchRunsRow { return db.SearchRunsRow(row) })
			}
			m := metricquery.ListsOf(ranges)
			return q.SearchRuns(ctx, db.SearchRunsParams{
				DatasetIds: f.datasets, Statuses: f.statuses, Measurement: f.measurement, Target: f.target, RequestedBy: f.requestedBy,
				Pattern:    f.pattern,
				MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs,
				Ids: w.ids, AfterAt: w.afterAt(), AfterID: w.cursor().ID, PageSize: w.size, PageOffset: w.offset,
			})
		},
		sorted: func(o order, ranges []metricquery.Range, w window) ([]db.SearchRunsRow, error) {
			m, after := metricquery.ListsOf(ranges), w.cursor()
			args := db.SortRunsByMetricParams{
				FirstKey: o.first, LastKey: o.last, SortLow: o.low, SortHigh: o.high,
				DatasetIds: f.datasets, Statuses: f.statuses, Measurement: f.measurement, Target: f.target, RequestedBy: f.requestedBy,
				Pattern:    f.pattern,
				MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs, Ids: w.ids,
				HasCursor: w.after != nil, AfterKey: o.first + after.Key, AfterValue: after.Value, AfterID: after.ID,
				PageSize: w.size, PageOffset: w.offset,
			}
			if o.descending {
				rows, err := q.SortRunsByMetricDesc(ctx, db.SortRunsByMetricDescParams(args))
				return converted(rows, err, func(row db.SortRunsByMetricDescRow) db.SearchRunsRow { return db.SearchRunsRow(row) })
			}
			rows, err := q.SortRunsByMetric(ctx, args)
			return converted(rows, err, func(row db.SortRunsByMetricRow) db.SearchRunsRow { return db.SearchRunsRow(row) })
		},
		count: func(ranges []metricquery.Range, ids []uuid.UUID, most int64) (int64, error) {
			if first, others, ok := metricquery.Leading(ranges); ok && plain && (ids == nil || len(others) == 0) {
				j, m := joinable(others, nil)
				return q.CountRunsByMetrics(ctx, db.CountRunsByMetricsParams{
					Key: first.Key, Low: first.Low, High: first.High, MaxCount: most,
					JoinedKeys: j.Keys, JoinedWanted: j.Wanted, JoinedLows: j.Lows, JoinedHighs: j.Highs,
					MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs,
				})
			}
			j, m := joinable(ranges, ids)
			return q.CountSearchedRuns(ctx, db.CountSearchedRunsParams{
				DatasetIds: f.datasets, Statuses: f.statuses, Measurement: f.measurement, Target: f.target, RequestedBy: f.requestedBy,
				Pattern:    f.pattern,
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
		sortKey: func(id uuid.UUID, o order) (string, float64, error) {
			row, err := q.GetRunSortKey(ctx, db.GetRunSortKeyParams{RunID: id, FirstKey: o.first, LastKey: o.last})
			return row.Key, row.Value, err
		},
		known: func(keys []string) ([]string, error) { return q.ListRunSearchKeys(ctx, keys) },
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

func matchText(pattern *string, match func(pattern string, most int32) ([]uuid.UUID, error)) func(int32) ([]uuid.UUID, error) {
	if pattern == nil {
		return nil
	}
	return func(most int32) ([]uuid.UUID, error) { return match(*pattern, most) }
}

// ListRuns serves GET /api/runs: {"runs": […], "count": …, "total": …, "next": …}.
func (s *Server) ListRuns(c echo.Context, params spec.ListRunsParams) error {
	q, err := s.runSearchOf(c.Request().Context(), params)
	if err != nil {
		return err
	}
	return s.writeRuns(c, "/api/runs", q, params)
}

// ListDatasetRuns serves GET /api/datasets/:dataset_id/runs in the shape of GET /api/runs.
func (s *Server) ListDatasetRuns(c echo.Context, datasetID string, params spec.ListDatasetRunsParams) error {
	id, err := s.datasetID(c, datasetID)
	if err != nil {
		return err
	}
	search := spec.ListRunsParams{
		RunID: params.RunID, Status: params.Status, Measurement: params.Measurement, TargetColumn: params.TargetColumn,
		RequestedBy: params.RequestedBy,
		Search:      params.Search, Metric: params.Metric, Sort: params.Sort,
		Limit: params.Limit, Offset: params.Offset, Cursor: params.Cursor, Count: (*spec.ListRunsParamsCount)(params.Count),
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
	q.datasets = []uuid.UUID{id}
	return s.writeRuns(c, "/api/datasets/"+id.String()+"/runs", q, search)
}

func (s *Server) writeRuns(c echo.Context, route string, q runSearch, params spec.ListRunsParams) error {
	page, err := pageLimits.Request(paging.Params{
		Limit: params.Limit, Offset: params.Offset, Cursor: params.Cursor, Count: (*string)(params.Count),
	}, paging.Scope(route, c.QueryParams()))
	if err != nil {
		return err
	}
	return writeFound(c, "runs", s.runFinder(c.Request().Context(), q), q.Query, page)
}

// writeFound answers one page of a search.
func writeFound[T any, P paging.Row[T]](c echo.Context, key string, f *finder[T], q metricquery.Query, page paging.Request) error {
	got, err := f.search(q, page.After, page.Page)
	if err != nil {
		return fmt.Errorf("list %s: %w", key, err)
	}
	list := paging.NewList[T, P](key, got.rows, page, nil)
	list.Warnings = got.warnings
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
	ctx := c.Request().Context()
	q, err := s.runSearchOf(ctx, spec.ListRunsParams{
		RunID: params.RunID, DatasetID: params.DatasetID, DatasetSlug: params.DatasetSlug, Symbol: params.Symbol, Status: params.Status,
		Measurement: params.Measurement, TargetColumn: params.TargetColumn, RequestedBy: params.RequestedBy, Search: params.Search,
		Metric: params.Metric, Sort: params.Sort,
	})
	if err != nil {
		return err
	}
	if !isZero(q.runFilter) || q.ids != nil || !q.Empty() {
		rows, count, err := s.runFinder(ctx, q).all(q.Query, p)
		return listRuns(c, rows, err, p, count)
	}
	rows, err := s.DB.ListRuns(ctx, db.ListRunsParams{PageSize: p.Limit, PageOffset: p.Offset})
	return listRuns(c, rows, err, p, func() (int64, error) { return s.DB.CountRuns(ctx) })
}

func listRuns[T any, P paging.Row[T]](c echo.Context, rows []T, err error, p paging.Page, count func() (int64, error)) error {
	if err != nil {
		return fmt.Errorf("list runs: %w", err)
	}
	return writeList[T, P](c, rows, p, count)
}

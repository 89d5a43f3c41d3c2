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
)

// runColumns are the JSON columns of a run whose numbers can be searched.
var runColumns = []string{"summary_metrics", "hyperparameters", "walk_config"}

// runNumbers are those of its own that are searched in the same way.
var runNumbers = []string{"duration_ms", "created_at", "started_at", "completed_at"}

// runSearch is what a list of runs is asked for.
type runSearch struct {
	dataset                          *uuid.UUID
	status                           *string
	measurement, target, requestedBy *string
	pattern                          *string
	ranges                           []metricRange
	sort                             sortOrder
}

// runSearchOf reads the filters that all lists of runs take.
func runSearchOf(dataset *string, status *spec.Status, measurement, target, requestedBy, text *string, metrics *[]string, sort *string) (f runSearch, err error) {
	if f.dataset, err = queryID("dataset_id", dataset); err != nil {
		return f, err
	}
	if f.status, err = queryStatus(status); err != nil {
		return f, err
	}
	if f.pattern, err = pattern(text); err != nil {
		return f, err
	}
	f.measurement, f.target, f.requestedBy = measurement, target, requestedBy
	f.ranges, f.sort, err = metricsOf(metrics, sort, runColumns, runNumbers)
	return f, err
}

// plain tells a search that a query of its own answers: by data set, by status, or by none.
func (f *runSearch) plain() bool {
	return f.measurement == nil && f.target == nil && f.requestedBy == nil && f.pattern == nil && len(f.ranges) == 0 && f.sort.Metric == ""
}

// onlyMetrics tells a search that nothing but metrics filters.
func (f *runSearch) onlyMetrics() bool {
	return f.dataset == nil && f.status == nil && f.measurement == nil && f.target == nil && f.requestedBy == nil && f.pattern == nil
}

func (s *Server) runFinder(ctx context.Context, f runSearch) *finder[db.SearchRunsRow] {
	q := s.DB.CustomPlans()
	return &finder[db.SearchRunsRow]{
		list: func(ranges []metricRange, ids []uuid.UUID, after *cursor, size int32, offset int64) ([]db.SearchRunsRow, error) {
			if first, others, ok := leading(ranges); ok && f.onlyMetrics() && ids == nil {
				args := db.SearchRunsByMetricParams{LeadKey: first.Key, LeadLow: first.Low, LeadHigh: first.High, PageSize: size, PageOffset: offset}
				args.MetricKeys, args.MetricWanted, args.MetricLows, args.MetricHighs = arrays(others)
				if after != nil {
					args.AfterAt, args.AfterID = &after.At, after.ID
				}
				found, err := q.SearchRunsByMetric(ctx, args)
				var rows []db.SearchRunsRow
				for _, row := range found {
					rows = append(rows, db.SearchRunsRow(row))
				}
				return rows, err
			}
			args := db.SearchRunsParams{
				DatasetID: f.dataset, Status: f.status, Measurement: f.measurement, Target: f.target, RequestedBy: f.requestedBy, Pattern: f.pattern,
				Ids: ids, PageSize: size, PageOffset: offset,
			}
			args.MetricKeys, args.MetricWanted, args.MetricLows, args.MetricHighs = arrays(ranges)
			if after != nil {
				args.AfterAt, args.AfterID = &after.At, after.ID
			}
			return q.SearchRuns(ctx, args)
		},
		sorted: func(order metricRange, descending bool, ranges []metricRange, ids []uuid.UUID, after *cursor, size int32, offset int64) ([]db.SearchRunsRow, error) {
			args := db.SortRunsByMetricParams{
				SortKey: order.Key, SortLow: order.Low, SortHigh: order.High, DatasetID: f.dataset, Status: f.status, Measurement: f.measurement,
				Target: f.target, RequestedBy: f.requestedBy, Pattern: f.pattern, Ids: ids, PageSize: size, PageOffset: offset,
			}
			args.MetricKeys, args.MetricWanted, args.MetricLows, args.MetricHighs = arrays(ranges)
			if after != nil {
				args.HasCursor, args.AfterValue, args.AfterID = true, after.Value, after.ID
			}
			var rows []db.SearchRunsRow
			if descending {
				found, err := q.SortRunsByMetricDesc(ctx, db.SortRunsByMetricDescParams(args))
				for _, row := range found {
					rows = append(rows, db.SearchRunsRow(row))
				}
				return rows, err
			}
			found, err := q.SortRunsByMetric(ctx, args)
			for _, row := range found {
				rows = append(rows, db.SearchRunsRow(row))
			}
			return rows, err
		},
		count: func(ranges []metricRange, ids []uuid.UUID, most int64) (int64, error) {
			if first, others, ok := leading(ranges); ok && f.onlyMetrics() && (ids == nil || len(others) == 0) {
				args := db.CountRunsByMetricsParams{Key: first.Key, Low: first.Low, High: first.High, MaxCount: most}
				join, test := joinable(others, nil)
				args.JoinedKeys, args.JoinedWanted, args.JoinedLows, args.JoinedHighs = arrays(join)
				args.MetricKeys, args.MetricWanted, args.MetricLows, args.MetricHighs = arrays(test)
				return q.CountRunsByMetrics(ctx, args)
			}
			args := db.CountSearchedRunsParams{
				DatasetID: f.dataset, Status: f.status, Measurement: f.measurement, Target: f.target, RequestedBy: f.requestedBy, Pattern: f.pattern,
				Ids: ids, MaxCount: most,
			}
			join, test := joinable(ranges, ids)
			args.JoinedKeys, args.JoinedWanted, args.JoinedLows, args.JoinedHighs = arrays(join)
			args.MetricKeys, args.MetricWanted, args.MetricLows, args.MetricHighs = arrays(test)
			return q.CountSearchedRuns(ctx, args)
		},
		byMetric: func(r metricRange, most int32) ([]uuid.UUID, error) {
			return q.MatchRunsByMetric(ctx, db.MatchRunsByMetricParams{Key: r.Key, Low: r.Low, High: r.High, PageSize: most})
		},
		byText: matchText(f.pattern, func(pattern string, most int32) ([]uuid.UUID, error) {
			return q.MatchRunsByText(ctx, db.MatchRunsByTextParams{Pattern: pattern, PageSize: most})
		}),
		position: func(r *db.SearchRunsRow) (time.Time, uuid.UUID) { return r.CreatedAt, r.RunID },
		column: func(r *db.SearchRunsRow, name string) json.RawMessage {
			switch name {
			case "hyperparameters":
				return r.Hyperparameters
			case "walk_config":
				return r.WalkConfig
			default:
				return r.SummaryMetrics
			}
		},
		field: func(r *db.SearchRunsRow, name string) float64 {
			if name == "duration_ms" {
				return float64(orElse(r.DurationMS, 0))
			}
			return timeField(name, r.CreatedAt, r.StartedAt, r.CompletedAt)
		},
	}
}

// timeField is one of the times of a run or a simulation by its name.
func timeField(name string, created time.Time, started, completed *time.Time) float64 {
	switch name {
	case "started_at":
		created = orElse(started, time.Time{})
	case "completed_at":
		created = orElse(completed, time.Time{})
	}
	return millisecondsOf(created)
}

func matchText(pattern *string, match func(pattern string, most int32) ([]uuid.UUID, error)) func(int32) ([]uuid.UUID, error) {
	if pattern == nil {
		return nil
	}
	return func(most int32) ([]uuid.UUID, error) { return match(*pattern, most) }
}

// ListRuns serves GET /api/runs: {"runs": […], "count": …, "total": …, "next": …}.
func (s *Server) ListRuns(c echo.Context, params spec.ListRunsParams) error {
	f, err := runSearchOf(params.DatasetID, params.Status, params.Measurement, params.TargetColumn, params.RequestedBy, params.Search, params.Metric, params.Sort)
	if err != nil {
		return err
	}
	return s.writeRuns(c, f, "/api/runs", params.Limit, params.Offset, params.Cursor, (*string)(params.Count))
}

// ListDatasetRuns serves GET /api/datasets/:dataset_id/runs in the shape of GET /api/runs.
func (s *Server) ListDatasetRuns(c echo.Context, datasetID string, params spec.ListDatasetRunsParams) error {
	id, err := pathID("dataset_id", datasetID)
	if err != nil {
		return err
	}
	f, err := runSearchOf(nil, params.Status, params.Measurement, params.TargetColumn, params.RequestedBy, params.Search, params.Metric, params.Sort)
	if err != nil {
		return err
	}
	// The version of the data set changes with its runs, so one row tells whether the caller has this list.
	version, err := s.DB.GetDatasetVersion(c.Request().Context(), id)
	if err != nil {
		return notFound(err, "data set", id)
	}
	if unchanged(c, params.IfNoneMatch, etag(version.Version, version.CreatedAt, c.Request().URL.RawQuery)) {
		return nil
	}
	f.dataset = &id
	return s.writeRuns(c, f, "/api/datasets/"+id.String()+"/runs", params.Limit, params.Offset, params.Cursor, (*string)(params.Count))
}

func (s *Server) writeRuns(c echo.Context, f runSearch, route string, limit, offset *int64, text, count *string) error {
	scope := scopeOf(route, c.QueryParams())
	p, mode, after, err := pagingOf(pageLimits, limit, offset, text, count, scope)
	if err != nil {
		return err
	}
	finder := s.runFinder(c.Request().Context(), f)
	list, err := find(finder, f.ranges, f.sort, after, p, mode, scope)
	if err != nil {
		return fmt.Errorf("list runs: %w", err)
	}
	list.key = "runs"
	return list.write(c)
}

// find searches one page and counts.
func find[T any, P interface {
	*T
	db.Appender
}](f *finder[T], ranges []metricRange, sort sortOrder, after *cursor, p page, mode counting, scope string) (*listing[T, P], error) {
	got, err := f.search(ranges, sort, after, p)
	if err != nil {
		return nil, err
	}
	list := &listing[T, P]{rows: got.rows, page: p}
	if got.next != nil {
		list.next = got.next.encode(scope)
	}
	if got.next == nil && after == nil && p.limit > 0 && (len(got.rows) > 0 || p.offset == 0) && mode != countNone {
		list.total = new(p.offset + int64(len(got.rows))) // the page ends the list
		return list, nil
	}
	list.total, list.estimate, err = mode.total(func(most int64) (int64, error) { return f.count(ranges, got.ids, most) })
	return list, err
}

// pagingOf reads what every envelope takes beside its filters.
func pagingOf(l limits, limit, offset *int64, text, count *string, scope string) (p page, mode counting, after *cursor, err error) {
	if p, err = pageOf(l, limit, offset); err != nil {
		return p, mode, nil, err
	}
	if mode, err = countingOf(count); err != nil {
		return p, mode, nil, err
	}
	after, err = cursorOf(text, scope, p)
	return p, mode, after, err
}

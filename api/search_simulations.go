package api

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/metricquery"
	"foldbook/internal/paging"
)

// simulationNumbers are the numbers of a simulation that can be searched.
var simulationNumbers = metricquery.Fields{
	Columns: []string{"summary_metrics", "config"},
	Numbers: []string{"created_at", "started_at", "completed_at"},
	Texts:   []string{"status", "mode", "input_run_measurement", "questdb_namespace"},
}

// simulationFilter holds the filters of a list of simulations other than metrics; see runFilter.
type simulationFilter struct {
	runs, datasets                        []uuid.UUID
	statuses                              []string
	mode, measurement, namespace, pattern *string
}

// simulationSearch is what a list of simulations is asked for.
type simulationSearch struct {
	simulationFilter
	metricquery.Query
}

// simulationSearchOf reads the filters that both lists of simulations take.
func (s *Server) simulationSearchOf(ctx context.Context, p spec.ListSimulationsParams) (q simulationSearch, err error) {
	q.simulationFilter = simulationFilter{mode: (*string)(p.Mode), measurement: p.Measurement, namespace: p.Namespace}
	if q.runs, err = queryIDs("run_id", p.RunID); err != nil {
		return q, err
	}
	if q.statuses, err = queryStatus(p.Status); err != nil {
		return q, err
	}
	if q.mode != nil && *q.mode != "long" && *q.mode != "short" && *q.mode != "dual" {
		return q, spec.InvalidParameter("mode", "is not long, short or dual")
	}
	if q.pattern, err = pattern(p.Search); err != nil {
		return q, err
	}
	if q.Query, err = simulationNumbers.Parse(p.Metric, p.Sort); err != nil {
		return q, err
	}
	q.datasets, err = s.datasetsOf(ctx, p.DatasetID, p.DatasetSlug, p.Symbol)
	return q, err
}

func (s *Server) simulationFinder(ctx context.Context, f simulationSearch) *finder[db.SimulationRun] {
	q, plain := s.DB.CustomPlans(), isZero(f.simulationFilter)
	return &finder[db.SimulationRun]{
		what: "simulation",
		list: func(ranges []metricquery.Range, w window) ([]db.SimulationRun, error) {
			if first, others, ok := metricquery.Leading(ranges); ok && plain && w.ids == nil {
				m := metricquery.ListsOf(others)
				return q.SearchSimulationsByMetric(ctx, db.SearchSimulationsByMetricParams{
					LeadKey: first.Key, LeadLow: first.Low, LeadHigh: first.High,
					MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs,
					AfterAt: w.afterAt(), AfterID: w.cursor().ID, PageSize: w.size, PageOffset: w.offset,
				})
			}
			m := metricquery.ListsOf(ranges)
			return q.SearchSimulations(ctx, db.SearchSimulationsParams{
				RunIds: f.runs, DatasetIds: f.datasets, Statuses: f.statuses, Mode: f.mode, Measurement: f.measurement, Namespace: f.namespace,
				Pattern:    f.pattern,
				MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs,
				Ids: w.ids, AfterAt: w.afterAt(), AfterID: w.cursor().ID, PageSize: w.size, PageOffset: w.offset,
			})
		},
		sorted: func(o order, ranges []metricquery.Range, w window) ([]db.SimulationRun, error) {
			m, after := metricquery.ListsOf(ranges), w.cursor()
			args := db.SortSimulationsByMetricParams{
				FirstKey: o.first, LastKey: o.last, SortLow: o.low, SortHigh: o.high,
				RunIds: f.runs, DatasetIds: f.datasets, Statuses: f.statuses, Mode: f.mode, Measurement: f.measurement, Namespace: f.namespace,
				Pattern:    f.pattern,
				MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs, Ids: w.ids,
				HasCursor: w.after != nil, AfterKey: o.first + after.Key, AfterValue: after.Value, AfterID: after.ID,
				PageSize: w.size, PageOffset: w.offset,
			}
			if o.descending {
				return q.SortSimulationsByMetricDesc(ctx, db.SortSimulationsByMetricDescParams(args))
			}
			return q.SortSimulationsByMetric(ctx, args)
		},
		count: func(ranges []metricquery.Range, ids []uuid.UUID, most int64) (int64, error) {
			if first, others, ok := metricquery.Leading(ranges); ok && plain && (ids == nil || len(others) == 0) {
				j, m := joinable(others, nil)
				return q.CountSimulationsByMetrics(ctx, db.CountSimulationsByMetricsParams{
					Key: first.Key, Low: first.Low, High: first.High, MaxCount: most,
					JoinedKeys: j.Keys, JoinedWanted: j.Wanted, JoinedLows: j.Lows, JoinedHighs: j.Highs,
					MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs,
				})
			}
			j, m := joinable(ranges, ids)
			return q.CountSearchedSimulations(ctx, db.CountSearchedSimulationsParams{
				RunIds: f.runs, DatasetIds: f.datasets, Statuses: f.statuses, Mode: f.mode, Measurement: f.measurement, Namespace: f.namespace,
				Pattern:    f.pattern,
				JoinedKeys: j.Keys, JoinedWanted: j.Wanted, JoinedLows: j.Lows, JoinedHighs: j.Highs,
				MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs, Ids: ids, MaxCount: most,
			})
		},
		byMetric: func(r metricquery.Range, most int32) ([]uuid.UUID, error) {
			return q.MatchSimulationsByMetric(ctx, db.MatchSimulationsByMetricParams{Key: r.Key, Low: r.Low, High: r.High, PageSize: most})
		},
		byText: matchText(f.pattern, func(pattern string, most int32) ([]uuid.UUID, error) {
			return q.MatchSimulationsByText(ctx, db.MatchSimulationsByTextParams{Pattern: pattern, PageSize: most})
		}),
		position: func(r *db.SimulationRun) (time.Time, uuid.UUID) { return r.CreatedAt, r.SimulationID },
		sortKey: func(id uuid.UUID, o order) (string, float64, error) {
			row, err := q.GetSimulationSortKey(ctx, db.GetSimulationSortKeyParams{SimulationID: id, FirstKey: o.first, LastKey: o.last})
			return row.Key, row.Value, err
		},
		known: func(keys []string) ([]string, error) { return q.ListSimulationSearchKeys(ctx, keys) },
	}
}

// ListSimulations serves GET /api/simulations: {"simulations": […], "count": …, "total": …, "next": …}.
func (s *Server) ListSimulations(c echo.Context, params spec.ListSimulationsParams) error {
	q, err := s.simulationSearchOf(c.Request().Context(), params)
	if err != nil {
		return err
	}
	page, err := pageLimits.Request(paging.Params{
		Limit: params.Limit, Offset: params.Offset, Cursor: params.Cursor, Count: (*string)(params.Count),
	}, paging.Scope("/api/simulations", c.QueryParams()))
	if err != nil {
		return err
	}
	return writeFound(c, "simulations", s.simulationFinder(c.Request().Context(), q), q.Query, page)
}

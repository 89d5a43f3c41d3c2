package api

import (
	"context"
	"encoding/json"
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
}

// simulationFilter holds the filters of a list of simulations other than numbers; see runFilter.
type simulationFilter struct {
	run, dataset                                  *uuid.UUID
	status, mode, measurement, namespace, pattern *string
}

// simulationSearchOf reads the filters that both lists of simulations take.
func simulationSearchOf(p spec.ListSimulationsParams) (f simulationFilter, q metricquery.Query, err error) {
	f = simulationFilter{mode: (*string)(p.Mode), measurement: p.Measurement, namespace: p.Namespace}
	if f.run, err = queryID("run_id", p.RunID); err != nil {
		return f, q, err
	}
	if f.dataset, err = queryID("dataset_id", p.DatasetID); err != nil {
		return f, q, err
	}
	if f.status, err = queryStatus(p.Status); err != nil {
		return f, q, err
	}
	if f.mode != nil && *f.mode != "long" && *f.mode != "short" && *f.mode != "dual" {
		return f, q, spec.InvalidParameter("mode", "is not long, short or dual")
	}
	if f.pattern, err = pattern(p.Search); err != nil {
		return f, q, err
	}
	q, err = simulationNumbers.Parse(p.Metric, p.Sort)
	return f, q, err
}

func (s *Server) simulationFinder(ctx context.Context, f simulationFilter) *finder[db.SimulationRun] {
	q := s.DB.CustomPlans()
	return &finder[db.SimulationRun]{
		list: func(ranges []metricquery.Range, w window) ([]db.SimulationRun, error) {
			if first, others, ok := metricquery.Leading(ranges); ok && f == (simulationFilter{}) && w.ids == nil {
				m := metricquery.ListsOf(others)
				return q.SearchSimulationsByMetric(ctx, db.SearchSimulationsByMetricParams{
					LeadKey: first.Key, LeadLow: first.Low, LeadHigh: first.High,
					MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs,
					AfterAt: w.afterAt(), AfterID: w.afterID(), PageSize: w.size, PageOffset: w.offset,
				})
			}
			m := metricquery.ListsOf(ranges)
			return q.SearchSimulations(ctx, db.SearchSimulationsParams{
				RunID: f.run, DatasetID: f.dataset, Status: f.status, Mode: f.mode, Measurement: f.measurement, Namespace: f.namespace, Pattern: f.pattern,
				MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs,
				Ids: w.ids, AfterAt: w.afterAt(), AfterID: w.afterID(), PageSize: w.size, PageOffset: w.offset,
			})
		},
		sorted: func(order metricquery.Range, descending bool, ranges []metricquery.Range, w window) ([]db.SimulationRun, error) {
			m := metricquery.ListsOf(ranges)
			args := db.SortSimulationsByMetricParams{
				SortKey: order.Key, SortLow: order.Low, SortHigh: order.High,
				RunID: f.run, DatasetID: f.dataset, Status: f.status, Mode: f.mode, Measurement: f.measurement, Namespace: f.namespace, Pattern: f.pattern,
				MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs,
				Ids: w.ids, HasCursor: w.after != nil, AfterValue: w.afterValue(), AfterID: w.afterID(), PageSize: w.size, PageOffset: w.offset,
			}
			if descending {
				return q.SortSimulationsByMetricDesc(ctx, db.SortSimulationsByMetricDescParams(args))
			}
			return q.SortSimulationsByMetric(ctx, args)
		},
		count: func(ranges []metricquery.Range, ids []uuid.UUID, most int64) (int64, error) {
			if first, others, ok := metricquery.Leading(ranges); ok && f == (simulationFilter{}) && (ids == nil || len(others) == 0) {
				j, m := joinable(others, nil)
				return q.CountSimulationsByMetrics(ctx, db.CountSimulationsByMetricsParams{
					Key: first.Key, Low: first.Low, High: first.High, MaxCount: most,
					JoinedKeys: j.Keys, JoinedWanted: j.Wanted, JoinedLows: j.Lows, JoinedHighs: j.Highs,
					MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs,
				})
			}
			j, m := joinable(ranges, ids)
			return q.CountSearchedSimulations(ctx, db.CountSearchedSimulationsParams{
				RunID: f.run, DatasetID: f.dataset, Status: f.status, Mode: f.mode, Measurement: f.measurement, Namespace: f.namespace, Pattern: f.pattern,
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
		column: func(r *db.SimulationRun, name string) json.RawMessage {
			if name == "config" {
				return r.Config
			}
			return r.SummaryMetrics
		},
		field: func(r *db.SimulationRun, name string) float64 {
			return timeField(name, r.CreatedAt, r.StartedAt, r.CompletedAt)
		},
	}
}

// ListSimulations serves GET /api/simulations: {"simulations": […], "count": …, "total": …, "next": …}.
func (s *Server) ListSimulations(c echo.Context, params spec.ListSimulationsParams) error {
	f, q, err := simulationSearchOf(params)
	if err != nil {
		return err
	}
	page, err := pageLimits.Request(paging.Params{
		Limit: params.Limit, Offset: params.Offset, Cursor: params.Cursor, Count: (*string)(params.Count),
	}, paging.Scope("/api/simulations", c.QueryParams()))
	if err != nil {
		return err
	}
	return writeFound(c, "simulations", s.simulationFinder(c.Request().Context(), f), q, page)
}

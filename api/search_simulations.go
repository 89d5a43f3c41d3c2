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

// simulationColumns are the JSON columns of a simulation whose numbers can be searched.
var simulationColumns = []string{"summary_metrics", "config"}

// simulationNumbers are those of its own that are searched in the same way.
var simulationNumbers = []string{"created_at", "started_at", "completed_at"}

// simulationSearch is what a list of simulations is asked for.
type simulationSearch struct {
	run, dataset           *uuid.UUID
	status, mode           *string
	measurement, namespace *string
	pattern                *string
	ranges                 []metricRange
	sort                   sortOrder
}

// simulationSearchOf reads the filters that both lists of simulations take.
func simulationSearchOf(run, dataset *string, status *spec.Status, mode, measurement, namespace, text *string, metrics *[]string, sort *string) (f simulationSearch, err error) {
	if f.run, err = queryID("run_id", run); err != nil {
		return f, err
	}
	if f.dataset, err = queryID("dataset_id", dataset); err != nil {
		return f, err
	}
	if f.status, err = queryStatus(status); err != nil {
		return f, err
	}
	if mode != nil && *mode != "long" && *mode != "short" && *mode != "dual" {
		return f, spec.InvalidParameter("mode", "is not long, short or dual")
	}
	if f.pattern, err = pattern(text); err != nil {
		return f, err
	}
	f.mode, f.measurement, f.namespace = mode, measurement, namespace
	f.ranges, f.sort, err = metricsOf(metrics, sort, simulationColumns, simulationNumbers)
	return f, err
}

// plain tells a search that a query of its own answers: by run, by data set, by status, or by none.
func (f *simulationSearch) plain() bool {
	return f.mode == nil && f.measurement == nil && f.namespace == nil && f.pattern == nil && len(f.ranges) == 0 && f.sort.Metric == ""
}

// onlyMetrics tells a search that nothing but metrics filters.
func (f *simulationSearch) onlyMetrics() bool {
	return f.run == nil && f.dataset == nil && f.status == nil && f.mode == nil && f.measurement == nil && f.namespace == nil && f.pattern == nil
}

func (s *Server) simulationFinder(ctx context.Context, f simulationSearch) *finder[db.SimulationRun] {
	q := s.DB.CustomPlans()
	return &finder[db.SimulationRun]{
		list: func(ranges []metricRange, ids []uuid.UUID, after *cursor, size int32, offset int64) ([]db.SimulationRun, error) {
			if first, others, ok := leading(ranges); ok && f.onlyMetrics() && ids == nil {
				args := db.SearchSimulationsByMetricParams{LeadKey: first.Key, LeadLow: first.Low, LeadHigh: first.High, PageSize: size, PageOffset: offset}
				args.MetricKeys, args.MetricWanted, args.MetricLows, args.MetricHighs = arrays(others)
				if after != nil {
					args.AfterAt, args.AfterID = &after.At, after.ID
				}
				return q.SearchSimulationsByMetric(ctx, args)
			}
			args := db.SearchSimulationsParams{
				RunID: f.run, DatasetID: f.dataset, Status: f.status, Mode: f.mode, Measurement: f.measurement, Namespace: f.namespace, Pattern: f.pattern,
				Ids: ids, PageSize: size, PageOffset: offset,
			}
			args.MetricKeys, args.MetricWanted, args.MetricLows, args.MetricHighs = arrays(ranges)
			if after != nil {
				args.AfterAt, args.AfterID = &after.At, after.ID
			}
			return q.SearchSimulations(ctx, args)
		},
		sorted: func(order metricRange, descending bool, ranges []metricRange, ids []uuid.UUID, after *cursor, size int32, offset int64) ([]db.SimulationRun, error) {
			args := db.SortSimulationsByMetricParams{
				SortKey: order.Key, SortLow: order.Low, SortHigh: order.High, RunID: f.run, DatasetID: f.dataset, Status: f.status, Mode: f.mode,
				Measurement: f.measurement, Namespace: f.namespace, Pattern: f.pattern, Ids: ids, PageSize: size, PageOffset: offset,
			}
			args.MetricKeys, args.MetricWanted, args.MetricLows, args.MetricHighs = arrays(ranges)
			if after != nil {
				args.HasCursor, args.AfterValue, args.AfterID = true, after.Value, after.ID
			}
			if descending {
				return q.SortSimulationsByMetricDesc(ctx, db.SortSimulationsByMetricDescParams(args))
			}
			return q.SortSimulationsByMetric(ctx, args)
		},
		count: func(ranges []metricRange, ids []uuid.UUID, most int64) (int64, error) {
			if first, others, ok := leading(ranges); ok && f.onlyMetrics() && (ids == nil || len(others) == 0) {
				args := db.CountSimulationsByMetricsParams{Key: first.Key, Low: first.Low, High: first.High, MaxCount: most}
				join, test := joinable(others, nil)
				args.JoinedKeys, args.JoinedWanted, args.JoinedLows, args.JoinedHighs = arrays(join)
				args.MetricKeys, args.MetricWanted, args.MetricLows, args.MetricHighs = arrays(test)
				return q.CountSimulationsByMetrics(ctx, args)
			}
			args := db.CountSearchedSimulationsParams{
				RunID: f.run, DatasetID: f.dataset, Status: f.status, Mode: f.mode, Measurement: f.measurement, Namespace: f.namespace, Pattern: f.pattern,
				Ids: ids, MaxCount: most,
			}
			join, test := joinable(ranges, ids)
			args.JoinedKeys, args.JoinedWanted, args.JoinedLows, args.JoinedHighs = arrays(join)
			args.MetricKeys, args.MetricWanted, args.MetricLows, args.MetricHighs = arrays(test)
			return q.CountSearchedSimulations(ctx, args)
		},
		byMetric: func(r metricRange, most int32) ([]uuid.UUID, error) {
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
	f, err := simulationSearchOf(params.RunID, params.DatasetID, params.Status, (*string)(params.Mode), params.Measurement, params.Namespace, params.Search, params.Metric, params.Sort)
	if err != nil {
		return err
	}
	scope := scopeOf("/api/simulations", c.QueryParams())
	p, mode, after, err := pagingOf(pageLimits, params.Limit, params.Offset, params.Cursor, (*string)(params.Count), scope)
	if err != nil {
		return err
	}
	list, err := find(s.simulationFinder(c.Request().Context(), f), f.ranges, f.sort, after, p, mode, scope)
	if err != nil {
		return fmt.Errorf("list simulations: %w", err)
	}
	list.key = "simulations"
	return list.write(c)
}

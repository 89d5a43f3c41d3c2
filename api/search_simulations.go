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
	Columns: []string{"summary_metrics", "config", "cost_model"},
	Numbers: []string{"created_at", "started_at", "completed_at", "initial_capital"},
	Texts:   []string{"status", "mode", "input_run_measurement", "questdb_namespace", "run_id", "dataset_slug", "symbol", "name"},
}

// simulationSearchOf reads the filters that both lists of simulations take.
func (s *Server) simulationSearchOf(ctx context.Context, p spec.ListSimulationsParams) (q search, err error) {
	if q.Query, err = simulationNumbers.Parse(p.Metric, p.Sort); err != nil {
		return q, err
	}
	if q.pattern, err = pattern(p.Search); err != nil {
		return q, err
	}
	runs, err := queryIDs("run_id", p.RunID)
	if err != nil {
		return q, err
	}
	if runs != nil {
		q.where("run_id", new(texts(runs)))
	}
	if mode := (*string)(p.Mode); mode != nil && *mode != "long" && *mode != "short" && *mode != "dual" {
		return q, spec.InvalidParameter("mode", "is not long, short or dual")
	}
	q.where("mode", one((*string)(p.Mode)))
	q.where("input_run_measurement", one(p.Measurement))
	q.where("questdb_namespace", one(p.Namespace))
	q.where("name", one(p.Name))
	q.whereEach("tags", p.Tags)
	return q, s.whereAll(ctx, &q, p.Status, p.DatasetID, p.DatasetSlug, p.Symbol)
}

func simulationFinder(ctx context.Context, s *Server, search search) *finder[db.SimulationRun] {
	q := s.DB.CustomPlans()
	return &finder[db.SimulationRun]{ctx: ctx, search: search, searches: searches[db.SimulationRun]{
		what: "simulation",
		list: func(ctx context.Context, p db.SearchRunsParams) ([]db.SimulationRun, error) {
			return q.SearchSimulations(ctx, db.SearchSimulationsParams(p))
		},
		byMetric: func(ctx context.Context, p db.SearchRunsByMetricParams) ([]db.SimulationRun, error) {
			return q.SearchSimulationsByMetric(ctx, db.SearchSimulationsByMetricParams(p))
		},
		ascending: func(ctx context.Context, p db.SortRunsByMetricParams) ([]db.SimulationRun, error) {
			return q.SortSimulationsByMetric(ctx, db.SortSimulationsByMetricParams(p))
		},
		descending: func(ctx context.Context, p db.SortRunsByMetricParams) ([]db.SimulationRun, error) {
			return q.SortSimulationsByMetricDesc(ctx, db.SortSimulationsByMetricDescParams(p))
		},
		count: func(ctx context.Context, p db.CountSearchedRunsParams) (int64, error) {
			return q.CountSearchedSimulations(ctx, db.CountSearchedSimulationsParams(p))
		},
		countByMetrics: func(ctx context.Context, p db.CountRunsByMetricsParams) (int64, error) {
			return q.CountSimulationsByMetrics(ctx, db.CountSimulationsByMetricsParams(p))
		},
		match: func(ctx context.Context, p db.MatchRunsByMetricsParams) ([]uuid.UUID, error) {
			return q.MatchSimulationsByMetrics(ctx, db.MatchSimulationsByMetricsParams(p))
		},
		matchText: func(ctx context.Context, p db.MatchRunsByTextParams) ([]uuid.UUID, error) {
			return q.MatchSimulationsByText(ctx, db.MatchSimulationsByTextParams(p))
		},
		position: func(r *db.SimulationRun) (time.Time, uuid.UUID) { return r.CreatedAt, r.SimulationID },
		sortKey: func(ctx context.Context, p db.GetRunSortKeyParams) (db.GetRunSortKeyRow, error) {
			row, err := q.GetSimulationSortKey(ctx, db.GetSimulationSortKeyParams{
				SimulationID: p.RunID, FirstKey: p.FirstKey, LastKey: p.LastKey,
			})
			return db.GetRunSortKeyRow(row), err
		},
		known: q.ListSimulationSearchKeys,
	}}
}

// ListSimulations serves GET /api/simulations: {"simulations": […], "count": …, "total": …, "next": …}.
func (s *Server) ListSimulations(c echo.Context, params spec.ListSimulationsParams) error {
	s.tellEvents(c)
	q, err := s.simulationSearchOf(c.Request().Context(), params)
	if err != nil {
		return err
	}
	return s.writeSimulations(c, "/api/simulations", q, params)
}

// ListRunSimulations serves GET /api/runs/:run_id/simulations in the shape of GET /api/simulations.
func (s *Server) ListRunSimulations(c echo.Context, runID string, params spec.ListRunSimulationsParams) error {
	id, err := pathID("run_id", runID)
	if err != nil {
		return err
	}
	search := spec.ListSimulationsParams{
		RunID:     new(texts([]uuid.UUID{id})),
		DatasetID: params.DatasetID, DatasetSlug: params.DatasetSlug, Symbol: params.Symbol, Status: params.Status,
		Mode: params.Mode, Measurement: params.Measurement, Namespace: params.Namespace,
		Search: params.Search, Metric: params.Metric, Sort: params.Sort,
		Limit: params.Limit, Offset: params.Offset, Cursor: params.Cursor, Count: (*spec.ListSimulationsParamsCount)(params.Count),
		Fields: params.Fields, Format: params.Format,
	}
	ctx := c.Request().Context()
	q, err := s.simulationSearchOf(ctx, search)
	if err != nil {
		return err
	}
	if _, err := s.DB.GetRunVersion(ctx, id); err != nil {
		return notFound(err, "run", id)
	}
	return s.writeSimulations(c, "/api/runs/"+id.String()+"/simulations", q, search)
}

func (s *Server) writeSimulations(c echo.Context, route string, q search, params spec.ListSimulationsParams) error {
	page, err := pageLimits.Request(paging.Params{
		Limit: params.Limit, Offset: params.Offset, Cursor: params.Cursor,
		Count: (*string)(params.Count), Fields: params.Fields, Format: params.Format,
	}, paging.Scope(route, c.QueryParams()), (*db.SimulationRun)(nil).Columns())
	if err != nil {
		return err
	}
	return writeFound(c, "simulations", simulationFinder(c.Request().Context(), s, q), page)
}

package api

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/rowstream"
	"foldbook/internal/series"
)

// ListPredictions serves GET /api/runs/:run_id/predictions: CSV, or {"run_id": …, "columns": […], "dataset": [[…]], "count":
// …, …}.
func (s *Server) ListPredictions(c echo.Context, runID string, params spec.ListPredictionsParams) error {
	usual := spec.Csv
	if params.With != nil || params.Shape != nil {
		usual = spec.JSON
	}
	return s.listPredictions(c, runID, params, usual)
}

// ListRunPredictions serves GET /api/walkforward/runs/:run_id/predictions: the same, but JSON by default.
func (s *Server) ListRunPredictions(c echo.Context, runID string, params spec.ListRunPredictionsParams) error {
	return s.listPredictions(c, runID, spec.ListPredictionsParams{
		Fold: params.Fold, With: (*spec.ListPredictionsParamsWith)(params.With), StartTS: params.StartTS, EndTS: params.EndTS,
		StartTimestamp: params.StartTimestamp, EndTimestamp: params.EndTimestamp, StartIndex: params.StartIndex, EndIndex: params.EndIndex,
		Columns: params.Columns, Desc: params.Desc, Limit: params.Limit, Offset: params.Offset, Cursor: params.Cursor, Format: params.Format,
		Shape: params.Shape, Points: params.Points, Width: params.Width,
	}, spec.JSON)
}

func (s *Server) listPredictions(c echo.Context, runID string, params spec.ListPredictionsParams, usual spec.Format) error {
	route := predictionsRoute
	route.usual = usual
	a, err := route.read(c, rowQuery{
		StartTS: params.StartTS, EndTS: params.EndTS, StartTimestamp: params.StartTimestamp, EndTimestamp: params.EndTimestamp,
		StartIndex: params.StartIndex, EndIndex: params.EndIndex, Columns: params.Columns, Desc: params.Desc, Limit: params.Limit,
		Offset: params.Offset, Cursor: params.Cursor, Format: params.Format,
		Shape: params.Shape, Points: params.Points, Width: params.Width,
	})
	if err != nil {
		return err
	}
	if params.With != nil && (!params.With.Valid() || a.format != spec.JSON) {
		return spec.InvalidParameter("with", "is not folds, or cannot be combined with this format: only JSON can include them")
	}
	id, err := pathID("run_id", runID)
	if err != nil {
		return err
	}
	if err := s.openPredictions(c.Request().Context(), id, params, a); err != nil {
		return err
	}
	return s.listRows(c, a)
}

// openPredictions finds the predictions of a run, and its folds if they are wanted.
func (s *Server) openPredictions(ctx context.Context, id uuid.UUID, params spec.ListPredictionsParams, a *rowAnswer) error {
	row, err := s.DB.GetRunSeries(ctx, id)
	if err != nil {
		return notFound(err, "run", id)
	}
	found, err := s.open(ctx, series.Predictions, row.PredictionMeasurement, nil, id.String(), row.RunName)
	if err == nil {
		err = found.OnlyFold(params.Fold)
	}
	if err != nil {
		return err
	}
	a.series = found
	if a.columns, err = found.PredictionColumns(params.Columns); err != nil {
		return err
	}
	a.head = func(b []byte) []byte { return rowstream.AppendMember(b, "run_id", id.String()) }
	a.adapt = func(scan *series.Scan) rowstream.Rows { return series.FoldNumbers(scan, a.columns) }
	if params.With != nil {
		folds, err := s.DB.ListFoldBounds(ctx, id)
		if err != nil {
			return fmt.Errorf("list the folds of run %s: %w", id, err)
		}
		a.tail = func(_ *streamClock, b []byte, _ int64, _ rowstream.End) ([]byte, error) {
			return db.AppendRows(append(b, `,"folds":`...), folds), nil
		}
	}
	return nil
}

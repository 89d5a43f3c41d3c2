package api

import (
	"fmt"
	"strconv"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/series"
	"foldbook/questdb"
)

// ListPredictions serves GET /api/runs/:run_id/predictions: CSV, or {"run_id": …, "columns": […], "dataset": [[…]], "count": …, …}.
func (s *Server) ListPredictions(c echo.Context, runID string, params spec.ListPredictionsParams) error {
	usual := spec.Csv
	if params.With != nil {
		usual = spec.JSON
	}
	return s.listPredictions(c, runID, params, usual)
}

// ListRunPredictions serves GET /api/walkforward/runs/:run_id/predictions: the same, but JSON unless told.
func (s *Server) ListRunPredictions(c echo.Context, runID string, params spec.ListRunPredictionsParams) error {
	return s.listPredictions(c, runID, spec.ListPredictionsParams{
		Fold: params.Fold, With: (*spec.ListPredictionsParamsWith)(params.With), StartTS: params.StartTS, EndTS: params.EndTS,
		StartTimestamp: params.StartTimestamp, EndTimestamp: params.EndTimestamp, StartIndex: params.StartIndex, EndIndex: params.EndIndex,
		Columns: params.Columns, Desc: params.Desc, Limit: params.Limit, Offset: params.Offset, Cursor: params.Cursor, Format: params.Format,
	}, spec.JSON)
}

func (s *Server) listPredictions(c echo.Context, runID string, params spec.ListPredictionsParams, usual spec.Format) error {
	format, err := formatOf(params.Format, c.Request(), usual)
	if err != nil {
		return err
	}
	at, err := rangeOf(c, rowQuery{
		params.StartTS, params.EndTS, params.StartTimestamp, params.EndTimestamp, params.StartIndex, params.EndIndex,
		params.Columns, params.Desc, params.Limit, params.Offset, params.Cursor,
	}, predictionLimits, format)
	if err != nil {
		return err
	}
	withFolds := params.With != nil
	if withFolds && (!params.With.Valid() || format != spec.JSON) {
		return spec.InvalidParameter("with", "is not folds, or does not go with this format: only JSON has a place for them")
	}
	id, err := pathID("run_id", runID)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	row, err := s.DB.GetRunSeries(ctx, id)
	if err != nil {
		return notFound(err, "run", id)
	}
	r, err := s.open(ctx, series.Predictions, row.PredictionMeasurement, id.String(), row.RunName)
	if err != nil {
		return err
	}
	if err := r.onlyFold(params.Fold); err != nil {
		return err
	}
	columns, err := r.predictions(params.Columns)
	if err != nil {
		return err
	}
	var folds []db.ListFoldBoundsRow
	if withFolds {
		if folds, err = s.DB.ListFoldBounds(ctx, id); err != nil {
			return fmt.Errorf("list the folds of run %s: %w", id, err)
		}
	}
	clock := s.streamClock(c)
	defer clock.cancel()
	if format == spec.Parquet {
		return s.sendParquet(c, clock, r, columns, at)
	}
	source, err := r.scan(clock, columns, at)
	if err != nil {
		return err
	}
	source.adapt = numbered(columns)
	return s.writeRows(c, clock, &rowAnswer{
		fields: fieldsOf(columns), source: source, format: format, file: r.table.Name, key: "dataset", arrays: true,
		head: func(b []byte) []byte {
			return member(member(b, "run_id", id.String()), "measurement", r.table.Name)
		},
		end: func(count int64) (rowEnd, error) {
			e, err := r.end(clock, at, source, count)
			e.tail = func(b []byte) []byte {
				b = at.tail(b, count, e)
				if withFolds {
					b = db.AppendRows(append(b, `,"folds":`...), folds)
				}
				return b
			}
			return e, err
		},
	})
}

// onlyFold narrows predictions to those of one fold.
func (r *seriesRows) onlyFold(fold *int64) error {
	if fold == nil {
		return nil
	}
	if *fold < 0 {
		return spec.InvalidParameter("fold", "is below 0")
	}
	column, ok := r.table.First("fold_number", "fold")
	if !ok {
		return spec.InvalidParameter("fold", "needs a column fold_number or fold, which the table does not have")
	}
	r.where = append(r.where, questdb.Match{Column: column.Name, Values: []string{strconv.FormatInt(*fold, 10)}})
	return nil
}

// numbered makes numbers of fold numbers that the table has as symbols; nil when there is nothing to do.
func numbered(columns []seriesColumn) func(*questdb.Batch) {
	for i, c := range columns {
		if c.name != "fold_number" {
			continue
		}
		return func(b *questdb.Batch) {
			v := &b.Columns[i]
			texts := *v
			switch texts.Kind {
			case questdb.Float:
				*v = questdb.Vector{Kind: questdb.Int}
				for row, x := range texts.Floats {
					v.PutInt(int64(x), !texts.Null(row))
				}
			case questdb.Text:
				*v = questdb.Vector{Kind: questdb.Int}
				for row := range b.N {
					n, err := strconv.ParseInt(string(texts.Cell(row)), 10, 64)
					v.PutInt(n, err == nil && !texts.Null(row))
				}
			}
		}
	}
	return nil
}

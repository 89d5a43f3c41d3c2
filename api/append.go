package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/rowread"
	"foldbook/internal/series"
	"foldbook/questdb"
)

const (
	// maxAppends is how many requests write rows at a time: each may hold some 100 MB.
	maxAppends = 4
	// maxCells is the most cells of one request, of eight bytes each.
	maxCells = 8 << 20
)

var (
	errNotCounted = &spec.Problem{Status: http.StatusServiceUnavailable, Code: spec.ErrorCodeDatabaseUnavailable,
		Message: "the rows are stored, but what the database says of them could not be brought up to date: repeat the request, which stores nothing twice"}
	errChanged = &spec.Problem{Status: http.StatusConflict, Code: spec.ErrorCodeConflict, Message: "QuestDB does not take the rows, because the table was changed meanwhile: repeat the request"}
)

// AppendOhlcv serves POST /api/datasets/:dataset_id/ohlcv/append: {"success": true, "rows_written": …, "measurement": …}.
func (s *Server) AppendOhlcv(c echo.Context, datasetID string, params spec.AppendOhlcvParams) error {
	return s.appendToDataset(c, datasetID, series.Bars, isTrue(params.DryRun))
}

// AppendIndicators serves POST /api/datasets/:dataset_id/indicators/append, which answers as AppendOhlcv does.
func (s *Server) AppendIndicators(c echo.Context, datasetID string, params spec.AppendIndicatorsParams) error {
	return s.appendToDataset(c, datasetID, series.Indicators, isTrue(params.DryRun))
}

func (s *Server) appendToDataset(c echo.Context, datasetID string, kind series.Kind, dryRun bool) error {
	id, err := pathID("dataset_id", datasetID)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	var row db.IndicatorDataset
	if err := retry(ctx, transient, func() (err error) { row, err = s.DB.GetDataset(ctx, id); return err }); err != nil {
		return notFound(err, "data set", id)
	}
	measurement, field := row.QuestDBMeasurement, "indicator_measurement"
	if kind == series.Bars {
		measurement, field = orElse(row.OhlcvMeasurement, series.BarsName(row.QuestDBTag)), "ohlcv_measurement"
	}
	interval := series.BarLength(row.BarIntervalMS, row.Granularity)
	d, err := s.destination(ctx, kind, measurement, field, row.QuestDBTag)
	if err != nil {
		return err
	}
	d.spec = func(name string, interval time.Duration) questdb.Spec {
		if kind == series.Bars {
			return questdb.BarsSpec(name, interval)
		}
		return questdb.IndicatorsSpec(name, interval)
	}
	d.interval = interval
	if d.place.Shared {
		d.mark("dataset", row.QuestDBTag, true)
		d.mark("source", row.Source, false)
		d.mark("granularity", row.Granularity, false)
	}
	return s.append(c, d, dryRun, func(ctx context.Context, added []string) (counted series.Counted, err error) {
		err = s.transact(ctx, false, func(ctx context.Context, q *db.Queries) (err error) {
			if kind == series.Bars {
				counted, err = series.RefreshBars(ctx, q, s.QuestDB, id)
			} else {
				counted, err = series.RefreshIndicators(ctx, q, s.QuestDB, id, added...)
			}
			if errors.Is(err, pgx.ErrNoRows) {
				return spec.NoSuch("data set", id)
			}
			return err
		})
		if err != nil || kind == series.Bars {
			return counted, err
		}
		return s.fillFolds(ctx, id, counted)
	})
}

// fillFolds fills the times of folds whose rows are there now.
func (s *Server) fillFolds(ctx context.Context, dataset uuid.UUID, counted series.Counted) (series.Counted, error) {
	n, err := series.FillFolds(ctx, s.DB, s.QuestDB, dataset, func(f func(context.Context, *db.Queries) error) error {
		return s.transact(ctx, false, f)
	})
	if n == 0 || err != nil {
		return counted, err
	}
	row, err := s.DB.GetDatasetVersion(ctx, dataset) // which each of the runs has raised
	counted.Version = row.Version
	return counted, err
}

// timeFolds fills the times of folds before they are stored, if QuestDB has them at hand; else they can come later.
func (s *Server) timeFolds(c echo.Context, dataset uuid.UUID, folds []db.CopyFoldsParams) {
	if err := series.TimeFolds(c.Request().Context(), s.DB, s.QuestDB, dataset, folds); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		s.Log.Warn("folds are stored without times: they could not be looked up", "cause", err.Error())
	}
}

// AppendPredictions serves POST /api/runs/:run_id/predictions: {"success": true, "rows_written": …, "measurement": …}.
func (s *Server) AppendPredictions(c echo.Context, runID string, params spec.AppendPredictionsParams) error {
	id, err := pathID("run_id", runID)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	var row db.GetRunDestinationRow
	if err := retry(ctx, transient, func() (err error) { row, err = s.DB.GetRunDestination(ctx, id); return err }); err != nil {
		return notFound(err, "run", id)
	}
	d, err := s.destination(ctx, series.Predictions, row.PredictionMeasurement, "prediction_measurement", id.String())
	if err != nil {
		return err
	}
	d.spec = func(name string, _ time.Duration) questdb.Spec { return questdb.PredictionsSpec(name) }
	d.same = [][]string{questdb.FoldColumns, questdb.PredictionColumns, questdb.TargetColumns, questdb.ScoreColumns}
	if d.place.Shared {
		d.mark("run_id", id.String(), true)
		d.mark("dataset", row.DatasetSlug, true)
		d.mark("target", row.TargetColumn, true)
	}
	return s.append(c, d, isTrue(params.DryRun), func(ctx context.Context, _ []string) (counted series.Counted, err error) {
		counted.Bounds, err = s.bounds(ctx, series.Predictions, row.PredictionMeasurement, id)
		if err != nil {
			return counted, err
		}
		_, err = s.fillFolds(ctx, row.DatasetID, counted)
		return counted, err
	})
}

// bounds counts the rows of a run or simulation.
func (s *Server) bounds(ctx context.Context, kind series.Kind, measurement string, id uuid.UUID) (questdb.Bounds, error) {
	place, err := series.Find(ctx, s.QuestDB, kind, measurement, id.String())
	if err != nil || place.Table == nil {
		return questdb.Bounds{}, err
	}
	return s.QuestDB.Bounds(ctx, place.Selection())
}

// AppendTrace serves POST /api/simulations/:simulation_id/trace: {"success": true, "rows_written": …, "measurement": …}.
func (s *Server) AppendTrace(c echo.Context, simulationID string, params spec.AppendTraceParams) error {
	id, err := pathID("simulation_id", simulationID)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	var row db.GetSimulationDestinationRow
	if err := retry(ctx, transient, func() (err error) { row, err = s.DB.GetSimulationDestination(ctx, id); return err }); err != nil {
		return notFound(err, "simulation", id)
	}
	d, err := s.destination(ctx, series.Trace, row.QuestDBNamespace, "questdb_namespace", id.String())
	if err != nil {
		return err
	}
	d.spec = func(name string, _ time.Duration) questdb.Spec { return questdb.TracesSpec(name) }
	d.mark("simulation_id", id.String(), true)
	d.mark("run_id", row.RunID.String(), true)
	d.mark("dataset_id", row.DatasetID.String(), true)
	d.mark("mode", row.Mode, false)
	if !d.place.Shared {
		d.needed = "trade_index"
	} else {
		d.lock = func(ctx context.Context, q *db.Queries) error {
			if _, err := q.LockSimulation(ctx, id); err != nil {
				return notFound(err, "simulation", id)
			}
			return nil
		}
	}
	return s.append(c, d, isTrue(params.DryRun), func(ctx context.Context, _ []string) (counted series.Counted, err error) {
		counted.Bounds, err = s.bounds(ctx, series.Trace, row.QuestDBNamespace, id)
		return counted, err
	})
}

// append reads the rows of a request, writes them to their destination and answers. finish brings up to date what
// PostgreSQL says of them, once they can be read.
func (s *Server) append(c echo.Context, d *destination, dryRun bool, finish func(context.Context, []string) (series.Counted, error)) error {
	body := s.openBody(c, maxBody)
	defer body.Close()
	batch, err := d.read(c, body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), s.WriteTimeout)
	defer cancel()
	if err := acquire(ctx, s.appends); err != nil {
		return err
	}
	defer s.appends.Release(1)
	if d.place.Shared { // an export has the columns of all others too, without a cell
		batch.Columns = slices.DeleteFunc(batch.Columns, func(column *rowread.Column) bool { return isEmpty(column, len(batch.Times)) })
	}
	wanted, added := d.plan(batch)
	answer := spec.RowsStored{Success: true, Message: "rows stored", RowsWritten: int64(len(batch.Times)), Measurement: d.place.Name, ColumnsAdded: added, DryRun: dryRun}
	if dryRun {
		answer.Message = "rows checked"
		bounds := questdb.Bounds{}
		if d.place.Table != nil {
			if bounds, err = s.QuestDB.Bounds(ctx, d.place.Selection()); err != nil {
				return fmt.Errorf("count the rows of %s: %w", d.place.Name, err)
			}
		}
		return c.JSON(http.StatusOK, withBounds(answer, bounds))
	}
	if err := s.store(ctx, d, wanted, batch); err != nil {
		var refused *questdb.Refused
		if errors.As(err, &refused) {
			return fmt.Errorf("%w: %w", errChanged, err)
		}
		return err
	}
	touched := make([]string, len(batch.Columns))
	for i, column := range batch.Columns {
		touched[i] = column.Name
	}
	counted, err := finish(ctx, touched)
	if err != nil {
		var own *spec.Problem
		if errors.As(err, &own) && own.Status == http.StatusNotFound { // it was removed meanwhile
			return err
		}
		return fmt.Errorf("%w: %w", errNotCounted, err)
	}
	if counted.Version > 0 {
		c.Response().Header().Set("ETag", etag(counted.Version, counted.CreatedAt))
	}
	return c.JSON(http.StatusOK, withBounds(answer, counted.Bounds))
}

// isEmpty reports whether none of the rows has the column.
func isEmpty(column *rowread.Column, rows int) bool {
	for row := range rows {
		if !column.Missing(row) {
			return false
		}
	}
	return true
}

// withBounds adds what the table holds.
func withBounds(a spec.RowsStored, b questdb.Bounds) spec.RowsStored {
	a.RowCount = b.Rows
	if b.Rows > 0 {
		a.FirstTS, a.LastTS = b.First.UnixMilli(), b.Last.UnixMilli()
	}
	return a
}

// store makes the table what it has to be and writes the rows.
func (s *Server) store(ctx context.Context, d *destination, wanted questdb.Spec, batch *rowread.Batch) error {
	table, err := s.QuestDB.Ensure(ctx, wanted)
	if err != nil {
		return fmt.Errorf("prepare table %s: %w", wanted.Name, err)
	}
	if table.Designated == "" {
		return conflict("table "+wanted.Name+" has no designated timestamp, so no rows can be added to it", nil)
	}
	w := &tableWriter{client: s.QuestDB, table: table, destination: d, batch: batch}
	if d.lock == nil || table.Dedup {
		return w.write(ctx, nil)
	}
	// Nothing in the table tells rows apart: those that are there already are left out.
	return s.transact(ctx, false, func(ctx context.Context, q *db.Queries) error {
		if err := d.lock(ctx, q); err != nil {
			return err
		}
		there, err := w.stored(ctx)
		if err != nil {
			return err
		}
		return w.write(ctx, there)
	})
}

// formats of rows by their Content-Type. What curl sends unless told otherwise is JSON here as for the other routes.
var rowFormats = map[string]rowread.Format{
	"": rowread.JSON, "application/json": rowread.JSON, "application/x-www-form-urlencoded": rowread.JSON,
	"application/x-ndjson": rowread.NDJSON, "application/ndjson": rowread.NDJSON, "application/jsonl": rowread.NDJSON,
	"text/csv": rowread.CSV, "application/vnd.apache.arrow.stream": rowread.Arrow,
}

func rowFormat(contentType string) (rowread.Format, error) {
	name, _, _ := strings.Cut(contentType, ";")
	if format, ok := rowFormats[strings.ToLower(strings.TrimSpace(name))]; ok {
		return format, nil
	}
	return 0, &spec.Problem{Status: http.StatusUnsupportedMediaType, Code: spec.ErrorCodeUnsupportedType,
		Message: "rows are read as application/json, application/vnd.apache.arrow.stream, application/x-ndjson, text/csv"}
}

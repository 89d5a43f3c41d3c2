package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/httpbody"
	"foldbook/internal/ingest"
	"foldbook/internal/paging"
	"foldbook/internal/rowread"
	"foldbook/internal/series"
	"foldbook/questdb"
)

// maxAppends is how many requests write rows at a time: each may hold some 100 MB.
const maxAppends = 4

var (
	errNotCounted = &spec.Problem{Status: http.StatusServiceUnavailable, Code: spec.ErrorCodeDatabaseUnavailable,
		Message: "the rows are stored, but what the database says of them could not be brought up to date: repeat the request, which " +
			"stores nothing twice"}
	errChanged = spec.NewProblem(http.StatusConflict, spec.ErrorCodeConflict,
		"QuestDB does not take the rows, because the table was changed meanwhile: repeat the request")
)

// appendRequest is a request that adds rows to a series.
type appendRequest struct {
	*ingest.Destination
	what            string // the kind of record that the rows belong to
	id              uuid.UUID
	dryRun, replace bool
	// finish updates the records in PostgreSQL, once the rows can be read.
	finish func(ctx context.Context, note series.Note, columns []string) (series.Counted, error)
}

// AppendOhlcv serves POST /api/datasets/:dataset_id/ohlcv/append: {"success": true, "rows_written": …, "measurement": …}.
func (s *Server) AppendOhlcv(c echo.Context, datasetID string, params spec.AppendOhlcvParams) error {
	row, err := s.datasetOf(c, datasetID)
	if err != nil {
		return err
	}
	d, err := s.datasetTable(c, series.Bars, &row, row.OhlcvMeasurement, "ohlcv_measurement")
	if err != nil {
		return err
	}
	a := appendRequest{Destination: d, what: "dataset", id: row.DatasetID, dryRun: isTrue(params.DryRun), replace: isTrue(params.Replace)}
	a.finish = func(ctx context.Context, note series.Note, _ []string) (series.Counted, error) {
		return note.Bars(ctx, row.DatasetID)
	}
	return s.append(c, a)
}

// AppendIndicators serves POST /api/datasets/:dataset_id/indicators/append, which answers as AppendOhlcv does.
func (s *Server) AppendIndicators(c echo.Context, datasetID string, params spec.AppendIndicatorsParams) error {
	row, err := s.datasetOf(c, datasetID)
	if err != nil {
		return err
	}
	d, err := s.datasetTable(c, series.Indicators, &row, row.QuestDBMeasurement, "indicator_measurement")
	if err != nil {
		return err
	}
	a := appendRequest{Destination: d, what: "dataset", id: row.DatasetID, dryRun: isTrue(params.DryRun), replace: isTrue(params.Replace)}
	a.finish = func(ctx context.Context, note series.Note, columns []string) (series.Counted, error) {
		counted, err := note.Indicators(ctx, row.DatasetID, columns...)
		if err != nil {
			return counted, err
		}
		return s.fillFolds(ctx, note, row.DatasetID, counted)
	}
	return s.append(c, a)
}

// datasetOf reads the dataset of a request that adds rows.
func (s *Server) datasetOf(c echo.Context, datasetID string) (row db.IndicatorDataset, err error) {
	id, err := s.datasetID(c, datasetID)
	if err != nil {
		return row, err
	}
	ctx := c.Request().Context()
	err = retry(ctx, transient, func() (err error) { row, err = s.DB.GetDataset(ctx, id); return err })
	return row, notFound(err, "dataset", id)
}

// datasetTable is where rows of a dataset go.
func (s *Server) datasetTable(
	c echo.Context, kind series.Kind, row *db.IndicatorDataset, measurement, field string,
) (*ingest.Destination, error) {
	d, err := s.destination(c.Request().Context(), kind, measurement, field, row.QuestDBTag)
	if err != nil {
		return nil, err
	}
	d.Interval = series.BarLength(row.BarIntervalMS, row.Granularity)
	if d.Place.Shared {
		d.Tags = []ingest.Tag{{Column: "dataset", Value: row.QuestDBTag, Always: true}, {Column: "source", Value: row.Source},
			{Column: "granularity", Value: row.Granularity}}
	}
	return d, nil
}

// fillFolds sets the times of folds whose rows have arrived.
func (s *Server) fillFolds(ctx context.Context, note series.Note, dataset uuid.UUID, counted series.Counted) (series.Counted, error) {
	n, err := note.FillFolds(ctx, dataset)
	if n == 0 || err != nil {
		return counted, err
	}
	row, err := s.DB.GetDatasetVersion(ctx, dataset) // which each of the runs has raised
	counted.Version = row.Version
	return counted, err
}

// timeFolds sets the times of folds before they are stored, if QuestDB has their rows; otherwise they are set later.
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
	if d.Place.Shared {
		d.Tags = []ingest.Tag{{Column: "run_id", Value: id.String(), Always: true}, {Column: "dataset", Value: row.DatasetSlug, Always: true},
			{Column: "target", Value: row.TargetColumn, Always: true}}
	}
	a := appendRequest{Destination: d, what: "run", id: id, dryRun: isTrue(params.DryRun), replace: isTrue(params.Replace)}
	a.finish = func(ctx context.Context, note series.Note, _ []string) (counted series.Counted, err error) {
		if counted.Bounds, err = s.bounds(ctx, series.Predictions, row.PredictionMeasurement, id); err == nil {
			_, err = s.fillFolds(ctx, note, row.DatasetID, counted)
		}
		return counted, err
	}
	return s.append(c, a)
}

// bounds counts the rows of a run or simulation.
func (s *Server) bounds(ctx context.Context, kind series.Kind, measurement string, id uuid.UUID) (questdb.Bounds, error) {
	place, err := series.Find(ctx, s.QuestDB, kind, measurement, id.String())
	if err != nil {
		return questdb.Bounds{}, err
	}
	return series.Count(ctx, s.QuestDB, place)
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
	d.Tags = []ingest.Tag{
		{Column: "simulation_id", Value: id.String(), Always: true}, {Column: "run_id", Value: row.RunID.String(), Always: true},
		{Column: "dataset_id", Value: row.DatasetID.String(), Always: true}, {Column: "mode", Value: row.Mode},
	}
	a := appendRequest{Destination: d, what: "simulation", id: id, dryRun: isTrue(params.DryRun), replace: isTrue(params.Replace)}
	a.finish = func(ctx context.Context, _ series.Note, _ []string) (counted series.Counted, err error) {
		counted.Bounds, err = s.bounds(ctx, series.Trace, row.QuestDBNamespace, id)
		return counted, err
	}
	return s.append(c, a)
}

// destination looks up where rows go; field is where the record names the table.
func (s *Server) destination(
	ctx context.Context, kind series.Kind, measurement, field string, names ...string,
) (*ingest.Destination, error) {
	if s.QuestDB == nil {
		return nil, errSeriesOff
	}
	if !questdb.ValidTable(measurement) { // nor one of QuestDB's own tables
		return nil, conflict(fmt.Sprintf("%s is %q, which is not a valid table name", field, httpbody.Shorten(measurement)), nil)
	}
	place, err := series.Find(ctx, s.QuestDB, kind, measurement, names...)
	if err != nil {
		return nil, err
	}
	return &ingest.Destination{Kind: kind, Place: place}, nil
}

// append reads the rows of a request, writes them to their destination and answers.
func (s *Server) append(c echo.Context, a appendRequest) error {
	a.Replace = a.replace
	body := s.openBody(c, maxBody).Grows(bytesOfRows) // which counts for the memory until the rows are stored
	defer body.Close()
	batch, err := readRows(c, a.Destination, body)
	if err != nil {
		return err
	}
	// What has arrived is stored even if its sender leaves: then the lease ends with the request.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), s.WriteTimeout)
	defer cancel()
	lease := a.Place.Lease(s.DB.Queries)
	if !a.dryRun {
		if err := retry(ctx, transient, func() error { return lease.Take(ctx) }); err != nil {
			return err
		}
		defer lease.Release(ctx)
	}
	if err := s.stillNamed(ctx, a); err != nil {
		return err
	}
	if err := acquire(ctx, s.appends); err != nil {
		return err
	}
	defer s.appends.Release(1)
	table, added := a.Plan(batch)
	answer := spec.RowsStored{Success: true, Message: "rows stored", Measurement: a.Place.Name, ColumnsAdded: added, DryRun: a.dryRun,
		Warnings: orEmpty(batch.Warnings)}
	var counted series.Counted
	var stored ingest.Stored
	if a.dryRun {
		answer.Message = "rows checked"
		if stored, err = a.Compare(ctx, s.QuestDB, batch); err == nil {
			counted.Bounds, err = series.Count(ctx, s.QuestDB, a.Place)
		}
		answer.RowsAdded, answer.RowsChanged, answer.RowsUnchanged = &stored.Added, &stored.Changed, &stored.Unchanged
	} else {
		stored, counted, err = s.storeRows(ctx, a, lease, table, batch)
	}
	if err != nil {
		return err
	}
	if answer.RowsWritten = stored.Rows; stored.Duplicates > 0 {
		answer.Warnings = append(answer.Warnings, fmt.Sprintf("%d rows have the time of another row of the request, first at %s: "+
			"they are one row each, in which later cells replace earlier ones", stored.Duplicates, stored.FirstDuplicate.Format(time.RFC3339Nano)))
	}
	if counted.Version > 0 {
		c.Response().Header().Set("ETag", paging.ETag(counted.Version, counted.CreatedAt))
	}
	if answer.RowCount = counted.Rows; answer.RowCount > 0 {
		answer.FirstTS, answer.LastTS = counted.First.UnixMilli(), counted.Last.UnixMilli()
	}
	return c.JSON(http.StatusOK, answer)
}

// stillNamed fails when the record was deleted, or got another table, before the lease was taken: then the table may be gone already, and
// nobody would remove what is written to it. A removal that comes later waits for the lease. It also fails when another record names the
// table, in which nothing tells the rows of both apart.
func (s *Server) stillNamed(ctx context.Context, a appendRequest) error {
	var place db.GetPlaceRow
	err := retry(ctx, transient, func() (err error) {
		place, err = s.DB.GetPlace(ctx, db.GetPlaceParams{Kind: int32(a.Kind), ID: a.id, Alone: !a.Place.Shared})
		return err
	})
	switch {
	case err != nil:
		return notFound(err, a.what, a.id)
	case place.TableName != a.Place.Name:
		return conflict("the "+a.what+" names another table by now: nothing is stored, repeat the request", nil)
	case place.Other != "":
		return tableTakenError{a.Kind, place.TableName, place.Other, place.OtherKind}
	}
	return nil
}

// bytesOfRows is what a byte of rows may take in memory: "0," is a cell of eight bytes.
const bytesOfRows = 4

// readRows reads all rows of a request.
func readRows(c echo.Context, d *ingest.Destination, body *httpbody.Body) (*rowread.Batch, error) {
	format, err := rowFormat(c.Request().Header.Get(echo.HeaderContentType))
	if err != nil {
		return nil, err
	}
	batch, err := d.Read(format, body, body.TakesNonfinite())
	invalidRow, invalid := new(rowread.ValidationError), new(httpbody.ValidationError)
	switch {
	case err == nil:
		return batch, nil
	case errors.Is(err, io.EOF):
		return nil, httpbody.Invalid("rows", "must not be empty")
	case errors.Is(err, rowread.ErrTooMany):
		return nil, spec.NewProblem(http.StatusRequestEntityTooLarge, spec.ErrorCodeBodyTooLarge,
			fmt.Sprintf("the rows have more than %d cells: send fewer at a time", ingest.MaxCells))
	case errors.As(err, &invalidRow):
		code := spec.ErrorCodeInvalidBody
		if invalidRow.Syntax {
			code = spec.ErrorCodeInvalidJSON
		}
		return nil, spec.NewProblem(http.StatusBadRequest, code, invalidRow.Error())
	case errors.As(err, &invalid), errors.As(err, new(*spec.Problem)):
		return nil, err
	}
	return nil, body.Failure()
}

// storeRows writes the rows and updates the records in PostgreSQL.
func (s *Server) storeRows(
	ctx context.Context, a appendRequest, lease *series.Lease, table questdb.Spec, batch *rowread.Batch,
) (ingest.Stored, series.Counted, error) {
	stored, err := a.Store(ctx, s.QuestDB, table, batch)
	refused := new(questdb.Refused)
	if errors.As(err, &refused) || errors.Is(err, questdb.ErrNoTable) || errors.Is(err, questdb.ErrNoColumn) {
		err = fmt.Errorf("%w: %w", errChanged, err)
	}
	if err != nil {
		return stored, series.Counted{}, err
	}
	var columns []string
	for _, column := range batch.Columns {
		if !column.Empty(len(batch.Times)) {
			columns = append(columns, column.Name)
		}
	}
	counted, err := a.finish(ctx, series.Note{Store: s.DB, Client: s.QuestDB, Lease: lease, Transact: s.noting}, columns)
	if own := new(spec.Problem); err != nil && (!errors.As(err, &own) || own.Status != http.StatusNotFound) { // else it was removed meanwhile
		err = fmt.Errorf("%w: %w", errNotCounted, err)
	}
	return stored, counted, err
}

// noting is a transaction that notes what was counted.
func (s *Server) noting(ctx context.Context, f func(context.Context, *db.Queries) error) error {
	return s.transact(ctx, false, f)
}

// formats of rows by their Content-Type. curl's default type means JSON here, as for the other routes.
var rowFormats = map[string]rowread.Format{
	"": rowread.JSON, "application/json": rowread.JSON, "application/x-www-form-urlencoded": rowread.JSON,
	"application/x-ndjson": rowread.NDJSON, "application/ndjson": rowread.NDJSON, "application/jsonl": rowread.NDJSON,
	"text/csv": rowread.CSV, "application/vnd.apache.arrow.stream": rowread.Arrow, "application/vnd.apache.arrow.file": rowread.Arrow,
}

func rowFormat(contentType string) (rowread.Format, error) {
	name, _, _ := strings.Cut(contentType, ";")
	if format, ok := rowFormats[strings.ToLower(strings.TrimSpace(name))]; ok {
		return format, nil
	}
	return 0, &spec.Problem{Status: http.StatusUnsupportedMediaType, Code: spec.ErrorCodeUnsupportedType,
		Message: "rows are read as application/json, application/vnd.apache.arrow.file, " +
			"application/vnd.apache.arrow.stream, application/x-ndjson, text/csv"}
}

package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/internal/httpbody"
	"foldbook/internal/rowstream"
	"foldbook/internal/sqlread"
	"foldbook/questdb"
)

// Passthrough is how statements of callers are run.
type Passthrough struct {
	On      bool
	Rows    int64         // most rows of an answer in JSON
	Timeout time.Duration // for such an answer
}

// maxStatement is longer than any statement that a person writes.
const maxStatement = 1 << 20

func notEnabled(what, setting string) error {
	return spec.NewProblem(http.StatusNotFound, spec.ErrorCodeNotFound,
		what+" not enabled here: "+setting+"=true in the settings of the service turns them on")
}

// passthrough is the client of QuestDB for the routes that show it as it is.
func (s *Server) passthrough() (*questdb.Client, error) {
	switch {
	case !s.Passthrough.On:
		return nil, notEnabled("looks into QuestDB are", "QDB_PASSTHROUGH")
	case s.QuestDB == nil:
		return nil, errSeriesOff
	}
	return s.QuestDB, nil
}

// QuerySeries serves POST /api/questdb/query: {"query": …, "columns": […], "dataset": [[…], …], "count": …, "truncated": …}.
func (s *Server) QuerySeries(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), s.Passthrough.Timeout)
	defer cancel()
	text, rows, release, err := s.runStatement(ctx, c)
	if err != nil {
		return err
	}
	defer release()
	query, err := json.Marshal(text)
	if err != nil {
		return fmt.Errorf("encode a statement: %w", err)
	}
	result := &resultRows{Rows: rows, left: s.Passthrough.Rows}
	return s.send(c, &streamClock{ctx, cancel, func() bool { return true }}, &rowstream.Answer{
		Fields: result.fields(), Rows: result, Format: spec.JSON, Layout: rowstream.Layout{Key: "dataset", Shape: spec.ShapeArrays},
		Head: func(b []byte) []byte { return append(append(append(b, `"query":`...), query...), ',') },
		End: func(int64) (rowstream.End, error) {
			truncated := func(b []byte) []byte { return fmt.Appendf(b, `,"truncated":%t`, result.more) }
			return rowstream.End{Total: rowstream.NotCounted, Tail: truncated}, nil
		},
	})
}

// ExportSeries serves POST /api/questdb/export: all rows as CSV.
func (s *Server) ExportSeries(c echo.Context) error {
	clock := s.streamClock(c)
	defer clock.cancel()
	_, rows, release, err := s.runStatement(clock, c)
	if err != nil {
		return err
	}
	defer release()
	result := &resultRows{Rows: rows, left: -1}
	return s.send(c, clock, &rowstream.Answer{
		Fields: result.fields(), Rows: result, Format: spec.Csv, File: "export",
		End: func(int64) (rowstream.End, error) { return rowstream.End{Total: rowstream.NotCounted}, nil },
	})
}

// runStatement runs the statement in the body. The caller releases it when its rows have been sent.
func (s *Server) runStatement(ctx context.Context, c echo.Context) (text string, rows *questdb.Rows, release func(), err error) {
	client, err := s.passthrough()
	if err != nil {
		return "", nil, nil, err
	}
	body := s.openBody(c, maxStatement)
	defer body.Close()
	var b struct {
		SQL *string `json:"sql"`
	}
	if err := body.Decode(&b); err != nil {
		return "", nil, nil, err
	}
	if b.SQL == nil {
		return "", nil, nil, httpbody.Invalid("sql", "is missing")
	}
	statement, err := sqlread.Check(*b.SQL)
	if err != nil {
		return "", nil, nil, httpbody.Invalid("sql", err.Error())
	}
	release, err = s.oneStatement(c)
	if err != nil {
		return "", nil, nil, err
	}
	if rows, err = client.Query(ctx, statement); err != nil || len(rows.Fields) == 0 {
		release()
	}
	refused := new(questdb.Refused)
	switch {
	case errors.As(err, &refused):
		return "", nil, nil, refusedStatement(refused)
	case err != nil:
		return "", nil, nil, fmt.Errorf("run a statement: %w", err)
	case len(rows.Fields) == 0:
		rows.Close()
		return "", nil, nil, httpbody.Invalid("sql", "has no result")
	}
	return *b.SQL, rows, release, nil
}

// oneStatement lets a caller run one statement at a time, and all callers together where nobody is asked who calls.
func (s *Server) oneStatement(c echo.Context) (release func(), err error) {
	who := ""
	if rec, ok := c.Response().Writer.(*recorder); ok && rec.caller != nil {
		who = rec.caller.ID
	}
	if _, running := s.running.LoadOrStore(who, true); running {
		p := spec.NewProblem(http.StatusTooManyRequests, spec.ErrorCodeRateLimited, "another statement is running: one runs at a time")
		p.Details = map[string]any{"retry_after": 1}
		return nil, p
	}
	return func() { s.running.Delete(who) }, nil
}

// refusedStatement is the answer to a statement that QuestDB refuses, with QuestDB's message.
func refusedStatement(refused *questdb.Refused) error {
	e := spec.NewProblem(http.StatusBadRequest, spec.ErrorCodeInvalidBody, "sql: "+strings.Join(strings.Fields(refused.Message), " "))
	if refused.Position >= 0 {
		e.Message += fmt.Sprintf(" (at position %d)", refused.Position)
		e.Details = map[string]any{"position": refused.Position}
	}
	return e
}

// resultRows is the rows of a statement.
type resultRows struct {
	*questdb.Rows
	left int64 // rows still to give, below 0: all there are
	more bool  // there were rows beyond these
}

func (r *resultRows) fields() []rowstream.Field {
	fields := make([]rowstream.Field, len(r.Fields))
	for i, f := range r.Fields {
		fields[i] = rowstream.Field{Name: strings.Trim(f.Name, `"`), Kind: f.Kind}
	}
	return fields
}

// Next moves to the next row.
func (r *resultRows) Next() bool {
	if r.left == 0 {
		r.more = r.more || r.Rows.Next()
		return false
	}
	if r.left > 0 {
		r.left--
	}
	return r.Rows.Next()
}

// Err is what ended the rows early.
func (r *resultRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return fmt.Errorf("read the result of a statement: %w", err)
	}
	return nil
}

// ListMeasurements serves GET /api/questdb/measurements: {"measurements": […], "count": …}.
func (s *Server) ListMeasurements(c echo.Context, params spec.ListMeasurementsParams) error {
	client, err := s.passthrough()
	if err != nil {
		return err
	}
	list, err := client.Measurements(c.Request().Context(), orElse(params.Prefix, ""))
	if err != nil {
		return fmt.Errorf("list the measurements: %w", err)
	}
	answer := spec.MeasurementList{Measurements: []spec.Measurement{}, Count: len(list)}
	for i := range list {
		answer.Measurements = append(answer.Measurements, measurementOf(&list[i]))
	}
	return c.JSON(http.StatusOK, answer)
}

// GetMeasurement serves GET /api/questdb/measurement/:name: one of them with "columns".
func (s *Server) GetMeasurement(c echo.Context, name string) error {
	client, err := s.passthrough()
	if err != nil {
		return err
	}
	found, err := client.Measurement(c.Request().Context(), name)
	switch {
	case errors.Is(err, questdb.ErrNoTable), errors.Is(err, questdb.ErrInvalidName):
		return measurementNotFound(httpbody.Shorten(name))
	case err != nil:
		return fmt.Errorf("read a measurement: %w", err)
	}
	m := measurementOf(found)
	answer := spec.MeasurementDetail{
		Name: m.Name, DesignatedTimestamp: m.DesignatedTimestamp, PartitionBy: m.PartitionBy, RowCount: m.RowCount, FirstTS: m.FirstTS,
		LastTS:  m.LastTS,
		Columns: []spec.MeasurementColumn{},
	}
	for _, column := range found.Columns {
		answer.Columns = append(answer.Columns, spec.MeasurementColumn{Name: column.Name, Type: column.Type})
	}
	return c.JSON(http.StatusOK, answer)
}

func measurementOf(m *questdb.Measurement) spec.Measurement {
	answer := spec.Measurement{Name: m.Name, PartitionBy: m.PartitionBy, RowCount: m.Rows}
	if m.Designated != "" {
		answer.DesignatedTimestamp = &m.Designated
	}
	if m.Rows > 0 && m.Designated != "" {
		answer.FirstTS, answer.LastTS = &m.First, &m.Last
	}
	return answer
}

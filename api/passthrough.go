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
	"foldbook/internal/sqlread"
	"foldbook/questdb"
)

// Passthrough is how statements of callers are run.
type Passthrough struct {
	On      bool
	Rows    int64         // most rows of an answer in JSON
	Timeout time.Duration // for such an answer
}

// maxStatement is more than any statement that a person writes.
const maxStatement = 1 << 20

func notEnabled(what, setting string) error {
	return &spec.Problem{Status: http.StatusNotFound, Code: spec.ErrorCodeNotFound, Message: what + " not enabled here: " + setting + "=true in the settings of the service turns them on"}
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
	text, rows, err := s.runStatement(ctx, c)
	if err != nil {
		return err
	}
	query, err := json.Marshal(text)
	if err != nil {
		return fmt.Errorf("encode a statement: %w", err)
	}
	source := &resultSource{rows: rows, left: s.Passthrough.Rows}
	return s.writeRows(c, &streamClock{ctx, cancel, func() bool { return true }}, &rowAnswer{
		fields: source.fields(), source: source, format: spec.JSON, key: "dataset", arrays: true,
		head: func(b []byte) []byte { return append(append(append(b, `"query":`...), query...), ',') },
		end: func(int64) (rowEnd, error) {
			return rowEnd{total: notCounted, tail: func(b []byte) []byte { return fmt.Appendf(b, `,"truncated":%t`, source.more) }}, nil
		},
	})
}

// ExportSeries serves POST /api/questdb/export: all rows as CSV.
func (s *Server) ExportSeries(c echo.Context) error {
	clock := s.streamClock(c)
	defer clock.cancel()
	_, rows, err := s.runStatement(clock, c)
	if err != nil {
		return err
	}
	source := &resultSource{rows: rows, left: -1}
	return s.writeRows(c, clock, &rowAnswer{
		fields: source.fields(), source: source, format: spec.Csv, file: "export",
		end: func(int64) (rowEnd, error) { return rowEnd{total: notCounted}, nil },
	})
}

// runStatement runs the statement in the body.
func (s *Server) runStatement(ctx context.Context, c echo.Context) (text string, rows *questdb.Rows, err error) {
	client, err := s.passthrough()
	if err != nil {
		return "", nil, err
	}
	body := s.openBody(c, maxStatement)
	defer body.Close()
	var b struct {
		SQL *string `json:"sql"`
	}
	if err := body.Decode(&b); err != nil {
		return "", nil, err
	}
	if b.SQL == nil {
		return "", nil, httpbody.Invalid("sql", "is missing")
	}
	statement, err := sqlread.Check(*b.SQL)
	if err != nil {
		return "", nil, httpbody.Invalid("sql", err.Error())
	}
	rows, err = client.Query(ctx, statement)
	refused := new(questdb.Refused)
	switch {
	case errors.As(err, &refused):
		return "", nil, refusedStatement(refused)
	case err != nil:
		return "", nil, fmt.Errorf("run a statement: %w", err)
	case len(rows.Fields) == 0:
		rows.Close()
		return "", nil, httpbody.Invalid("sql", "has no result")
	}
	return *b.SQL, rows, nil
}

// refusedStatement is what QuestDB says against a statement, in its own words.
func refusedStatement(refused *questdb.Refused) error {
	e := &spec.Problem{Status: http.StatusBadRequest, Code: spec.ErrorCodeInvalidBody, Message: "sql: " + strings.Join(strings.Fields(refused.Message), " ")}
	if refused.Position >= 0 {
		e.Message += fmt.Sprintf(" (at position %d)", refused.Position)
		e.Details = map[string]any{"position": refused.Position}
	}
	return e
}

// resultSource is the rows of a statement.
type resultSource struct {
	rows *questdb.Rows
	left int64 // rows still to give, below 0: all there are
	more bool  // there were rows beyond these
}

func (s *resultSource) fields() []rowField {
	fields := make([]rowField, len(s.rows.Fields))
	for i, f := range s.rows.Fields {
		fields[i] = rowField{name: strings.Trim(f.Name, `"`), kind: f.Kind}
	}
	return fields
}

func (s *resultSource) fill(b *questdb.Batch, n int) (bool, error) {
	if s.left >= 0 {
		n = int(min(int64(n), s.left))
	}
	more := s.rows.Read(b, n)
	if s.left >= 0 {
		if s.left -= int64(b.N); more && s.left == 0 {
			s.more, more = s.rows.Next(), false
		}
	}
	if err := s.rows.Err(); err != nil {
		return false, fmt.Errorf("read the result of a statement: %w", err)
	}
	return more, nil
}

func (s *resultSource) close() { s.rows.Close() }

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
		Name: m.Name, DesignatedTimestamp: m.DesignatedTimestamp, PartitionBy: m.PartitionBy, RowCount: m.RowCount, FirstTS: m.FirstTS, LastTS: m.LastTS,
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

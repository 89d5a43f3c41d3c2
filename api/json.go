package api

import (
	"encoding/json"
	"errors"
	"strconv"

	"github.com/labstack/echo/v4"

	"foldbook/db"
	"foldbook/internal/paging"
	"foldbook/internal/rowstream"
)

// serializer is Echo's JSON.
type serializer struct{}

// Serialize writes an answer.
func (serializer) Serialize(c echo.Context, v any, _ string) error {
	return sendJSON(c, v, func(string, []byte) {})
}

// Buffers larger than keptBuffer are left to the garbage collector, so that one large answer does not stay in memory.
const keptBuffer = 1 << 20

// buffers keeps what up to eight answers at a time need. It is no sync.Pool, because that is emptied by each collection,
// and large answers collect so often that nearly each one would grow its buffer from nothing.
var buffers = make(chan []byte, 8)

// sendJSON writes an answer in one piece, with its length. Rows encode themselves into a reused buffer; small answers go
// through encoding/json. Answers that are large enough are compressed for callers that accept it. keep gets the body as it
// is sent, and may use it until it returns.
func sendJSON(c echo.Context, v any, keep func(encoding string, body []byte)) error {
	b, err := encode(v)
	if err != nil {
		return err
	}
	return sendBody(c, b, keep)
}

// fieldsMediaType is that of lists whose records have the members alone that were asked for: they are not what the description says
// of a record.
const fieldsMediaType = "application/vnd.foldbook.fields+json"

// sendTagged is sendJSON for a list. One without an ETag gets that of its bytes, which costs the reading of the list and saves its way.
func sendTagged(c echo.Context, v db.Appender, partial bool) error {
	b, err := encode(v)
	if err != nil {
		return err
	}
	header := c.Response().Header()
	if header.Get("ETag") == "" {
		has := c.Request().Header.Get("If-None-Match")
		if unchanged(c, &has, paging.BodyETag(b, header.Get("X-Total-Count"))) {
			return nil
		}
	}
	header.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	if partial {
		header.Set(echo.HeaderContentType, fieldsMediaType)
	}
	return sendBody(c, b, func(string, []byte) {})
}

// encode writes an answer into a buffer, which sendBody gives back.
func encode(v any) ([]byte, error) {
	var b []byte
	select {
	case b = <-buffers:
	default:
	}
	if a, ok := v.(db.Appender); ok {
		b = a.AppendJSON(b)
	} else {
		text, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		b = append(b, text...)
	}
	return append(b, '\n'), nil
}

func sendBody(c echo.Context, b []byte, keep func(encoding string, body []byte)) error {
	sent, encoding, err := rowstream.Compress(c.Response().Header(), c.Request(), b)
	if err != nil {
		return err
	}
	keep(encoding, sent)
	c.Response().Header().Set(echo.HeaderContentLength, strconv.Itoa(len(sent)))
	_, err = c.Response().Write(sent)
	if cap(b) <= keptBuffer {
		select {
		case buffers <- b[:0]:
		default:
		}
	}
	return err
}

// Deserialize is part of Echo's interface; bodies are not read through it.
func (serializer) Deserialize(echo.Context, any) error {
	return errors.New("bodies are not bound")
}

// list is rows as a JSON array.
type list[T any, P paging.Row[T]] struct {
	rows   []T
	fields db.Fields
}

// AppendJSON appends the rows.
func (l list[T, P]) AppendJSON(b []byte) []byte { return db.AppendRowFields[T, P](b, l.rows, l.fields) }

// RunDetail is a run with its folds by number.
type RunDetail struct {
	Run   db.GetRunRow         `json:"run"`
	Folds []db.WalkforwardFold `json:"folds"`
}

// AppendJSON appends {"run": …, "folds": […]}.
func (d *RunDetail) AppendJSON(b []byte) []byte {
	b = d.Run.AppendJSON(append(b, `{"run":`...))
	b = db.AppendRows(append(b, `,"folds":`...), d.Folds)
	return append(b, '}')
}

// SimulationDetail is a simulation with its buckets by side.
type SimulationDetail struct {
	Run     db.SimulationRun           `json:"run"`
	Buckets []db.SimulationTradeBucket `json:"buckets"`
}

// AppendJSON appends {"run": …, "buckets": […]}.
func (d *SimulationDetail) AppendJSON(b []byte) []byte {
	b = d.Run.AppendJSON(append(b, `{"run":`...))
	b = db.AppendRows(append(b, `,"buckets":`...), d.Buckets)
	return append(b, '}')
}

// runFlat is a run with its folds beside its own fields.
type runFlat struct {
	RunDetail
	offset int64
}

// AppendJSON appends the run, "folds", "total_folds", "fold_offset" and "has_more_folds" as one object.
func (d *runFlat) AppendJSON(b []byte) []byte {
	b = append(open(d.Run.AppendJSON(b)), `"folds":`...)
	b = append(db.AppendRows(b, d.Folds), `,"total_folds":`...)
	b = append(strconv.AppendInt(b, d.Run.FoldCount, 10), `,"fold_offset":`...)
	b = append(strconv.AppendInt(b, d.offset, 10), `,"has_more_folds":`...)
	b = strconv.AppendBool(b, d.offset+int64(len(d.Folds)) < d.Run.FoldCount)
	return append(b, '}')
}

// simulationFlat is a simulation with its buckets beside its own fields.
type simulationFlat struct {
	run     db.GetSimulationSummaryRow
	buckets []db.SimulationTradeBucket
}

// AppendJSON appends the simulation and "buckets" as one object.
func (d *simulationFlat) AppendJSON(b []byte) []byte {
	b = append(open(d.run.AppendJSON(b)), `"buckets":`...)
	return append(db.AppendRows(b, d.buckets), '}')
}

// open makes room for more members in the object that b ends with.
func open(b []byte) []byte { return append(b[:len(b)-1], ',') }

// rawJSON is an answer that is JSON already.
type rawJSON []byte

// AppendJSON appends it as it is.
func (r rawJSON) AppendJSON(b []byte) []byte { return append(b, r...) }

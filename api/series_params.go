package api

import (
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/internal/moment"
	"foldbook/internal/paging"
	"foldbook/internal/rowstream"
	"foldbook/internal/series"
)

// rowRoute is what distinguishes the routes with rows.
type rowRoute struct {
	limits paging.Limits // how many rows JSON answers unless told, and at most; the other formats answer all
	usual  spec.Format
	layout rowstream.Layout // of JSON, unless the caller names another
}

var (
	objectRows       = rowstream.Layout{Key: "rows", Shape: spec.ShapeObjects}
	predictionRows   = rowstream.Layout{Key: "dataset", Shape: spec.ShapeArrays}
	seriesRoute      = rowRoute{paging.Limits{Usual: 200_000, Most: 200_000}, spec.JSON, objectRows}
	tableRoute       = rowRoute{paging.Limits{Usual: 5000, Most: 200_000}, spec.JSON, rowstream.Layout{Key: "rows", Shape: spec.ShapeArrays}}
	predictionsRoute = rowRoute{paging.Limits{Usual: 1 << 62, Most: 1 << 62}, spec.Csv, predictionRows}
)

// rowQuery is the part of a query that all routes with rows have: a trace has no more.
type rowQuery = spec.ListTraceParams

// read reads the parameters of a request for rows.
func (route rowRoute) read(c echo.Context, q rowQuery) (*rowAnswer, error) {
	format, err := rowstream.FormatOf(q.Format, c.Request(), route.usual)
	if err != nil {
		return nil, err
	}
	a := &rowAnswer{named: q.Columns, format: format}
	if a.layout, err = rowstream.LayoutOf(q.Shape, format, route.layout); err != nil {
		return nil, err
	}
	if a.at, err = rangeOf(c, q, route.limits, format); err == nil {
		a.pixels, err = pixelsOf(q.Points, q.Width, a.at)
	}
	return a, err
}

// rowRange is which rows of a series are asked for.
type rowRange struct {
	series.Range
	limited bool          // by the caller
	scope   func() string // that cursors belong to
}

// rangeOf reads the range of rows; l is for JSON.
func rangeOf(c echo.Context, q rowQuery, l paging.Limits, format spec.Format) (r rowRange, err error) {
	r = rowRange{limited: q.Limit != nil, scope: func() string { return paging.Scope(c.Request().URL.Path, c.QueryParams()) }}
	r.Desc, r.Limit, r.End = q.Desc != nil && *q.Desc, -1, 1<<62
	if r.From, r.To, err = timesOf(q.StartTS, q.EndTS, q.StartTimestamp, q.EndTimestamp); err != nil {
		return r, err
	}
	for _, p := range []struct {
		name  string
		value *int64
		into  *int64
	}{{"start_index", q.StartIndex, &r.First}, {"end_index", q.EndIndex, &r.End}, {"limit", q.Limit, &r.Limit},
		{"offset", q.Offset, &r.Offset}} {
		if p.value == nil {
			continue
		}
		if *p.value < 0 {
			return r, spec.InvalidParameter(p.name, "is below 0")
		}
		*p.into = min(*p.value, 1<<62)
	}
	if r.Numbered = q.StartIndex != nil || q.EndIndex != nil; r.Numbered && (!r.From.IsZero() || !r.To.IsZero()) {
		return r, spec.InvalidParameter("start_index or end_index", "cannot be combined with a time: the numbers are those of all rows")
	}
	if format == spec.JSON {
		if q.Limit == nil {
			r.Limit = l.Usual
		}
		r.Limit = min(r.Limit, l.Most)
		if r.Limit == 1<<62 {
			r.Limit = -1
		}
	}
	if q.Cursor == nil {
		return r, nil
	}
	if r.Offset != 0 || r.Numbered {
		return r, spec.InvalidParameter("cursor", "cannot be combined with offset, start_index or end_index")
	}
	at, err := paging.DecodePosition(*q.Cursor, r.scope())
	r.After = (*series.Position)(&at)
	return r, err
}

// timesOf reads a range of time by either of its names.
func timesOf(startTS, endTS, startTimestamp, endTimestamp *string) (from, to time.Time, err error) {
	if from, err = timeOf("start_ts", startTS, "start_timestamp", startTimestamp, 0); err != nil {
		return from, to, err
	}
	to, err = timeOf("end_ts", endTS, "end_timestamp", endTimestamp, 999*time.Microsecond)
	return from, to, err
}

// timeOf reads milliseconds since 1970 or a text; 0 is the beginning. A row belongs to the millisecond that it is shown with, so
// the end of a range in milliseconds has rest added.
func timeOf(name string, text *string, alias string, other *string, rest time.Duration) (time.Time, error) {
	if text == nil {
		name, text = alias, other
	} else if other != nil && *other != *text {
		return time.Time{}, spec.InvalidParameter(alias, "says something else than "+name)
	}
	if text == nil {
		return time.Time{}, nil
	}
	ms, err := strconv.ParseInt(*text, 10, 64)
	if err != nil {
		rest = 0
	} else if ms == 0 {
		return time.UnixMilli(0).UTC().Add(rest), nil
	}
	t, err := (&moment.Reader{Unit: moment.Milliseconds}).Text(*text)
	if err != nil {
		return time.Time{}, spec.InvalidParameter(name, "is no time: "+err.Error())
	}
	return t.Add(rest), nil
}

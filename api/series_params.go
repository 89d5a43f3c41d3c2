package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
)

// rowLimits of a route: how many rows JSON answers unless told, and at most; the other formats answer all.
var (
	seriesLimits     = limits{200_000, 200_000}
	tableLimits      = limits{5000, 200_000}
	predictionLimits = limits{1 << 62, 1 << 62}
)

// rowQuery is the part of a query that all routes with rows have.
type rowQuery struct {
	StartTS, EndTS, StartTimestamp, EndTimestamp *string
	StartIndex, EndIndex                         *int64
	Columns                                      *string
	Desc                                         *bool
	Limit, Offset                                *int64
	Cursor                                       *string
}

// rowRange is which rows of a series are asked for.
type rowRange struct {
	from, to   time.Time // both included; zero for no bound
	numbered   bool      // from row number first to before row number end
	first, end int64
	desc       bool
	limited    bool  // by the caller
	limit      int64 // below 0: all
	offset     int64
	at         *place // where the page before ended
	scope      string // that cursors belong to
}

// rangeOf reads the range of rows; l is for JSON.
func rangeOf(c echo.Context, q rowQuery, l limits, format spec.Format) (r rowRange, err error) {
	r = rowRange{desc: q.Desc != nil && *q.Desc, limited: q.Limit != nil, limit: -1, end: 1 << 62, scope: scopeOf(c.Request().URL.Path, c.QueryParams())}
	if r.from, r.to, err = timesOf(q.StartTS, q.EndTS, q.StartTimestamp, q.EndTimestamp); err != nil {
		return r, err
	}
	for _, p := range []struct {
		name  string
		value *int64
		into  *int64
	}{{"start_index", q.StartIndex, &r.first}, {"end_index", q.EndIndex, &r.end}, {"limit", q.Limit, &r.limit}, {"offset", q.Offset, &r.offset}} {
		if p.value == nil {
			continue
		}
		if *p.value < 0 {
			return r, spec.InvalidParameter(p.name, "is below 0")
		}
		*p.into = min(*p.value, 1<<62)
	}
	if r.numbered = q.StartIndex != nil || q.EndIndex != nil; r.numbered && (!r.from.IsZero() || !r.to.IsZero()) {
		return r, spec.InvalidParameter("start_index or end_index", "does not go with a time: the numbers are those of all rows")
	}
	if format == spec.JSON {
		if q.Limit == nil {
			r.limit = l.usual
		}
		r.limit = min(r.limit, l.most)
		if r.limit == 1<<62 {
			r.limit = -1
		}
	}
	if q.Cursor == nil {
		return r, nil
	}
	if r.offset != 0 || r.numbered {
		return r, spec.InvalidParameter("cursor", "does not go with offset, start_index or end_index")
	}
	at, err := decodePlace(*q.Cursor, r.scope)
	r.at = &at
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

// latest is the last millisecond of a year with four digits. The numbers from firstSecond to lastSecond are those of 2001
// to 5138 in seconds; in milliseconds they would be the first years from 1970, of which nobody asks.
const (
	latest      = 253402300799999
	firstSecond = 1_000_000_000
	lastSecond  = 99_999_999_999
)

// timeOf reads milliseconds since 1970 or RFC 3339. A row belongs to the millisecond that it is shown with, so the end of
// a range in milliseconds has rest added.
func timeOf(name string, text *string, alias string, other *string, rest time.Duration) (time.Time, error) {
	if text == nil {
		name, text = alias, other
	} else if other != nil && *other != *text {
		return time.Time{}, spec.InvalidParameter(alias, "says something else than "+name)
	}
	if text == nil {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, *text)
	if ms, errInt := strconv.ParseInt(*text, 10, 64); errInt == nil && ms >= 0 && ms <= latest {
		if ms >= firstSecond && ms <= lastSecond {
			return time.Time{}, spec.InvalidParameter(name, "is in seconds, it seems: write milliseconds or RFC 3339")
		}
		t, err = time.UnixMilli(ms).Add(rest), nil
	}
	if err != nil || t.Unix() < 0 || t.UnixMilli() > latest {
		return time.Time{}, spec.InvalidParameter(name, "is no time from 1970 to 9999 in milliseconds or RFC 3339")
	}
	return t.UTC(), nil
}

// mediaTypes are the formats of rows as Content-Type and Accept name them.
var mediaTypes = []struct {
	format    spec.Format
	mediaType string
}{
	{spec.JSON, echo.MIMEApplicationJSON},
	{spec.Csv, "text/csv"},
	{spec.Ndjson, "application/x-ndjson"},
	{spec.Arrow, "application/vnd.apache.arrow.stream"},
	{spec.Parquet, "application/vnd.apache.parquet"},
}

func mediaTypeOf(format spec.Format) string {
	for _, m := range mediaTypes {
		if m.format == format {
			if format == spec.Csv {
				return m.mediaType + "; charset=utf-8"
			}
			return m.mediaType
		}
	}
	return ""
}

// formatOf picks the format: the one named, or else the one of Accept that the caller likes best, or else usual.
func formatOf(named *spec.Format, r *http.Request, usual spec.Format) (spec.Format, error) {
	if named != nil {
		if !named.Valid() {
			return "", spec.InvalidParameter("format", "is not json, csv, ndjson, arrow or parquet")
		}
		return *named, nil
	}
	best, bestQ := usual, 0.0
	for entry := range strings.SplitSeq(r.Header.Get(echo.HeaderAccept), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(entry), ";")
		q := quality(params)
		if name == "*/*" && q > bestQ {
			best, bestQ = usual, q
		}
		for _, m := range mediaTypes {
			if strings.EqualFold(name, m.mediaType) && q > bestQ {
				best, bestQ = m.format, q
			}
		}
	}
	return best, nil
}

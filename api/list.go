package api

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
)

// listing is one page of an envelope: {"runs": […], "count": …, "total": …, "limit": …, "offset": …, "next": …}.
type listing[T any, P interface {
	*T
	db.Appender
}] struct {
	key      string
	rows     []T
	total    *int64 // nil: not counted
	estimate bool   // total is a lower bound
	page     page
	next     string // cursor of the next page, empty on the last
}

// AppendJSON appends the envelope.
func (l *listing[T, P]) AppendJSON(b []byte) []byte {
	b = append(b, '{', '"')
	b = append(b, l.key...)
	b = append(b, `":`...)
	b = db.AppendRows[T, P](b, l.rows)
	b = append(b, `,"count":`...)
	b = strconv.AppendInt(b, int64(len(l.rows)), 10)
	b = append(b, `,"total":`...)
	if l.total == nil {
		b = append(b, `null`...)
	} else {
		b = strconv.AppendInt(b, *l.total, 10)
	}
	if l.estimate {
		b = append(b, `,"total_is_estimate":true`...)
	}
	b = append(b, `,"limit":`...)
	b = strconv.AppendInt(b, int64(l.page.limit), 10)
	b = append(b, `,"offset":`...)
	b = strconv.AppendInt(b, l.page.offset, 10)
	b = append(b, `,"next":`...)
	if l.next == "" {
		b = append(b, `null`...)
	} else {
		b = strconv.AppendQuote(b, l.next) // base64url
	}
	return append(b, '}')
}

// write answers the page, with a link to the next one.
func (l *listing[T, P]) write(c echo.Context) error {
	if l.next != "" {
		u := *c.Request().URL
		query := u.Query()
		query.Del("offset")
		query.Set("cursor", l.next)
		next := url.URL{Path: u.Path, RawQuery: query.Encode()}
		c.Response().Header().Set("Link", "<"+next.String()+`>; rel="next"`)
	}
	return c.JSON(http.StatusOK, l)
}

// cut takes the one row off that was asked for beyond the page, and tells whether it was there.
func cut[T any](rows []T, p page) ([]T, bool) {
	if len(rows) > int(p.limit) {
		return rows[:p.limit], true
	}
	return rows, false
}

// counting is how the total of a list is wanted.
type counting string

const (
	countExact     counting = "exact"
	countEstimated counting = "estimated"
	countNone      counting = "none"
)

// estimateUpTo is how far an estimated total is counted.
const estimateUpTo = 10_000

func countingOf[T ~string](mode *T) (counting, error) {
	if mode == nil {
		return countExact, nil
	}
	switch m := counting(*mode); m {
	case countExact, countEstimated, countNone:
		return m, nil
	}
	return "", spec.InvalidParameter("count", "is not exact, estimated or none")
}

// total counts as mode says; count stops at most.
func (mode counting) total(count func(most int64) (int64, error)) (total *int64, estimate bool, err error) {
	switch mode {
	case countNone:
		return nil, false, nil
	case countEstimated:
		n, err := count(estimateUpTo)
		return &n, n == estimateUpTo, err
	default:
		n, err := count(1 << 62)
		return &n, false, err
	}
}

// cursorOf reads a cursor, which takes the place of an offset.
func cursorOf(text *string, scope string, p page) (*cursor, error) {
	if text == nil {
		return nil, nil
	}
	if p.offset != 0 {
		return nil, spec.InvalidParameter("cursor", "does not go with offset")
	}
	c, err := decodeCursor(*text, scope)
	if err != nil {
		return nil, err
	}
	return &c, nil
}

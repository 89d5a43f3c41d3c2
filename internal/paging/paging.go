// Package paging reads which page of a list is requested and writes it: limits and offsets, cursors, counts, and the ETags that
// name the state of a record.
package paging

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"foldbook/api/spec"
	"foldbook/db"
)

// Limits of a kind of list: its default number of items, the most, and the most that an offset may skip, 0 for any number.
type Limits struct{ Usual, Most, Deepest int64 }

// Page is the requested part of a list.
type Page struct {
	Limit  int32
	Offset int64
}

// Page reads a page. The names of its parameters begin with prefix.
func (l Limits) Page(prefix string, limit, offset *int64) (Page, error) {
	p := Page{Limit: int32(l.Usual)} //nolint:gosec // at most 1<<30
	if limit != nil {
		if *limit < 0 {
			return p, spec.InvalidParameter(prefix+"limit", "is below 0")
		}
		p.Limit = int32(min(*limit, l.Most)) //nolint:gosec // at most 1<<30
	}
	if offset != nil {
		if *offset < 0 {
			return p, spec.InvalidParameter(prefix+"offset", "is below 0")
		}
		if l.Deepest > 0 && *offset > l.Deepest {
			return p, spec.InvalidParameter(prefix+"offset",
				fmt.Sprintf("is above %d: page through a long list with cursor, whose pages all cost the same", l.Deepest))
		}
		p.Offset = *offset
	}
	return p, nil
}

// Cut removes the extra row that was read beyond the page, and returns whether there was one.
func Cut[T any](rows []T, p Page) ([]T, bool) {
	if len(rows) > int(p.Limit) {
		return rows[:p.Limit], true
	}
	return rows, false
}

// Count is how the total of a list is wanted.
type Count string

// The counts that a caller may ask for.
const (
	Exact     Count = "exact"
	Estimated Count = "estimated"
	None      Count = "none"
)

// estimateUpTo is how far an estimated total is counted.
const estimateUpTo = 10_000

// Params are the parameters of a request for an envelope other than its filters.
type Params struct {
	Limit, Offset *int64
	Cursor, Count *string
	Fields        *[]string
	Format        *spec.Format
}

// Request is a checked request for one page of an envelope.
type Request struct {
	Page
	Shown
	Count  Count
	After  *Cursor      // the page begins behind it; nil: at the offset
	Scope  string       // that cursors belong to
	Format *spec.Format // nil: what Accept says
}

// Request checks the parameters of a list with this scope, whose rows have these columns.
func (l Limits) Request(p Params, scope string, columns []db.Column) (r Request, err error) {
	r.Scope, r.Count, r.Format = scope, Exact, p.Format
	if r.Shown, err = ShownOf(p.Fields, columns); err != nil {
		return r, err
	}
	if r.Page, err = l.Page("", p.Limit, p.Offset); err != nil {
		return r, err
	}
	if p.Count != nil {
		r.Count = Count(*p.Count)
	}
	if !slices.Contains([]Count{Exact, Estimated, None}, r.Count) {
		return r, spec.InvalidParameter("count", "is not exact, estimated or none")
	}
	if p.Cursor == nil {
		return r, nil
	}
	if r.Offset != 0 {
		return r, spec.InvalidParameter("cursor", "cannot be combined with offset")
	}
	after, err := DecodeCursor(*p.Cursor, scope)
	r.After = &after
	return r, err
}

// Scope is what a cursor belongs to: the route and everything in the query that decides what the list is.
func Scope(route string, query url.Values) string {
	keys := make([]string, 0, len(query))
	for key := range query {
		switch key {
		case "cursor", "limit", "offset", "count", "fields", "format", "include", "_": // which rows there are does not depend on these
		default:
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var b strings.Builder
	b.WriteString(route)
	for _, key := range keys {
		values := slices.Sorted(slices.Values(query[key]))
		fmt.Fprintf(&b, "&%q=%q", key, values)
	}
	return b.String()
}

// Row is a row that encodes itself.
type Row[T any] interface {
	*T
	db.Record
}

// List is one page of an envelope: {"runs": […], "count": …, "total": …, "limit": …, "offset": …, "next": …}.
type List[T any, P Row[T]] struct {
	key      string
	rows     []T
	request  Request
	next     string // cursor of the next page, empty on the last
	total    *int64 // nil: not counted
	estimate bool   // total is a lower bound

	Warnings []string // left out when there are none
}

// NewList makes a page of rows. There is one row more than the page holds when there is a next page; at returns the position
// of a row in the list.
func NewList[T any, P Row[T]](key string, rows []T, r Request, at func(P) Cursor) *List[T, P] {
	rows, more := Cut(rows, r.Page)
	l := &List[T, P]{key: key, rows: rows, request: r}
	if more && r.Limit > 0 {
		l.next = at(P(&rows[r.Limit-1])).Encode(r.Scope)
	}
	return l
}

// SetNext sets the row after which the next page begins, for rows that were already cut.
func (l *List[T, P]) SetNext(c Cursor) { l.next = c.Encode(l.request.Scope) }

// SetTotal counts the list as requested, unless the page is the last one and so gives the total; count stops at most. A count that
// takes more than 3/5 of the time that is left is made up to estimateUpTo instead, and after as much again the page says how many there are
// at least.
func (l *List[T, P]) SetTotal(ctx context.Context, count func(ctx context.Context, most int64) (int64, error)) error {
	r := l.request
	most := int64(1 << 62)
	switch {
	case r.Count == None:
		return nil
	case l.next == "" && r.After == nil && r.Limit > 0 && (len(l.rows) > 0 || r.Offset == 0):
		l.total = new(r.Offset + int64(len(l.rows)))
		return nil
	case r.Count == Estimated:
		most = estimateUpTo
	}
	for _, most := range []int64{most, estimateUpTo} {
		limited, cancel := partOf(ctx)
		n, err := count(limited, most)
		cancel()
		switch tooSlow := new(pgconn.PgError); {
		case err == nil:
			l.total, l.estimate = &n, n == most
			return nil
		case ctx.Err() != nil, !errors.Is(err, context.DeadlineExceeded) && (!errors.As(err, &tooSlow) || tooSlow.Code != "57014"):
			return fmt.Errorf("count the %s: %w", l.key, err)
		}
	}
	l.total, l.estimate = new(r.Offset+int64(len(l.rows))), true
	if l.next != "" {
		*l.total++
	}
	return nil
}

// partOf is ctx for three fifths of the time that it has.
func partOf(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(end)*3/5)
}

// Link is the value of a Link header to the next page; empty on the last. It is relative, because a proxy may have another path.
func (l *List[T, P]) Link(u *url.URL) string {
	if l.next == "" {
		return ""
	}
	query := u.Query()
	query.Del("offset")
	query.Set("cursor", l.next)
	return "<?" + query.Encode() + `>; rel="next"`
}

// Key is what the records are called.
func (l *List[T, P]) Key() string { return l.key }

// Rows are the records of the page.
func (l *List[T, P]) Rows() []T { return l.rows }

// Next is the cursor of the next page, empty on the last.
func (l *List[T, P]) Next() string { return l.next }

// Total is how many records match; ok is false when that was not counted to the end.
func (l *List[T, P]) Total() (n int64, ok bool) {
	if l.total == nil || l.estimate {
		return 0, false
	}
	return *l.total, true
}

// Request is what the caller asked for.
func (l *List[T, P]) Request() Request { return l.request }

// Partial tells that the caller named the members of the rows.
func (l *List[T, P]) Partial() bool { return l.request.Partial }

// AppendJSON appends the envelope.
func (l *List[T, P]) AppendJSON(b []byte) []byte {
	b = append(b, '{', '"')
	b = append(b, l.key...)
	b = append(b, `":`...)
	b = db.AppendRowFields[T, P](b, l.rows, l.request.Fields())
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
	b = strconv.AppendInt(b, int64(l.request.Limit), 10)
	b = append(b, `,"offset":`...)
	b = strconv.AppendInt(b, l.request.Offset, 10)
	b = append(b, `,"next":`...)
	if l.next == "" {
		b = append(b, `null`...)
	} else {
		b = strconv.AppendQuote(b, l.next) // base64url
	}
	if len(l.Warnings) > 0 {
		b = append(b, `,"warnings":`...)
		texts, _ := json.Marshal(l.Warnings) // texts always encode
		b = append(b, texts...)
	}
	return append(b, '}')
}

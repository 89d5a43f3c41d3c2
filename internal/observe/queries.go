package observe

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// QueryName is the name that a query has in sql/, from the comment that sqlc begins it with; "other" for statements without
// one, such as BEGIN.
func QueryName(sql string) string {
	name, named := strings.CutPrefix(sql, "-- name: ")
	if end := strings.IndexByte(name, ' '); named && end > 0 {
		return name[:end]
	}
	return "other"
}

// begun is a query in progress.
type begun struct {
	name string
	at   time.Time
}

type begunKey struct{}

// TraceQueryStart notes when a query begins: Metrics is a tracer of pgx.
func (m *Metrics) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	return context.WithValue(ctx, begunKey{}, begun{QueryName(q.SQL), time.Now()})
}

// TraceQueryEnd notes how long it took.
func (m *Metrics) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryEndData) {
	if b, ok := ctx.Value(begunKey{}).(begun); ok {
		m.query(b.name, b.at, q.Err)
	}
}

// TraceBatchStart notes when queries that are sent together begin.
func (m *Metrics) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return context.WithValue(ctx, begunKey{}, begun{at: time.Now()})
}

// TraceBatchQuery notes how long it took until one of them was answered.
func (m *Metrics) TraceBatchQuery(ctx context.Context, _ *pgx.Conn, q pgx.TraceBatchQueryData) {
	if b, ok := ctx.Value(begunKey{}).(begun); ok {
		m.query(QueryName(q.SQL), b.at, q.Err)
	}
}

// TraceBatchEnd does nothing.
func (m *Metrics) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// TraceCopyFromStart notes when a COPY begins.
func (m *Metrics) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, c pgx.TraceCopyFromStartData) context.Context {
	return context.WithValue(ctx, begunKey{}, begun{"COPY " + strings.Join(c.TableName, "."), time.Now()})
}

// TraceCopyFromEnd notes how long it took, and its rows.
func (m *Metrics) TraceCopyFromEnd(ctx context.Context, _ *pgx.Conn, c pgx.TraceCopyFromEndData) {
	if b, ok := ctx.Value(begunKey{}).(begun); ok {
		m.query(b.name, b.at, c.Err)
		m.rows.WithLabelValues("postgresql").Add(float64(c.CommandTag.RowsAffected()))
	}
}

func (m *Metrics) query(name string, at time.Time, err error) {
	state := ""
	if refused := new(pgconn.PgError); errors.As(err, &refused) {
		state = refused.Code
	} else if err != nil {
		state = "_OTHER" // no answer of the server
	}
	m.queries.WithLabelValues(name, state).Observe(time.Since(at).Seconds())
}

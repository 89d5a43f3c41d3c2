package questdb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// openPool makes a pool on the PostgreSQL wire, for this user or, when it is empty, for that of the URL.
func (cfg Config) openPool(user, password string, size int) (*pgxpool.Pool, error) {
	pc, err := pgxpool.ParseConfig(cfg.pgURL())
	if err != nil { // its text may quote a password
		return nil, errors.New("the QuestDB URL for the PostgreSQL wire is not one: write postgres://user:password@host:8812/qdb")
	}
	if user != "" {
		pc.ConnConfig.User, pc.ConnConfig.Password = user, password
	}
	pc.MaxConns = int32(min(size, 1<<16)) //nolint:gosec // it fits
	pc.HealthCheckPeriod = 5 * time.Second
	pc.MaxConnIdleTime = 5 * time.Minute
	pc.MaxConnLifetime = 30 * time.Minute
	pc.MaxConnLifetimeJitter = 5 * time.Minute
	pc.PingTimeout = 500 * time.Millisecond
	pc.ConnConfig.ConnectTimeout = cfg.ConnectTimeout
	pc.ConnConfig.DialFunc = dialer{cfg.ConnectTimeout, cfg.StallTimeout}.dial
	// pgx reads 8 KB at a time; with more a million rows take a fifth less of the service's time.
	pc.ConnConfig.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		return pgproto3.NewFrontend(bufio.NewReaderSize(r, 64<<10), w)
	}
	pc.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler { return closeOnCancel{conn.Conn()} }
	// The fastest mode except cache_statement, which fails once on each connection after a column was added, and gets no
	// answer at all after a table was dropped and created again.
	pc.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	pc.ConnConfig.DescriptionCacheCapacity = 128
	pool, err := pgxpool.NewWithConfig(context.Background(), pc)
	if err != nil {
		return nil, errors.New("the pool for QuestDB cannot be made")
	}
	return pool, nil
}

func (cfg Config) pgURL() string {
	if cfg.PGURL != "" {
		return cfg.PGURL
	}
	user, password := "admin", "quest" // QuestDB's defaults
	if cfg.User != "" {
		user, password = cfg.User, cfg.Password
	}
	host := ""
	if u, err := url.Parse(cfg.HTTPURL); err == nil {
		host = u.Hostname()
	}
	u := url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Host: net.JoinHostPort(host, "8812"), Path: "/qdb",
		RawQuery: "sslmode=disable"}
	return u.String()
}

// formats asks for numbers and times in binary, which is the main reason that this path is fast, and for all other types as
// text: the binary form of a null IPv4 or GEOHASH is not valid.
var formats = pgx.QueryResultFormatsByOID{
	pgtype.Float8OID: 1, pgtype.Float4OID: 1, pgtype.Int8OID: 1, pgtype.Int4OID: 1, pgtype.Int2OID: 1,
	pgtype.BoolOID: 1, pgtype.TimestampOID: 1, pgtype.TimestamptzOID: 1,
}

// pgTypes are QuestDB's types as far as the wire distinguishes them.
var pgTypes = map[uint32]string{
	pgtype.Float8OID: "DOUBLE", pgtype.Float4OID: "FLOAT", pgtype.Int8OID: "LONG", pgtype.Int4OID: "INT", pgtype.Int2OID: "SHORT",
	pgtype.BoolOID: "BOOLEAN", pgtype.TimestampOID: "TIMESTAMP", pgtype.TimestamptzOID: "TIMESTAMP",
	pgtype.VarcharOID: "VARCHAR", pgtype.BPCharOID: "CHAR", pgtype.UUIDOID: "UUID", pgtype.Float8ArrayOID: "DOUBLE[]",
	pgtype.NumericOID: "DECIMAL", pgtype.ByteaOID: "BINARY",
}

// pgSource reads the rows of a query on a connection of its own.
type pgSource struct {
	rows   pgx.Rows
	ctx    context.Context
	cancel context.CancelCauseFunc
	conn   *pgxpool.Conn
	sql    string
	begun  bool
}

func (p *pgSource) next() ([][]byte, bool) {
	if !p.rows.Next() {
		return nil, false
	}
	p.begun = true
	return p.rows.RawValues(), true
}

func (p *pgSource) close(whole bool) error {
	if !whole {
		p.cancel(nil) // without it, Close would read all that is left
	}
	p.rows.Close()
	err := p.rows.Err()
	if err != nil {
		err = failure(p.ctx, err, p.sql, p.begun)
	}
	if p.ctx.Err() != nil { // the connection is closed, or about to be, and pgx has not always seen it
		_ = p.conn.Conn().Close(p.ctx)
	}
	p.conn.Release()
	p.cancel(nil)
	return err
}

// pgQuery sends a statement and waits for its first row. Statements of callers are described each time.
func (c *Client) pgQuery(ctx context.Context, pool *pgxpool.Pool, mode pgx.QueryExecMode, sql string, args []any) (*Rows, error) {
	rows, err := c.pgAttempt(ctx, pool, mode, sql, args)
	if errors.Is(err, errStale) {
		rows, err = c.pgAttempt(ctx, pool, pgx.QueryExecModeDescribeExec, sql, args)
	}
	if errors.Is(err, ErrUnavailable) {
		pool.Reset() // the server is gone, and with it the other ends of all that lies in the pool
	}
	return rows, err
}

// errStale is the error of a statement whose cached description no longer fits the table.
var errStale = fmt.Errorf("%w: the table has changed", ErrBroken)

func (c *Client) pgAttempt(ctx context.Context, pool *pgxpool.Pool, mode pgx.QueryExecMode, sql string, args []any) (*Rows, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	limit := time.AfterFunc(c.cfg.AnswerTimeout, func() { cancel(errNoAnswer) })
	defer limit.Stop()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		defer cancel(nil)
		return nil, failure(ctx, err, sql, false)
	}
	result, err := conn.Query(ctx, sql, append([]any{mode, formats}, args...)...)
	if err != nil {
		defer cancel(nil)
		defer conn.Release()
		return nil, failure(ctx, err, sql, false)
	}
	rows := &Rows{source: &pgSource{rows: result, ctx: ctx, cancel: cancel, conn: conn, sql: sql}}
	for _, f := range result.FieldDescriptions() {
		if f.Format != formats[f.DataTypeOID] {
			rows.Close()
			return nil, errStale
		}
		t := pgTypes[f.DataTypeOID]
		rows.Fields = append(rows.Fields, Field{Name: f.Name, Kind: KindOf(t), Type: t})
	}
	rows.peek()
	if refused := new(Refused); errors.As(rows.err, &refused) && isStale(refused.Message) {
		return nil, errStale
	}
	return rows, rows.err
}

// isStale recognises QuestDB's error for a statement that was described before the table changed.
func isStale(message string) bool {
	return strings.Contains(message, "cached plan must not change result type") || strings.Contains(message, "inconvertible")
}

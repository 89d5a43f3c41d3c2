// Package questdb is a thin client of QuestDB, the store of the series. Reads go over QuestDB's PostgreSQL wire protocol
// or, where that port is closed, over HTTP; tables are made and rows are written over HTTP in any case.
package questdb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/semaphore"
)

// Path is the way that reads take.
type Path string

// The paths. Both give the same values; PG is several times faster.
const (
	PG   Path = "pg"   // the PostgreSQL wire protocol
	HTTP Path = "http" // /exec
)

// Config has the address of QuestDB, the users and the time limits. Zero values stand for the defaults named.
type Config struct {
	HTTPURL        string
	User, Password string // for HTTP basic authentication; no user: none
	PGURL          string // postgres://…; the host of HTTPURL with port 8812, as User or else admin with password quest
	Read           Path   // PG

	ReadOnlyUser, ReadOnlyPassword string // who Query is at PGURL; no user: it reads as all else does

	PoolSize       int           // 16 reads at a time, of which long ones may take three quarters
	ConnectTimeout time.Duration // 1 s for one attempt
	AcquireTimeout time.Duration // 1 s for a free place of the pool
	AnswerTimeout  time.Duration // 4 s until the first row of a read
	StallTimeout   time.Duration // 10 s in which QuestDB sends nothing more of an answer

	Wrote func(rows int64) // is told of rows that QuestDB has taken; nil: nobody is
}

// withDefaults fills what is zero.
func (cfg Config) withDefaults() Config {
	if cfg.Read == "" {
		cfg.Read = PG
	}
	if cfg.PoolSize == 0 {
		cfg.PoolSize = 16
	}
	for _, d := range []struct {
		value *time.Duration
		or    time.Duration
	}{
		{&cfg.ConnectTimeout, time.Second}, {&cfg.AcquireTimeout, time.Second},
		{&cfg.AnswerTimeout, 4 * time.Second}, {&cfg.StallTimeout, 10 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.or
		}
	}
	return cfg
}

// Client talks to one QuestDB. It is made without connecting, so it outlives any outage.
type Client struct {
	cfg       Config
	base      *url.URL // of the HTTP interface, without a user
	http      *http.Client
	transport *http.Transport     // of http
	once      *http.Transport     // of writes: a connection for each
	pool      *pgxpool.Pool       // nil: reads go over HTTP
	callers   *pgxpool.Pool       // of Query; nil: it goes over HTTP
	slots     *semaphore.Weighted // one is held by each read
	streams   *semaphore.Weighted // and one of these by each long one

	statements *semaphore.Weighted // one is held by each statement of a caller
	tables     tableCache
}

// New makes a client. It fails on a URL that is not one.
func New(cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	u, err := url.Parse(cfg.HTTPURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("the QuestDB URL is not an http:// or https:// address")
	}
	if u.User != nil {
		if cfg.User == "" {
			cfg.User = u.User.Username()
			cfg.Password, _ = u.User.Password()
		}
		u.User = nil
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	c := &Client{
		cfg: cfg, base: u,
		transport: &http.Transport{
			DialContext:         dialer{cfg.ConnectTimeout, cfg.StallTimeout}.dial,
			TLSHandshakeTimeout: cfg.ConnectTimeout,
			IdleConnTimeout:     30 * time.Second,
			MaxIdleConnsPerHost: cfg.PoolSize,
			DisableCompression:  true, // QuestDB's own deflate has crashed it
		},
		slots:   semaphore.NewWeighted(int64(cfg.PoolSize)),
		streams: semaphore.NewWeighted(int64(max(1, cfg.PoolSize-cfg.PoolSize/4))),

		statements: semaphore.NewWeighted(maxStatements),
	}
	// For each connection QuestDB 9.3 caches the tables that it has written to. When a table was dropped and created again, it
	// writes to the old one, answers 204, and the rows are lost.
	c.once = c.transport.Clone()
	c.once.DisableKeepAlives = true
	c.once.DialContext = (&net.Dialer{Timeout: cfg.ConnectTimeout}).DialContext // the context bounds the time in which many rows are sent
	c.once.WriteBufferSize = sendSize
	c.http = &http.Client{
		Transport:     c.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if cfg.Read != PG && cfg.Read != HTTP {
		return nil, fmt.Errorf("the way to read QuestDB is neither %s nor %s", PG, HTTP)
	}
	if cfg.Read == PG {
		if c.pool, err = cfg.openPool("", "", cfg.PoolSize); err != nil {
			return nil, err
		}
	}
	if cfg.Read == PG || cfg.ReadOnlyUser != "" {
		if c.callers, err = cfg.openPool(cfg.ReadOnlyUser, cfg.ReadOnlyPassword, maxStatements); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Close closes the connections. Those of reads in progress close when the reads have ended.
func (c *Client) Close() {
	if c.pool != nil {
		c.pool.Close()
	}
	if c.callers != nil {
		c.callers.Close()
	}
	c.transport.CloseIdleConnections()
}

// pingTimeout is long for a query that reads nothing, and short for a caller who waits to see whether QuestDB is up.
const pingTimeout = 2 * time.Second

// Ping returns nil when QuestDB answers a query over HTTP and, if reads take it, over the PostgreSQL wire as well. A server
// that only accepts connections is not up; one with a full pool is.
func (c *Client) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	one := new(statement).add("select 1 one")
	if err := isOne(c.execQuery(ctx, one)); err != nil {
		return fmt.Errorf("ping QuestDB: %w", err)
	}
	if c.pool != nil {
		if err := isOne(c.query(ctx, one)); err != nil && !errors.Is(err, ErrBusy) {
			return fmt.Errorf("ping QuestDB over the PostgreSQL wire: %w", err)
		}
	}
	return nil
}

// isOne checks that the result is one row with 1.
func isOne(rows *Rows, err error) error {
	if errors.As(err, new(*Refused)) {
		return fmt.Errorf("%w: it does not take the query", ErrBroken)
	}
	n, sum := 0, int64(0)
	err = each(rows, err, func(r *Rows) {
		n++
		if len(r.Fields) == 1 {
			sum, _ = r.Int(0)
		}
	})
	if err == nil && (n != 1 || sum != 1) {
		return ErrBroken
	}
	return err
}

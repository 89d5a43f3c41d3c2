// Package api serves the metadata store over HTTP: one handler a route, which reads parameters, calls the generated
// queries of package db and writes their rows. The routes and their parameters are described in spec/openapi.yaml, from
// which package spec is made.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/semaphore"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/access"
	"foldbook/internal/events"
	"foldbook/internal/httpbody"
	"foldbook/internal/observe"
	"foldbook/questdb"
)

// Options is what a Server works with.
type Options struct {
	DB      *db.DB
	QuestDB *questdb.Client // nil: none is configured
	Events  *events.Hub
	Import  bool // imports and jobs are enabled
	Log     *slog.Logger
	Metrics *observe.Metrics
	Version string // of the build, as /api/health shows it

	// Schema returns the version of the database's schema and the one that this build is made for.
	Schema func(context.Context) (have, want int64, err error)

	ReadTimeout    time.Duration // for a body to arrive, and a second more for each 64 KiB
	RequestTimeout time.Duration // for a whole read
	WriteTimeout   time.Duration // for storing a body, once it has been read
	StreamTimeout  time.Duration // for a whole answer of rows; its first row has to be there within RequestTimeout

	StreamWriteTimeout time.Duration // for a client to take each part of any answer

	Passthrough Passthrough

	Gate      *access.Gate // tells who calls; nil: everybody may do everything
	Limits    map[spec.Budget]*access.Limiter
	InFlight  int64          // most requests at a time, but for probes; 0: any number
	Proxies   access.Proxies // whose word on the address of a client is believed
	OpenReads []string       // paths of the description that may be read without a credential; OlderReads is the six original ones

	MCP bool // agents may call tools at /mcp

	AllowedHosts   []string // names beside those of the loopback that the service answers to
	CORSOrigins    []string // origins whose pages may call, and write unless it is "*", which is any
	BodyCache      int64    // bytes of compressed answers that are kept, 0 for none
	TraderPrefixes []string // paths below which the older routes answer as well; "*" is any one segment
}

// Server is the HTTP interface of the service. Its exported methods other than Handler and Drain are the operations of spec/openapi.yaml.
type Server struct {
	Options
	echo     *echo.Echo
	started  time.Time
	draining atomic.Bool
	drained  chan struct{} // closed once draining is true
	cache    *answerCache
	browsers *access.Browsers
	running  sync.Map // callers whose statement QuestDB works on
	inFlight atomic.Int64
	needs    map[string]need // of each route, by method and path as Echo has them
	receiver *httpbody.Receiver
	disk     diskUsage
	writes   *semaphore.Weighted // writes that are at the database: they leave a connection to the reads
	appends  *semaphore.Weighted // requests whose rows are on their way to QuestDB: they take memory
}

// New makes a server; it connects to nothing.
func New(opts Options) *Server {
	e := echo.New()
	s := &Server{
		Options: opts, echo: e, started: time.Now(), drained: make(chan struct{}), cache: newAnswerCache(opts.BodyCache),
		needs: map[string]need{}, browsers: access.NewBrowsers(opts.AllowedHosts, opts.CORSOrigins),
		receiver: httpbody.NewReceiver(opts.ReadTimeout, opts.WriteTimeout),
		writes:   semaphore.NewWeighted(max(1, int64(opts.DB.Pool.Config().MaxConns)-1)),
		appends:  semaphore.NewWeighted(maxAppends),
	}
	e.HTTPErrorHandler = s.writeError
	e.JSONSerializer = serializer{}
	e.IPExtractor = echo.ExtractIPDirect()
	e.Use(s.retryReads)
	s.routes()
	if s.MCP {
		s.agentRoute()
	}
	for _, route := range e.Routes() {
		if s.needs[route.Method+" "+route.Path].scope == "" {
			panic(route.Method + " " + route.Path + " has no scope") // registered beside openapi.yaml
		}
	}
	return s
}

// Handler returns what an http.Server serves.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Drain announces the end: from now on the service is not ready, and every answer closes its connection.
// Those who listen to events are sent away.
func (s *Server) Drain() {
	if !s.draining.Swap(true) {
		close(s.drained)
	}
}

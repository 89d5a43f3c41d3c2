package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"foldbook/api"
	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/events"
	"foldbook/internal/ingest"
	"foldbook/internal/migrator"
	"foldbook/internal/observe"
	"foldbook/internal/returns"
	"foldbook/migrations"
)

const (
	bindPatience   = 5 * time.Second // for a busy port: an outgoing connection may hold it for a moment
	bindPause      = 100 * time.Millisecond
	maxHeaderBytes = 32 << 10
	// gcPercent is GOGC unless that is set. What lives is a few megabytes and one large answer allocates one, so at Go's
	// 100 every few answers would wait for a collection: 12 % of the CPU time of a large one, against some 20 MB.
	gcPercent = 400
	// memoryLimit is GOMEMLIMIT unless that is set: near it garbage is collected sooner, as while large bodies are stored.
	memoryLimit = 384 << 20
)

type serveCmd struct{}

// Help is the text below the summary.
func (serveCmd) Help() string {
	return `Starts even while a database is away and recovers when it is back. SIGTERM answers what was begun and exits within 10 s.

Examples:

	foldbook serve
	PORT=8080 MIGRATE_ON_START=true foldbook serve
	HOST=0.0.0.0 AUTH_MODE=keys foldbook serve       "foldbook key create" makes a key
	LOG_FORMAT=json LOG_LEVEL=warn foldbook serve`
}

// Run serves until the context ends.
func (serveCmd) Run(a *app) error {
	cfg, err := loadConfig(a.env)
	if err != nil {
		return err
	}
	if err := cfg.checkExposure(); err != nil {
		return err
	}
	if a.env["GOGC"] == "" {
		debug.SetGCPercent(gcPercent)
	}
	if a.env["GOMEMLIMIT"] == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	log, flush := cfg.newLogger(a.out)
	defer flush()
	tracing, err := observe.StartTracing(a.ctx, cfg.OTLPEndpoint, buildVersion(), log)
	if err != nil {
		return err
	}
	defer tracing.Stop(context.WithoutCancel(a.ctx))
	metrics := observe.New(buildVersion())
	store, err := cfg.openDB(append(tracing.Queries(), metrics)...)
	if err != nil {
		return err
	}
	defer store.Close()
	metrics.Pool(store.Pool)
	series, err := cfg.openQuestDB(metrics.Wrote)
	if err != nil {
		return err
	}
	if series != nil {
		defer series.Close()
	}
	for _, name := range cfg.unknown(a.dotenv) {
		log.Warn("a name in .env is no setting, and is not used: .env.example has all", "name", name)
	}
	if cfg.QDBILPHost != "" || cfg.QDBILPPort != "" {
		log.Warn("QDB_ILP_HOST and QDB_ILP_PORT are recognised and not used: series are written over HTTP, " +
			"because the TCP line protocol cannot report errors")
	}
	// A connection of their own, because a service whose connections are all in use is busy, not down.
	checks := cfg
	checks.PoolSize = 1
	probe, err := checks.openDB()
	if err != nil {
		return err
	}
	defer probe.Close()
	schema := func(ctx context.Context) (have, want int64, err error) {
		return migrator.Version(ctx, probe.Pool, migrations.FS)
	}
	gate, err := cfg.gate(a.ctx, probe, log)
	if err != nil {
		return err
	}
	proxies, err := cfg.proxies()
	if err != nil {
		return err
	}
	hub := events.New(&events.Hub{
		Store: store, Log: log, ListenURL: cfg.EventsPostgresURL, Keep: cfg.EventsKeep, Most: cfg.EventsListeners, Pages: 256,
	})
	server := api.New(api.Options{
		DB: store, Events: hub, QuestDB: series, Import: cfg.Import, Log: log, Metrics: metrics, Version: buildVersion(), Schema: schema,
		Passthrough: api.Passthrough{On: cfg.Passthrough, Rows: cfg.PassthroughRows, Timeout: cfg.PassthroughTimeout},
		ReadTimeout: cfg.ReadTimeout, RequestTimeout: cfg.RequestTimeout, WriteTimeout: cfg.WriteTimeout,
		StreamTimeout: cfg.StreamTimeout, StreamWriteTimeout: cfg.StreamWrite, BodyCache: cfg.BodyCacheMB << 20,
		Gate: gate, Limits: cfg.limits(), InFlight: cfg.LimitInFlight, Proxies: proxies, OpenReads: cfg.AuthOpenReads,
		MCP: cfg.MCP, AllowedHosts: cfg.AllowedHosts, CORSOrigins: cfg.CORSOrigins,
		TraderPrefixes: cfg.TraderPrefixes,
	})

	metrics.Collect(server.Collector())

	log.Info("foldbook starts", "version", buildVersion())
	start := starter{cfg: cfg, log: log, store: store, server: server}
	ready := start.check(a.ctx)
	listener, err := listen(a.ctx, cfg.Host, cfg.Port)
	if err != nil {
		return err
	}
	log.Info("listening", "address", "http://"+listener.Addr().String())
	ctx, cancel := context.WithCancel(a.ctx)
	var background sync.WaitGroup
	defer background.Wait()
	defer cancel()
	if !ready {
		background.Go(func() { start.keepTrying(ctx) })
	}
	background.Go(func() { hub.Run(ctx) })
	migrated := func(ctx context.Context) bool {
		have, want, err := schema(ctx)
		return err == nil && have >= want
	}
	if cfg.JobWorkers > 0 {
		follower := &returns.Follower{Store: store, Loader: returns.Loader{DB: store.Queries, QuestDB: series}, Log: log, Ready: migrated}
		background.Go(func() { follower.Run(ctx) })
	}
	if cfg.JobWorkers > 0 && series != nil {
		workers := ingest.Workers{Store: store, Series: series, Log: log, Count: cfg.JobWorkers, Ready: migrated}
		background.Go(func() {
			if err := workers.Run(ctx); err != nil {
				log.Error("jobs are not worked", "cause", err.Error())
			}
		})
	}
	if cfg.MetricsAddr != "" {
		stop, err := cfg.serveMetrics(a.ctx, metrics, log)
		if err != nil {
			return err
		}
		defer stop()
	}
	return cfg.serve(a.ctx, listener, tracing.Handler(server.Handler()), server, log)
}

// serveMetrics answers scrapes at METRICS_ADDR, without credentials: it is an address that only Prometheus reaches.
func (c config) serveMetrics(ctx context.Context, metrics *observe.Metrics, log *slog.Logger) (stop func(), err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.MetricsAddr)
	if err != nil {
		return nil, fmt.Errorf("METRICS_ADDR: listen on %s: %s", c.MetricsAddr, cause(err))
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics.Handler())
	h := &http.Server{Handler: mux, ReadHeaderTimeout: c.ReadHeaderTimeout, ReadTimeout: c.ReadTimeout, WriteTimeout: c.StreamWrite}
	log.Info("metrics are at", "address", "http://"+listener.Addr().String()+"/metrics")
	go func() { _ = h.Serve(listener) }() // until it is closed
	return func() { _ = h.Close() }, nil
}

// serve answers requests until ctx ends; then it drains, answers all that was begun, and returns.
func (c config) serve(ctx context.Context, listener net.Listener, handler http.Handler, server *api.Server, log *slog.Logger) error {
	open := connections{states: map[net.Conn]http.ConnState{}}
	h := &http.Server{
		ConnState:         open.track,
		Handler:           handler,
		ReadHeaderTimeout: c.ReadHeaderTimeout,
		ReadTimeout:       c.ReadTimeout,
		IdleTimeout:       c.IdleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // what single clients do wrong
	}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	log.Info("stopping: not ready any more, open requests are answered")
	server.Drain()
	open.hurry(api.DrainPatience)
	time.Sleep(c.ShutdownNotice) // clients with kept connections are told to open no more requests on them
	stop, cancel := context.WithTimeout(context.Background(), c.ShutdownTimeout)
	defer cancel()
	if err := listener.Close(); err != nil {
		log.Warn("closing the port failed", "cause", err.Error())
	}
	closed := <-failed // Shutdown would close a listener that Serve has not let go of once more, and fail
	log.Debug("no connections are taken any more", "cause", closed.Error())
	open.wait(stop)
	if err := h.Shutdown(stop); err != nil {
		_ = h.Close()
		return fmt.Errorf("stop: requests were still open after %s: %w", c.ShutdownTimeout, err)
	}
	log.Info("stopped")
	return nil
}

// listen opens host:port. A busy port is tried again for bindPatience. Only IPv4: "localhost" would be two addresses.
func listen(ctx context.Context, host string, port int) (net.Listener, error) {
	address := net.JoinHostPort(host, strconv.Itoa(port))
	deadline := time.Now().Add(bindPatience)
	for {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", address)
		if err == nil || ctx.Err() != nil {
			return listener, err
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("listen on %s: %s", address, cause(err))
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("port %d on %s has been busy for %s: stop what uses it, or set PORT", port, host, bindPatience)
		}
		time.Sleep(bindPause)
	}
}

// cause is a network error without the words of the layers above it.
func cause(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return err.Error()
}

// starter checks the connections and says what was found.
type starter struct {
	cfg    config
	log    *slog.Logger
	store  *db.DB
	server *api.Server
}

// check looks once, for at most 2 s, and reports whether nothing is left to wait for.
func (s starter) check(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	have, want, err := migrator.Version(ctx, s.store.Pool, migrations.FS)
	_, series := s.server.Check(ctx)
	if series == spec.ReadinessQuestdbDown {
		s.log.Warn("QuestDB is away; series routes answer 503 until it is back", "url", maskURL(s.cfg.QDBHTTPURL))
	} else {
		s.log.Info("QuestDB checked", "state", series)
	}
	if refused := new(pgconn.PgError); errors.As(err, &refused) {
		s.log.Error("PostgreSQL refuses the connection, such as for its password; routes answer 503 until it takes it",
			"cause", connectFailure(s.store, err).Error())
		return false
	} else if err != nil {
		s.log.Warn("PostgreSQL is away; routes answer 503 until it is back", "cause", connectFailure(s.store, err).Error())
		return false
	}
	return s.found(ctx, have, want)
}

// found logs what a reachable database holds, and reports whether it needs no migration by this process.
func (s starter) found(ctx context.Context, have, want int64) bool {
	switch {
	case have < want && s.cfg.MigrateOnStart:
		s.log.Info("the schema is older than this build; it is brought up to date", "schema", have, "wanted", want)
		return false
	case have < want:
		s.log.Warn("the schema is older than this build, so the service is not ready: run foldbook migrate up, or set MIGRATE_ON_START",
			"schema", have, "wanted", want)
		return true
	case have > want:
		s.log.Warn("the schema is newer than this build, so the service is not ready: run the newer build", "schema", have, "wanted", want)
		return true
	}
	datasets, err1 := s.store.CountDatasets(ctx, db.CountDatasetsParams{})
	runs, err2 := s.store.CountRuns(ctx)
	simulations, err3 := s.store.CountSimulations(ctx)
	if err := errors.Join(err1, err2, err3); err != nil {
		s.log.Warn("PostgreSQL checked; counting failed", "schema", have, "cause", err.Error())
		return !errors.Is(err, context.DeadlineExceeded) // one that is slow is asked again, without the haste of the start
	}
	s.log.Info("PostgreSQL checked", "schema", have, "datasets", datasets, "runs", runs, "simulations", simulations)
	return true
}

// keepTrying waits for the database and migrates it if that is wanted. It logs a failed migration and tries that
// again as well: the cause may be another process in the way.
func (s starter) keepTrying(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		have, want, err := migrator.Version(ctx, s.store.Pool, migrations.FS)
		if err == nil && have < want && s.cfg.MigrateOnStart {
			if err = s.migrate(ctx); err == nil {
				have = want
			} else {
				s.log.Error("the migration failed; it is tried again", "cause", err.Error())
			}
		}
		if err == nil && s.found(ctx, have, want) {
			return
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func (s starter) migrate(ctx context.Context) error {
	m, err := migrator.Open(ctx, s.cfg.postgres(), s.cfg.ConnectTimeout, migrations.FS, migrator.Report{
		Note: func(text string) { s.log.Info(text) },
		Step: func(step migrator.Step) {
			s.log.Info("migration applied", "file", step.File, "took", step.Took.String())
		},
	})
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	_, err = m.Up(ctx, false)
	return err
}

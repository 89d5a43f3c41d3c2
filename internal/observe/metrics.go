// Package observe measures the service: what Prometheus scrapes, and the spans that are sent by OTLP. The names of metrics and
// labels are part of the interface; labels have routes and names of queries, never ids, slugs or secrets.
package observe

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/IBM/pgxpoolprometheus"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"foldbook/api/spec"
)

// Metrics is what one process has counted and timed.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	queries  *prometheus.HistogramVec
	rows     *prometheus.CounterVec
	aborted  *prometheus.CounterVec
	refused  *prometheus.CounterVec
	handler  http.Handler
}

// New makes the metrics of a build.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_server_request_duration_seconds", Help: "From the head of a request to the end of its answer.",
			Buckets: []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10},
		}, []string{"http_request_method", "http_route", "http_response_status_code"}),
		queries: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "db_client_operation_duration_seconds",
			Help:    "PostgreSQL's queries by their names in sql/, to the end of their rows; the code is the SQLSTATE of those that failed.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"db_query_summary", "db_response_status_code"}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "foldbook_ingest_rows_total", Help: "Rows that were stored: series in questdb, folds, trades and parts of imports in postgresql.",
		}, []string{"store"}),
		aborted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "foldbook_stream_aborted_total", Help: "Answers that were cut after they had begun, by the side that ended them.",
		}, []string{"by"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "foldbook_requests_refused_total", Help: "Requests beyond a limit, by what was used up.",
		}, []string{"budget"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "foldbook_build_info", Help: "1, with the version of the build.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	for _, by := range []string{"client", "service"} { // a counter that begins at 0 has a rate from the first one on
		m.aborted.WithLabelValues(by)
	}
	for _, store := range []string{"questdb", "postgresql"} {
		m.rows.WithLabelValues(store)
	}
	for _, budget := range []spec.Budget{spec.BudgetReads, spec.BudgetWrites, spec.BudgetStreams, spec.BudgetFailures, spec.BudgetInFlight} {
		m.refused.WithLabelValues(string(budget))
	}
	m.registry.MustRegister(m.requests, m.queries, m.rows, m.aborted, m.refused, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: 4})
	return m
}

// Pool adds what the pool of connections to PostgreSQL says of itself.
func (m *Metrics) Pool(pool *pgxpool.Pool) {
	m.registry.MustRegister(pgxpoolprometheus.NewCollector(pool, nil))
}

// Collect adds a collector that is asked for each scrape.
func (m *Metrics) Collect(c prometheus.Collector) { m.registry.MustRegister(c) }

// Handler answers scrapes, four at a time.
func (m *Metrics) Handler() http.Handler { return m.handler }

// methods are those that are told apart.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// Request notes one answer. A path that no route matches has an empty route.
func (m *Metrics) Request(method, route string, status int, took time.Duration) {
	if !slices.Contains(methods, method) {
		method = "_OTHER"
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())
}

// Aborted notes an answer that was cut.
func (m *Metrics) Aborted(byClient bool) {
	by := "service"
	if byClient {
		by = "client"
	}
	m.aborted.WithLabelValues(by).Inc()
}

// Refused notes a request beyond a limit.
func (m *Metrics) Refused(budget spec.Budget) { m.refused.WithLabelValues(string(budget)).Inc() }

// Wrote notes rows that QuestDB has taken.
func (m *Metrics) Wrote(rows int64) { m.rows.WithLabelValues("questdb").Add(float64(rows)) }

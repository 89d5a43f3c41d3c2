package api

import (
	"context"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"foldbook/api/spec"
	"foldbook/questdb"
)

// GetMetrics serves GET /metrics: what Prometheus scrapes.
func (s *Server) GetMetrics(c echo.Context) error {
	s.Metrics.Handler().ServeHTTP(c.Response(), c.Request())
	return nil
}

// Collector tells Metrics what the service finds when it is asked.
func (s *Server) Collector() prometheus.Collector { return state{s} }

// state is a collector of what the service finds when it is asked: the databases, and what is still to be done.
type state struct{ server *Server }

func gauge(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("foldbook_"+name, help, nil, nil)
}

var (
	postgresUp   = gauge("postgresql_up", "1 when PostgreSQL answers with the schema of this build.")
	questdbUp    = gauge("questdb_up", "1 when QuestDB answers; missing when none is configured.")
	questdbDisk  = gauge("questdb_disk_bytes", "What the tables of QuestDB take on its disk, at most a minute old.")
	bodyBudget   = gauge("body_budget_bytes", "Memory that bodies of requests hold.")
	jobsWaiting  = gauge("jobs_waiting", "Jobs that could be worked now.")
	jobsOldest   = gauge("jobs_oldest_seconds", "For how long the oldest of them has waited.")
	cleanups     = gauge("cleanup_pending", "Tables, and groups of rows in shared ones, of deleted records that QuestDB still has.")
	cleanupsFrom = gauge("cleanup_oldest_seconds", "For how long the oldest of them has waited.")
)

// Describe names the metrics.
func (state) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{postgresUp, questdbUp, questdbDisk, bodyBudget, jobsWaiting, jobsOldest, cleanups, cleanupsFrom} {
		ch <- d
	}
}

// Collect asks for their values. What a database that is away would say is missing.
func (c state) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*checkTimeout)
	defer cancel()
	set := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	postgres, series := c.server.Check(ctx)
	set(postgresUp, oneIf(postgres == up))
	set(bodyBudget, float64(c.server.receiver.Held()))
	if series != spec.ReadinessQuestdbOff {
		set(questdbUp, oneIf(series == spec.ReadinessQuestdbOk))
		if bytes, err := c.server.disk.get(ctx, c.server.QuestDB); err == nil {
			set(questdbDisk, float64(bytes))
		}
	}
	if postgres != up {
		return
	}
	if n, err := c.server.DB.GetBacklog(ctx); err == nil {
		set(jobsWaiting, float64(n.Waiting))
		set(jobsOldest, n.WaitingSeconds)
	}
	if n, err := c.server.DB.CountRemovals(ctx); err == nil {
		set(cleanups, float64(n.Places))
		oldest := 0.0
		if n.Places > 0 {
			oldest = time.Since(n.Since).Seconds()
		}
		set(cleanupsFrom, oldest)
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// diskUsage keeps what QuestDB's tables take for a minute: QuestDB looks at all their files to tell, which takes it 0.2 to 0.7 s for 400
// tables of five partitions, of every scrape.
type diskUsage struct {
	sync.Mutex
	bytes int64
	until time.Time
}

func (d *diskUsage) get(ctx context.Context, client *questdb.Client) (int64, error) {
	d.Lock()
	defer d.Unlock()
	if time.Now().Before(d.until) {
		return d.bytes, nil
	}
	bytes, err := client.Disk(ctx)
	if err != nil {
		return 0, err
	}
	d.bytes, d.until = bytes, time.Now().Add(time.Minute)
	return bytes, nil
}

package api

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
)

// GetOpenapiJSON serves GET /openapi.json: the description of this interface.
func (s *Server) GetOpenapiJSON(c echo.Context) error {
	return c.JSON(http.StatusOK, rawJSON(spec.DocumentJSON))
}

// GetOpenapiYAML serves GET /openapi.yaml: the description of this interface.
func (s *Server) GetOpenapiYAML(c echo.Context) error {
	return c.Blob(http.StatusOK, "application/yaml", spec.DocumentYAML)
}

// GetHealthz serves GET /healthz: {"status": "ok"} while the process serves.
func (s *Server) GetHealthz(c echo.Context) error {
	return c.JSON(http.StatusOK, spec.Liveness{Status: spec.LivenessStatusOk})
}

// GetReadyz serves GET /readyz: {"status": …, "postgres": …, "questdb": …}.
func (s *Server) GetReadyz(c echo.Context) error {
	postgres, questdb := s.Check(c.Request().Context())
	answer := spec.Readiness{Status: spec.Ready, Postgres: postgres, Questdb: questdb}
	if s.draining.Load() {
		answer.Status = spec.Stopping
	} else if postgres != up {
		answer.Status = spec.NotReady
	}
	if answer.Status != spec.Ready {
		c.Response().Header().Set("Retry-After", "1")
		return c.JSON(http.StatusServiceUnavailable, answer)
	}
	return c.JSON(http.StatusOK, answer)
}

// GetHealth serves GET /api/health: the same with time, uptime and version, always 200.
func (s *Server) GetHealth(c echo.Context) error {
	postgres, questdb := s.Check(c.Request().Context())
	answer := spec.Health{
		Status: spec.Healthy, Timestamp: time.Now().UTC().Truncate(time.Millisecond), Uptime: int64(time.Since(s.started).Seconds()),
		Version: s.Version, Postgres: postgres, Questdb: string(questdb),
	}
	if postgres != up || questdb == spec.ReadinessQuestdbDown {
		answer.Status = spec.Degraded
	}
	if postgres == up {
		ctx, cancel := context.WithTimeout(c.Request().Context(), checkTimeout)
		defer cancel()
		if n, err := s.DB.CountRemovals(ctx); err == nil {
			answer.Removals = &spec.Removals{Pending: n.Places}
			if n.Places > 0 {
				answer.Removals.Since = &n.Since
			}
		}
	}
	return c.JSON(http.StatusOK, answer)
}

const (
	up   = "ok"
	down = "down"
)

// checkTimeout bounds the check of the databases, so that /readyz answers within 2 s even when one hangs.
const checkTimeout = time.Second

// Check asks both databases at once. PostgreSQL is "ok", "down" or what is wrong with its schema.
func (s *Server) Check(ctx context.Context) (postgres string, questdb spec.ReadinessQuestdb) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var wg sync.WaitGroup
	questdb = spec.ReadinessQuestdbOff
	if s.QuestDB != nil {
		wg.Go(func() {
			questdb = spec.ReadinessQuestdbOk
			if s.QuestDB.Ping(ctx) != nil {
				questdb = spec.ReadinessQuestdbDown
			}
		})
	}
	postgres = s.checkSchema(ctx)
	wg.Wait()
	return postgres, questdb
}

func (s *Server) checkSchema(ctx context.Context) string {
	have, want, err := s.Schema(ctx)
	switch {
	case err != nil:
		return down
	case have < want:
		return fmt.Sprintf("schema is at %d, this build needs %d: run foldbook migrate up", have, want)
	case have > want:
		return fmt.Sprintf("schema is at %d, this build knows %d: it is older than the database", have, want)
	}
	return up
}

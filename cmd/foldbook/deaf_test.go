package main

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"foldbook/internal/seed"
	"foldbook/internal/testdb"
)

// Clients that ask and read nothing hold up neither the service nor its end, and a busy pool leaves it ready.
func TestStopsBesideClientsThatDoNotRead(t *testing.T) {
	t.Parallel()
	url := testdb.NewURL(t)
	seeded(t, url)
	conn := testdb.Connect(t, url)
	if _, err := conn.Exec(t.Context(), `UPDATE simulation_runs SET serialized_config = repeat('0123456789abcdef', 500000)`); err != nil {
		t.Fatal(err)
	}
	s := startProcess(t, "POSTGRES_URL="+url, "POSTGRES_POOL_SIZE=2", "POSTGRES_STATEMENT_TIMEOUT=20s", "POSTGRES_ACQUIRE_TIMEOUT=20s", "REQUEST_TIMEOUT=21s")
	s.waitFor(t, "/readyz", http.StatusOK)
	var clients []net.Conn
	for range 50 {
		deaf, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = deaf.Close() }()
		if err := deaf.(*net.TCPConn).SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(deaf, "GET /api/simulations/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", seed.BenchSimulationID)
		clients = append(clients, deaf)
	}
	for _, deaf := range clients { // each has its answer, of which it reads a byte
		if _, err := deaf.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if code, body := s.get("/api/datasets?limit=1"); code != http.StatusOK {
		t.Errorf("beside them the service answers %d %s", code, body)
	}
	busy, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := busy.Exec(t.Context(), `LOCK TABLE walkforward_runs IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		go func() { _, _ = s.get("/api/runs?limit=1") }()
	}
	until(t, "both connections wait for the lock", func() bool {
		var waiting int
		if err := busy.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
		return waiting >= 2
	})
	s.quick(t, "/readyz", http.StatusOK, time.Second)
	if err := busy.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	signalled := time.Now()
	s.stop()
	if code, took := s.exit(), time.Since(signalled); code != 0 || took > 9*time.Second {
		t.Errorf("exit code %d after %s, want 0 within 9 s\n%s", code, took, s.log)
	}
}

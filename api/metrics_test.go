package api_test

import (
	"strings"
	"testing"
)

// A log line has the id of the caller's trace, and probes and the routes of the trading engine are quiet.
func TestRequestLog(t *testing.T) {
	t.Parallel()
	var log logged
	h := newHarness(t, logTo(&log))
	h.get("/healthz")
	h.get("/readyz")
	if got := readBody(t, h.get("/api/positions/active")); !strings.Contains(got, "this route belongs to the trading engine: foldbook stores results") {
		t.Error(got)
	}
	if got := log.lines(t); len(got) != 0 {
		t.Errorf("logged: %v", got)
	}
	h.get("/api/runs", "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	if got := log.lines(t); len(got) != 1 || got[0]["trace_id"] != "4bf92f3577b34da6a3ce929d0e0e4736" {
		t.Errorf("logged: %v", got)
	}
}

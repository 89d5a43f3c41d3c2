package api

import (
	"slices"
	"strings"
)

// foreign begin the paths that the same clients ask of the trading engine, at the same address: the dashboard's pages poll
// some of them all the time.
var foreign = []string{
	"/api/live/", "/api/account/", "/api/executor/", "/api/traders/", "/api/positions", "/api/trades/", "/api/indicators/validate",
	"/api/indicators/build", "/api/binance/", "/usage",
}

func isForeign(path string) bool {
	return slices.ContainsFunc(foreign, func(begin string) bool { return strings.HasPrefix(path, begin) }) ||
		strings.HasPrefix(path, "/traders/") && strings.Contains(path, "/ws/")
}

// quiet tells the requests that arrive all the time and say nothing, unless they fail.
func quiet(path string) bool { return path == "/healthz" || path == "/readyz" || isForeign(path) }

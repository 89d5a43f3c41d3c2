package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"foldbook/api/spec"
	"foldbook/internal/seed"
	"foldbook/internal/testdb"
)

// argumentsWithout looks at the arguments of a foldbook serve, and of the processes that it would start.
func argumentsWithout(t *testing.T, canary string, environ []string) {
	t.Helper()
	s := startProcess(t, environ...)
	s.waitFor(t, "/readyz", http.StatusOK)
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, file := range files {
		status, err := os.ReadFile(filepath.Join(filepath.Dir(file), "status"))
		pid := filepath.Base(filepath.Dir(file))
		if err != nil || pid != strconv.Itoa(s.pid) && !strings.Contains(string(status), "\nPPid:\t"+strconv.Itoa(s.pid)+"\n") {
			continue
		}
		arguments, err := os.ReadFile(file)
		if err != nil || strings.Contains(string(arguments), canary) {
			t.Errorf("the arguments of %s are %q, %v", pid, arguments, err)
		}
		looked++
	}
	if looked != 1 {
		t.Errorf("%d processes, and foldbook serve is one that starts no others", looked)
	}
}

// routesThatRead are the paths that the description answers with GET, with ids that may exist.
func routesThatRead(t *testing.T) []string {
	t.Helper()
	var document struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal(spec.DocumentJSON, &document); err != nil {
		t.Fatal(err)
	}
	ids := strings.NewReplacer("{simulation_id}", seed.BenchSimulationID.String(), "{run_id}", seed.BenchRunID.String(), "{dataset_id}", "x", "{job_id}", seed.BenchRunID.String(), "{name}", "x")
	paths := []string{"/nope", "/api/runs?dataset_id=%00", "/api/datasets/x/ohlcv?limit=-1"}
	for path, methods := range document.Paths {
		if methods["get"] != nil && path != "/api/events" { // which has no end
			paths = append(paths, ids.Replace(path))
		}
	}
	slices.Sort(paths)
	return paths
}

// A canary in every setting that is marked as a secret appears neither in the log nor in an answer of any route, a metric, an error,
// the output of foldbook config or the arguments of a process. docs/access.md, Secrets.
func TestCanary(t *testing.T) {
	t.Parallel()
	const canary = "canary-7f3a91c5d0e2"
	database := testdb.NewURL(t)
	seeded(t, database)
	paths := routesThatRead(t)
	values := map[string]string{ // the rest gets the canary itself
		"POSTGRES_URL": database, "EVENTS_POSTGRES_URL": "postgres://x:" + canary + "@127.0.0.1:1/x", "QDB_HTTP_URL": "http://x:" + canary + "@127.0.0.1:1", "QDB_PG_URL": "postgres://x:" + canary + "@127.0.0.1:1/qdb?password=" + canary,
		"AUTH_JWT_JWKS_URL": "http://127.0.0.1:1/" + "jwks?token=" + canary, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:" + canary + "@127.0.0.1:1",
	}
	away := map[string]string{"POSTGRES_URL": "postgres://x:" + canary + "@127.0.0.1:1/x?sslpassword=" + canary + "&secret=" + canary}
	environ := func(others map[string]string) []string {
		list := []string{"AUTH_MODE=keys,jwt", "AUTH_JWT_ISSUER=x", "AUTH_JWT_AUDIENCE=x", "QDB_PASSTHROUGH=true", "QDB_READONLY_USER=x", "LOG_LEVEL=debug"}
		for _, field := range reflect.VisibleFields(reflect.TypeFor[config]()) {
			if name := field.Tag.Get("env"); field.Tag.Get("secret") != "" {
				value := canary
				for _, known := range []map[string]string{values, others} {
					if v, ok := known[name]; ok {
						value = v
					}
				}
				list = append(list, name+"="+value)
			}
		}
		return list
	}
	if n := len(environ(nil)); n < 14 {
		t.Errorf("%d settings only", n)
	}
	for name, others := range map[string]map[string]string{"with PostgreSQL": nil, "without it": away} {
		code, out, stderr := command(t, environ(others), "config")
		if code != exitOK || strings.Contains(out+stderr, canary) {
			t.Errorf("%s: config: %d\n%s%s", name, code, out, stderr)
		}
		s := start(t, freePort(t), environ(others)...)
		s.waitFor(t, "/healthz", http.StatusOK)
		for _, token := range []string{canary, "", "x.y.z"} {
			for i, path := range paths {
				if others != nil && i%6 != 0 { // each of them waits for the database
					continue
				}
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("X-Api-Key", token)
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(string(body)+fmt.Sprint(res.Header), canary) {
					t.Errorf("%s: %s: %d %v %s", name, path, res.StatusCode, res.Header, body)
				}
			}
		}
		if log := s.log.String(); strings.Contains(log, canary) {
			t.Errorf("%s: the log has the canary:\n%s", name, log)
		}
		if others == nil && runtime.GOOS == "linux" {
			argumentsWithout(t, canary, environ(nil))
		}
	}
	for _, wrong := range []string{
		"POSTGRES_URL=postgres://x:" + canary + "@h:port/x", "QDB_HTTP_URL=http://q:9000/?token=" + canary, "QDB_PG_URL=" + canary, "AUTH_TOKENS=canary-7f3a91",
		"PGPASSWORD=" + canary + "' port=x", "QDB_HTTP_URL=" + canary, "AUTH_JWT_JWKS_URL=" + canary, "POSTGRES_URL=host=h password=" + canary + " port=x",
	} {
		for _, args := range []string{"config", "serve", "key list", "migrate status", "doctor"} {
			code, out, stderr := command(t, []string{"AUTH_MODE=jwt", "POSTGRES_CONNECT_TIMEOUT=100ms", wrong}, strings.Fields(args)...)
			if code == exitOK || strings.Contains(out+stderr, "canary-7f3a91") {
				t.Errorf("%s, %s: %d\n%s%s", wrong, args, code, out, stderr)
			}
		}
	}
}

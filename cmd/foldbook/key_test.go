package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foldbook/internal/testdb"
)

// as asks with a key, in the header that the desktop client uses.
func (s *service) as(t *testing.T, method, path, key string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Stage1-Token", key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// Keys from their making to their end, on two instances, with PostgreSQL and without it. docs/access.md, Keys.
func TestKeys(t *testing.T) {
	t.Parallel()
	server := testdb.Private(t)
	url := "POSTGRES_URL=" + server.URL("foldbook")
	key := func(args ...string) (string, string) {
		t.Helper()
		code, out, stderr := command(t, []string{url}, append([]string{"key"}, args...)...)
		if code != exitOK {
			t.Fatalf("foldbook key %v: exit code %d\n%s%s", args, code, out, stderr)
		}
		return strings.TrimSpace(out), stderr
	}
	reader, said := key("create", "notebook")
	writer, _ := key("create", "exporter", "--scope", "write", "--expires", "90d")
	if len(reader) != 55 || !strings.HasPrefix(reader, "fb_") || !strings.Contains(said, reader[3:11]) || strings.Contains(said, reader[12:]) {
		t.Errorf("made %q and said %q", reader, said)
	}
	environ := []string{url, "QDB_HTTP_URL=off", "AUTH_MODE=keys", "AUTH_OPEN_READS=older", "AUTH_READ_TOKENS=geheim0123456789"}
	services := []*service{start(t, freePort(t), environ...), start(t, freePort(t), environ...)}
	for _, s := range services {
		s.waitFor(t, "/readyz", http.StatusOK)
		for _, tc := range []struct {
			method, path, key string
			want              int
		}{
			{"GET", "/api/datasets", reader, 200}, {"GET", "/api/datasets", writer, 200}, {"GET", "/api/datasets", "geheim0123456789", 200},
			{"GET", "/api/datasets", "", 401}, {"GET", "/nope", "", 401}, {"GET", "/nope", reader, 404}, {"OPTIONS", "/api/datasets", "", 204},
			{"DELETE", "/api/datasets/x", reader, 403}, {"DELETE", "/api/datasets/x", writer, 404}, {"POST", "/api/questdb/import", writer, 403},
			{"GET", "/api/indicators/datasets", "", 200}, {"GET", "/traders/x/api/tradesim/runs", "", 200}, {"HEAD", "/api/walkforward/runs", "", 200},
			{"POST", "/api/indicators/datasets", "", 401}, {"GET", "/api/indicators/datasets/x/features", "", 401},
		} {
			if got := s.as(t, tc.method, tc.path, tc.key); got != tc.want {
				t.Errorf("%s %s with %.12q: %d, want %d", tc.method, tc.path, tc.key, got, tc.want)
			}
		}
	}
	for token, want := range map[string]int{writer: exitOK, "": exitFailed} {
		file := filepath.Join(t.TempDir(), "dataset.json")
		if err := os.WriteFile(file, []byte(datasetFile()), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, out, stderr := command(t, []string{"FOLDBOOK_SERVER=" + services[0].url, "FOLDBOOK_TOKEN=" + token}, "import", file, "--again"); code != want {
			t.Errorf("import with %.12q: exit code %d\n%s%s", token, code, out, stderr)
		}
	}
	successor, _ := key("rotate", reader[3:11], "--keep", "1h")
	if a, b := services[0].as(t, "GET", "/api/runs", reader), services[0].as(t, "GET", "/api/runs", successor); a != 200 || b != 200 {
		t.Errorf("after the rotation: the old key %d, the new one %d", a, b)
	}
	key("revoke", reader) // a whole key is as good as its id
	revoked := time.Now()
	for _, s := range services {
		for s.as(t, "GET", "/api/runs", reader) != 401 {
			if time.Since(revoked) > 5*time.Second {
				t.Fatal("a revoked key works for more than 5 s")
			}
			time.Sleep(20 * time.Millisecond) // between two looks
		}
	}
	list, _ := key("list")
	if strings.Contains(list, successor[12:]) || strings.Count(list, "notebook") != 2 || !strings.Contains(list, successor[3:11]) {
		t.Errorf("key list:\n%s", list)
	}
	if code, _, stderr := command(t, []string{url}, "key", "rotate", reader); code != exitUsage || strings.Contains(stderr, reader[12:]) {
		t.Errorf("rotate of a revoked key: exit code %d, %s", code, stderr)
	}

	unused, _ := key("create", "unused")
	server.Kill()
	for s, want := range map[string]int{writer: 200, reader: 401, unused: 503, "": 401, unused[:54] + "!": 401} {
		if got := services[1].as(t, "GET", "/api/health", s); got != want {
			t.Errorf("without PostgreSQL, %.12q: %d, want %d", s, got, want)
		}
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); services[1].as(t, "GET", "/api/datasets", unused) != 200; time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > testdb.Patience {
			t.Fatal("a key is not taken after PostgreSQL is back")
		}
	}
	for _, s := range services {
		if log := s.log.String(); strings.Contains(log, writer[12:]) || strings.Contains(log, reader[12:]) || strings.Contains(log, "geheim") ||
			!strings.Contains(log, `caller="key `+writer[3:11]) {
			t.Errorf("the log has a key, or no id of one:\n%s", log)
		}
	}
}

// docs/access.md, Credentials: without them the service listens on the loopback only.
func TestBeyondLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{"0.0.0.0": "AUTH_OFF_BEYOND_LOOPBACK", "10.1.2.3": "AUTH_OFF_BEYOND_LOOPBACK", "foldbook.example": "AUTH_OFF_BEYOND_LOOPBACK"} {
		code, _, stderr := command(t, []string{"HOST=" + host, "POSTGRES_URL=postgres://127.0.0.1:1/x"}, "serve")
		if code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("HOST=%s: exit code %d, %s", host, code, stderr)
		}
	}
	for _, allowed := range []string{"AUTH_OFF_BEYOND_LOOPBACK=true", "AUTH_MODE=keys"} {
		s := start(t, freePort(t), "HOST=0.0.0.0", allowed, "POSTGRES_URL=postgres://127.0.0.1:1/x", "QDB_HTTP_URL=off")
		s.waitFor(t, "/healthz", http.StatusOK)
	}
}

package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every setting stands in .env.example with its default, below a comment, and nothing else does.
func TestEnvExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	setting := regexp.MustCompile(`^(#?)([A-Z_]+)=(.*)$`)
	previous := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if m := setting.FindStringSubmatch(line); m != nil {
			if !strings.HasPrefix(previous, "# ") {
				t.Errorf("%s has no comment above it", m[2])
			}
			documented[m[2]] = m[3]
			if m[1] == "#" {
				documented[m[2]] = ""
			}
		}
		previous = line
	}
	defaults := map[string]string{}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[config]()) {
		defaults[field.Tag.Get("env")] = field.Tag.Get("envDefault")
	}
	if diff := cmp.Diff(defaults, documented); diff != "" {
		t.Errorf("-struct +.env.example:\n%s", diff)
	}
}

func TestBadSettingsAreAllListed(t *testing.T) {
	t.Parallel()
	_, err := loadConfig(map[string]string{
		"PORT": "70000", "HOST": "::1", "POSTGRES_POOL_SIZE": "0", "POSTGRES_URL": "postgres://u:geheim@host:port/x", "POSTGRES_CONNECT_TIMEOUT": "0s",
		"POSTGRES_STATEMENT_TIMEOUT": "3s", "POSTGRES_POOLER": "session", "MIGRATE_ON_START": "maybe", "QDB_HTTP_URL": "host:9000", "QDB_ILP_PORT": "x",
		"READ_TIMEOUT": "30", "CORS_ORIGINS": "*,https://a.example/x", "ALLOWED_HOSTS": "foldbook.example,b.example:80",
		"AUTH_MODE": "off,keys,jwt", "AUTH_JWT_ALGORITHMS": "RS256,HS256", "AUTH_JWT_ISSUER": "x", "AUTH_READ_TOKENS": "geheim", "AUTH_OPEN_READS": "older,/api/nope", "AUTH_OFF_BEYOND_LOOPBACK": "x", "TRADER_PREFIXES": "traders", "LIMIT_READS": "many", "LIMIT_WRITES": "-1", "LIMIT_FAILURES": "NaN", "LIMIT_IN_FLIGHT": "-1", "TRUSTED_PROXIES": "127.0.0.1,10.0.0.0/33", "LOG_LEVEL": "loud", "LOG_FORMAT": "xml",
		"QDB_PASSTHROUGH": "true", "QDB_PASSTHROUGH_ROWS": "0", "QDB_PASSTHROUGH_TIMEOUT": "0s", "QDB_IMPORT": "perhaps", "JOB_WORKERS": "-1",
	})
	want := `bad settings:
  MIGRATE_ON_START="maybe" is neither true nor false
  QDB_IMPORT="perhaps" is neither true nor false
  READ_TIMEOUT="30" is not a duration: write it like 500ms, 3s or 1m
  AUTH_OFF_BEYOND_LOOPBACK="x" is neither true nor false
  LIMIT_READS="many" is not a number
  LOG_LEVEL="loud" is none of debug, info, warn, error
  PORT=70000 is not a port: 1 to 65535, or 0 for a free one
  HOST="::1" is not an IPv4 address or host name
  POSTGRES_POOL_SIZE=0 is outside 1 to 1000
  POSTGRES_URL is not a PostgreSQL URL: write postgres://user:password@host:5432/database, with %XX for special characters
  POSTGRES_POOLER="session" is neither none nor transaction
  LOG_FORMAT="xml" is neither text nor json
  POSTGRES_CONNECT_TIMEOUT=0s is too short: at least 1ms
  QDB_PASSTHROUGH_TIMEOUT=0s is too short: at least 1ms
  POSTGRES_STATEMENT_TIMEOUT=3s is not below REQUEST_TIMEOUT=3s: the database has to give up first
  QDB_HTTP_URL is not a URL: write http://host:9000, or off
  QDB_PASSTHROUGH=true needs QDB_READONLY_USER: QuestDB itself has to keep what callers write from changing anything
  QDB_PASSTHROUGH_ROWS=0 is outside 1 to 1000000
  JOB_WORKERS=-1 is outside 0 to 100
  QDB_ILP_PORT="x" is not a port: 1 to 65535
  AUTH_MODE="off,keys,jwt" is none of off, keys, jwt and keys,jwt
  AUTH_TOKENS or AUTH_READ_TOKENS has a token of 6 characters: at least 16, as openssl rand -hex 16 makes them
  AUTH_MODE=jwt needs the keys of the issuer: AUTH_JWT_KEY_FILE, or AUTH_JWT_JWKS_URL
  AUTH_MODE=jwt needs AUTH_JWT_ISSUER and AUTH_JWT_AUDIENCE, which each token has to name
  AUTH_JWT_ALGORITHMS has "HS256": write some of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA
  AUTH_OPEN_READS has "/api/nope": write older, or paths as in openapi.yaml, like /api/datasets/{dataset_id}, separated by commas
  LIMIT_WRITES=-1 is neither 0 nor from 0.001 to 1000000
  LIMIT_FAILURES=NaN is neither 0 nor from 0.001 to 1000000
  LIMIT_IN_FLIGHT=-1 is outside 0 to 1000000
  TRUSTED_PROXIES has "10.0.0.0/33": write addresses and networks like 127.0.0.1,10.0.0.0/8, separated by commas
  ALLOWED_HOSTS has "b.example:80": write names like foldbook.example, without port, separated by commas
  CORS_ORIGINS has "https://a.example/x": write * or origins like https://dashboard.example, separated by commas
  TRADER_PREFIXES has "traders": write paths like /traders/*, separated by commas`
	got := ""
	if err != nil {
		got = err.Error()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestConfigMasksSecrets(t *testing.T) {
	t.Parallel()
	code, out, stderr := command(t, []string{
		"POSTGRES_URL=postgres://me:geheim@db/x?sslpassword=geheim&sslmode=disable", "PGPASSWORD=geheim", "QDB_PASSWORD=geheim", "QDB_HTTP_URL=http://me:geheim@q:9000", "PORT=8080",
	}, "config")
	if code != exitOK || strings.Contains(out+stderr, "geheim") {
		t.Errorf("exit code %d, want 0 and no secret\n%s%s", code, out, stderr)
	}
	for _, want := range []string{
		"POSTGRES_URL=postgres://me:***@db/x?sslmode=disable&sslpassword=*** ", "PGPASSWORD=*** ", "QDB_PASSWORD=*** ", "QDB_HTTP_URL=http://me:***@q:9000 ", "PORT=8080 ", "HOST=127.0.0.1 ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
	_, out, _ = command(t, []string{"POSTGRES_URL=host=db user=me password='geheim' dbname=x"}, "config")
	if strings.Contains(out, "geheim") || !strings.Contains(out, "POSTGRES_URL=***") {
		t.Errorf("the key=value form is not masked\n%s", out)
	}
}

func TestPGSettings(t *testing.T) {
	t.Parallel()
	c, err := loadConfig(map[string]string{"PGHOST": "db", "PGPORT": "6432", "PGDATABASE": "research", "PGUSER": "o'neil", "PGPASSWORD": `it's \here`, "PGSSLMODE": "disable"})
	if err != nil {
		t.Fatal(err)
	}
	store, err := c.openDB()
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	got := store.Pool.Config().ConnConfig
	if got.Host != "db" || got.Port != 6432 || got.Database != "research" || got.User != "o'neil" || got.Password != `it's \here` || got.TLSConfig != nil {
		t.Errorf("got %s:%d %s %s %s", got.Host, got.Port, got.Database, got.User, got.Password)
	}
}

func TestDotEnv(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(file, []byte("PORT=1111\nHOST=10.0.0.1 # inside\nLOG_LEVEL=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := app{env: map[string]string{}}
	if err := a.readEnv(file, []string{"PORT=2222"}); err != nil {
		t.Fatal(err)
	}
	c, err := loadConfig(a.env)
	if err != nil || c.Port != 2222 || c.Host != "10.0.0.1" {
		t.Errorf("got %s:%d, %v; want the host of the file and the port of the environment", c.Host, c.Port, err)
	}
	if err := a.readEnv(filepath.Join(t.TempDir(), ".env"), nil); err != nil {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(file, []byte("PORT=1\nPGPASSWORD 'geheim'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.readEnv(file, nil); err == nil || strings.Contains(err.Error(), "geheim") {
		t.Errorf("a broken file: got %v, want an error that does not quote it", err)
	}
}

// Beside make run, its databases and its server are used unless others are named.
func TestStackEnv(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "env")
	text := "FOLDBOOK_SERVER='http://127.0.0.1:8080'\nPOSTGRES_URL='postgres://postgres@/foldbook?host=/x/run&port=5432'\nQDB_HTTP_URL='http://127.0.0.1:1'\n" +
		"QDB_PG_URL='postgres://127.0.0.1:2/qdb'\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ given, postgres, questdb, server string }{
		{"", "postgres://postgres@/foldbook?host=/x/run&port=5432", "http://127.0.0.1:1", "http://127.0.0.1:8080"},
		{"POSTGRES_URL=postgres://a/b", "postgres://a/b", "http://127.0.0.1:1", "http://127.0.0.1:8080"},
		{"PGHOST=a", "", "http://127.0.0.1:1", "http://127.0.0.1:8080"},
		{"QDB_HTTP_URL=off", "postgres://postgres@/foldbook?host=/x/run&port=5432", "off", "http://127.0.0.1:8080"},
		{"FOLDBOOK_SERVER=http://a", "postgres://postgres@/foldbook?host=/x/run&port=5432", "http://127.0.0.1:1", "http://a"},
	} {
		a := app{env: map[string]string{}}
		if name, value, ok := strings.Cut(c.given, "="); ok {
			a.env[name] = value
		}
		if err := a.readStack(file); err != nil {
			t.Fatal(err)
		}
		if a.env["POSTGRES_URL"] != c.postgres || a.env["QDB_HTTP_URL"] != c.questdb || a.env["FOLDBOOK_SERVER"] != c.server {
			t.Errorf("%q: got %v", c.given, a.env)
		}
	}
	a := app{env: map[string]string{}}
	if err := a.readStack(filepath.Join(t.TempDir(), "env")); err != nil || len(a.env) > 0 {
		t.Errorf("no file: got %v, %v", a.env, err)
	}
}

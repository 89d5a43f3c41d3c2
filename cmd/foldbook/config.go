package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v10"
	"github.com/jackc/pgx/v5"

	"foldbook/questdb"
)

// config is every setting of the service. .env.example documents each one, and a test keeps the two the same.
// `secret:"all"` marks a value that is never shown, `secret:"url"` one whose password is not.
type config struct {
	Host string `env:"HOST" envDefault:"127.0.0.1"`
	Port int    `env:"PORT" envDefault:"33931"`

	PostgresURL string `env:"POSTGRES_URL" secret:"url"`
	PGHost      string `env:"PGHOST"`
	PGPort      string `env:"PGPORT"`
	PGDatabase  string `env:"PGDATABASE"`
	PGUser      string `env:"PGUSER"`
	PGPassword  string `env:"PGPASSWORD" secret:"all"`
	PGSSLMode   string `env:"PGSSLMODE"`

	PoolSize          int32         `env:"POSTGRES_POOL_SIZE" envDefault:"16"`
	ConnectTimeout    time.Duration `env:"POSTGRES_CONNECT_TIMEOUT" envDefault:"1s"`
	AcquireTimeout    time.Duration `env:"POSTGRES_ACQUIRE_TIMEOUT" envDefault:"2s"`
	StatementTimeout  time.Duration `env:"POSTGRES_STATEMENT_TIMEOUT" envDefault:"2500ms"`
	Pooler            string        `env:"POSTGRES_POOLER" envDefault:"none"`
	EventsPostgresURL string        `env:"EVENTS_POSTGRES_URL" secret:"url"`
	EventsKeep        time.Duration `env:"EVENTS_KEEP" envDefault:"72h"`
	EventsListeners   int           `env:"EVENTS_LISTENERS" envDefault:"1000"`
	MigrateOnStart    bool          `env:"MIGRATE_ON_START" envDefault:"false"`

	QDBHTTPURL  string `env:"QDB_HTTP_URL" envDefault:"http://127.0.0.1:9000" secret:"url"`
	QDBUser     string `env:"QDB_USER"`
	QDBPassword string `env:"QDB_PASSWORD" secret:"all"`
	QDBILPHost  string `env:"QDB_ILP_HOST"`
	QDBILPPort  string `env:"QDB_ILP_PORT"`

	QDBPGURL            string        `env:"QDB_PG_URL" secret:"url"`
	QDBRead             string        `env:"QDB_READ" envDefault:"pg"`
	QDBReadOnlyUser     string        `env:"QDB_READONLY_USER"`
	QDBReadOnlyPassword string        `env:"QDB_READONLY_PASSWORD" secret:"all"`
	QDBPoolSize         int           `env:"QDB_POOL_SIZE" envDefault:"16"`
	QDBConnectTimeout   time.Duration `env:"QDB_CONNECT_TIMEOUT" envDefault:"1s"`
	QDBAcquireTimeout   time.Duration `env:"QDB_ACQUIRE_TIMEOUT" envDefault:"1s"`
	QDBAnswerTimeout    time.Duration `env:"QDB_ANSWER_TIMEOUT" envDefault:"4s"`
	QDBStallTimeout     time.Duration `env:"QDB_STALL_TIMEOUT" envDefault:"10s"`

	Passthrough        bool          `env:"QDB_PASSTHROUGH" envDefault:"false"`
	PassthroughRows    int64         `env:"QDB_PASSTHROUGH_ROWS" envDefault:"10000"`
	PassthroughTimeout time.Duration `env:"QDB_PASSTHROUGH_TIMEOUT" envDefault:"10s"`
	Import             bool          `env:"QDB_IMPORT" envDefault:"false"`
	JobWorkers         int           `env:"JOB_WORKERS" envDefault:"2"`

	RequestTimeout    time.Duration `env:"REQUEST_TIMEOUT" envDefault:"3s"`
	WriteTimeout      time.Duration `env:"WRITE_TIMEOUT" envDefault:"60s"`
	StreamTimeout     time.Duration `env:"STREAM_TIMEOUT" envDefault:"5m"`
	StreamWrite       time.Duration `env:"STREAM_WRITE_TIMEOUT" envDefault:"30s"`
	ReadHeaderTimeout time.Duration `env:"READ_HEADER_TIMEOUT" envDefault:"5s"`
	ReadTimeout       time.Duration `env:"READ_TIMEOUT" envDefault:"10s"`
	IdleTimeout       time.Duration `env:"IDLE_TIMEOUT" envDefault:"60s"`
	ShutdownNotice    time.Duration `env:"SHUTDOWN_NOTICE" envDefault:"1s"`
	ShutdownTimeout   time.Duration `env:"SHUTDOWN_TIMEOUT" envDefault:"8s"`

	BodyCacheMB           int64    `env:"BODY_CACHE_MB" envDefault:"64"`
	AuthMode              []string `env:"AUTH_MODE" envDefault:"off"`
	AuthOffBeyondLoopback bool     `env:"AUTH_OFF_BEYOND_LOOPBACK" envDefault:"false"`
	AuthTokens            []string `env:"AUTH_TOKENS" secret:"all"`
	AuthReadTokens        []string `env:"AUTH_READ_TOKENS" secret:"all"`
	AuthOpenReads         []string `env:"AUTH_OPEN_READS"`
	JWTAlgorithms         []string `env:"AUTH_JWT_ALGORITHMS" envDefault:"RS256"`
	JWTKeyFile            string   `env:"AUTH_JWT_KEY_FILE"`
	JWTJWKSURL            string   `env:"AUTH_JWT_JWKS_URL" secret:"url"`
	JWTIssuer             string   `env:"AUTH_JWT_ISSUER"`
	JWTAudience           string   `env:"AUTH_JWT_AUDIENCE"`
	JWTScopeClaim         string   `env:"AUTH_JWT_SCOPE_CLAIM" envDefault:"scope"`

	LimitReads     float64  `env:"LIMIT_READS" envDefault:"0"`
	LimitWrites    float64  `env:"LIMIT_WRITES" envDefault:"0"`
	LimitStreams   float64  `env:"LIMIT_STREAMS" envDefault:"0"`
	LimitFailures  float64  `env:"LIMIT_FAILURES" envDefault:"10"`
	LimitInFlight  int64    `env:"LIMIT_IN_FLIGHT" envDefault:"2000"`
	TrustedProxies []string `env:"TRUSTED_PROXIES"`

	MCP            bool     `env:"MCP" envDefault:"false"`
	AllowedHosts   []string `env:"ALLOWED_HOSTS"`
	CORSOrigins    []string `env:"CORS_ORIGINS" envDefault:"*"`
	TraderPrefixes []string `env:"TRADER_PREFIXES" envDefault:"/traders/*"`

	MetricsAddr  string `env:"METRICS_ADDR"`
	OTLPEndpoint string `env:"OTEL_EXPORTER_OTLP_ENDPOINT" secret:"url"`

	LogLevel  slog.Level `env:"LOG_LEVEL" envDefault:"info"`
	LogFormat string     `env:"LOG_FORMAT" envDefault:"text"`
}

// questDBOff as the QuestDB URL goes without series.
const questDBOff = "off"

// configError lists everything that is wrong with the settings.
type configError []string

func (e configError) Error() string { return "bad settings:\n  " + strings.Join(e, "\n  ") }

// loadConfig reads the settings from environ. It fails with a configError that lists all bad ones.
func loadConfig(environ map[string]string) (config, error) {
	var c config
	var bad configError
	environ = maps.Clone(environ)
	err := env.ParseWithOptions(&c, env.Options{Environment: environ})
	var all env.AggregateError
	if err != nil && !errors.As(err, &all) {
		return c, fmt.Errorf("read the settings: %w", err)
	}
	for _, err := range all.Errors {
		var parse env.ParseError
		if !errors.As(err, &parse) {
			return c, fmt.Errorf("read the settings: %w", err)
		}
		field, _ := reflect.TypeFor[config]().FieldByName(parse.Name)
		name := field.Tag.Get("env")
		bad = append(bad, fmt.Sprintf("%s=%q %s", name, environ[name], problem(field.Type, parse.Err)))
		delete(environ, name)
	}
	if len(bad) > 0 { // the rest is checked as well, with defaults in place of what does not parse
		_ = env.ParseWithOptions(&c, env.Options{Environment: environ})
	}
	bad = append(bad, c.check()...)
	if len(bad) > 0 {
		return c, bad
	}
	return c, nil
}

// problem says what a value should have been.
func problem(t reflect.Type, err error) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "is not a duration: write it like 500ms, 3s or 1m"
	case t == reflect.TypeFor[slog.Level]():
		return "is none of debug, info, warn, error"
	case t.Kind() == reflect.Bool:
		return "is neither true nor false"
	case t.Kind() == reflect.Float64:
		return "is not a number"
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int32 || t.Kind() == reflect.Int64:
		return "is not a whole number"
	}
	return err.Error()
}

// check returns what is wrong with values that parse. It shows no secret.
func (c config) check() (bad []string) {
	add := func(ok bool, format string, args ...any) {
		if !ok {
			bad = append(bad, fmt.Sprintf(format, args...))
		}
	}
	add(c.Port >= 0 && c.Port <= 65535, "PORT=%d is not a port: 1 to 65535, or 0 for a free one", c.Port)
	add(net.ParseIP(c.Host) == nil || net.ParseIP(c.Host).To4() != nil, "HOST=%q is not an IPv4 address or host name", c.Host)
	add(c.PoolSize >= 1 && c.PoolSize <= 1000, "POSTGRES_POOL_SIZE=%d is outside 1 to 1000", c.PoolSize)
	if _, err := pgx.ParseConfig(c.postgres()); err != nil {
		// pgx's own text quotes the connection string, of which a password may be a part that it does not recognise.
		if c.PostgresURL != "" {
			add(false, "POSTGRES_URL is not a PostgreSQL URL: write postgres://user:password@host:5432/database, with %%XX for special characters")
		} else {
			add(false, "PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD, PGSSLMODE: one of them is not what libpq takes "+
				"(a port is 1 to 65535, an sslmode one of disable, allow, prefer, require, verify-ca, verify-full)")
		}
	}
	if _, err := pgx.ParseConfig(c.EventsPostgresURL); c.EventsPostgresURL != "" && err != nil {
		add(false, "EVENTS_POSTGRES_URL is not a PostgreSQL URL: "+
			"write postgres://user:password@host:5432/database, with %%XX for special characters")
	}
	add(c.EventsListeners >= 0 && c.EventsListeners <= 100_000, "EVENTS_LISTENERS=%d is outside 0 to 100000", c.EventsListeners)
	add(c.Pooler == "none" || c.Pooler == "transaction", "POSTGRES_POOLER=%q is neither none nor transaction", c.Pooler)
	add(c.QDBRead == string(questdb.PG) || c.QDBRead == string(questdb.HTTP), "QDB_READ=%q is neither pg nor http", c.QDBRead)
	add(c.LogFormat == "text" || c.LogFormat == "json", "LOG_FORMAT=%q is neither text nor json", c.LogFormat)
	for v, i := reflect.ValueOf(c), 0; i < v.NumField(); i++ {
		if d, ok := v.Field(i).Interface().(time.Duration); ok {
			add(d >= time.Millisecond, "%s=%s is too short: at least 1ms", v.Type().Field(i).Tag.Get("env"), d)
		}
	}
	add(c.BodyCacheMB >= 0 && c.BodyCacheMB <= 1<<20, "BODY_CACHE_MB=%d is not between 0 and 1048576", c.BodyCacheMB)
	add(c.StatementTimeout < c.RequestTimeout,
		"POSTGRES_STATEMENT_TIMEOUT=%s is not below REQUEST_TIMEOUT=%s: the database has to give up first", c.StatementTimeout, c.RequestTimeout)
	add(c.QDBHTTPURL == questDBOff || isHTTP(c.QDBHTTPURL), "QDB_HTTP_URL is not a URL: write http://host:9000, or off")
	u, err := url.Parse(c.QDBHTTPURL)
	add(err != nil || u.RawQuery == "" && u.Fragment == "", "QDB_HTTP_URL has a part after a ? or #, which QuestDB's address does not take: "+
		"write http://host:9000, and user and password in QDB_USER and QDB_PASSWORD")
	if _, err := pgx.ParseConfig(c.QDBPGURL); c.QDBPGURL != "" && (err != nil || !strings.HasPrefix(c.QDBPGURL, "postgres")) {
		add(false, "QDB_PG_URL is not a PostgreSQL URL: write postgres://user:password@host:8812/qdb, with %%XX for special characters")
	}
	add(c.OTLPEndpoint == "" || isHTTP(c.OTLPEndpoint), "OTEL_EXPORTER_OTLP_ENDPOINT is not a URL: write http://host:4318")
	add(c.QDBPoolSize >= 1 && c.QDBPoolSize <= 1000, "QDB_POOL_SIZE=%d is outside 1 to 1000", c.QDBPoolSize)
	add(!c.Passthrough || c.QDBReadOnlyUser != "",
		"QDB_PASSTHROUGH=true needs QDB_READONLY_USER: QuestDB itself has to keep what callers write from changing anything")
	add(c.PassthroughRows >= 1 && c.PassthroughRows <= 1e6, "QDB_PASSTHROUGH_ROWS=%d is outside 1 to 1000000", c.PassthroughRows)
	add(c.JobWorkers >= 0 && c.JobWorkers <= 100, "JOB_WORKERS=%d is outside 0 to 100", c.JobWorkers)
	if c.QDBILPPort != "" {
		port, err := strconv.Atoi(c.QDBILPPort)
		add(err == nil && port >= 1 && port <= 65535, "QDB_ILP_PORT=%q is not a port: 1 to 65535", c.QDBILPPort)
	}
	c.checkAccess(add)
	c.checkLimits(add)
	for _, host := range c.AllowedHosts {
		u, err := url.Parse("http://" + host)
		add(err == nil && u.Hostname() == host,
			"ALLOWED_HOSTS has %q: write names like foldbook.example, without port, separated by commas", host)
	}
	for _, origin := range c.CORSOrigins {
		u, err := url.Parse(origin)
		add(origin == "*" || err == nil && isHTTP(origin) && origin == u.Scheme+"://"+u.Host,
			"CORS_ORIGINS has %q: write * or origins like https://dashboard.example, separated by commas", origin)
	}
	for _, prefix := range c.TraderPrefixes {
		add(strings.HasPrefix(prefix, "/") && !strings.HasSuffix(prefix, "/") && !strings.Contains(prefix, "//"),
			"TRADER_PREFIXES has %q: write paths like /traders/*, separated by commas", prefix)
	}
	return bad
}

func isHTTP(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// postgres returns the connection string: POSTGRES_URL, or else one made of the PG* settings that are set.
func (c config) postgres() string {
	if c.PostgresURL != "" {
		return c.PostgresURL
	}
	var parts []string
	for _, s := range [][2]string{
		{"host", c.PGHost}, {"port", c.PGPort}, {"dbname", c.PGDatabase},
		{"user", c.PGUser}, {"password", c.PGPassword}, {"sslmode", c.PGSSLMode},
	} {
		if s[1] != "" {
			parts = append(parts, s[0]+"='"+strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s[1])+"'")
		}
	}
	return strings.Join(parts, " ")
}

// openQuestDB makes the client of QuestDB, which is nil when there is to be none. wrote is told of the rows that it stores.
func (c config) openQuestDB(wrote func(rows int64)) (*questdb.Client, error) {
	if c.QDBHTTPURL == questDBOff {
		return nil, nil
	}
	return questdb.New(questdb.Config{
		HTTPURL: c.QDBHTTPURL, User: c.QDBUser, Password: c.QDBPassword, PGURL: c.QDBPGURL, Read: questdb.Path(c.QDBRead),
		ReadOnlyUser: c.QDBReadOnlyUser, ReadOnlyPassword: c.QDBReadOnlyPassword, PoolSize: c.QDBPoolSize,
		ConnectTimeout: c.QDBConnectTimeout, AcquireTimeout: c.QDBAcquireTimeout,
		AnswerTimeout: c.QDBAnswerTimeout, StallTimeout: c.QDBStallTimeout, Wrote: wrote,
	})
}

// setting is one effective setting as it may be shown.
type setting struct {
	name, value string
	given       bool // it does not come from the default
}

// settings returns the effective settings in the order of the struct, secrets masked.
func (c config) settings(environ map[string]string) []setting {
	var list []setting
	v := reflect.ValueOf(c)
	for i, field := range reflect.VisibleFields(v.Type()) {
		s := setting{name: field.Tag.Get("env")}
		s.given = environ[s.name] != ""
		switch value := v.Field(i).Interface().(type) {
		case []string:
			s.value = strings.Join(value, ",")
		case slog.Level:
			s.value = strings.ToLower(value.String())
		default:
			s.value = fmt.Sprint(value)
		}
		switch field.Tag.Get("secret") {
		case "all":
			if s.value != "" {
				s.value = "***"
			}
		case "url":
			s.value = maskURL(s.value)
		}
		list = append(list, s)
	}
	return list
}

// others are the beginnings of names that other programs of the same folder read, or the libraries of this one.
var others = []string{"PG", "OTEL_", "GO", "FOLDBOOK_", "DEV_", "VITE_", "QUESTDB_"}

// unknown returns the names that are no settings: mistyped ones, mostly.
func (c config) unknown(names []string) []string {
	known := map[string]bool{}
	for _, s := range c.settings(nil) {
		known[s.name] = true
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return known[name] || slices.ContainsFunc(others, func(begin string) bool { return strings.HasPrefix(name, begin) })
	})
}

// shownParameters are those of an address that say nothing secret.
var shownParameters = []string{
	"sslmode", "sslrootcert", "connect_timeout", "application_name", "target_session_attrs", "host", "port", "user", "dbname",
}

// maskURL replaces what may be a password: in the user part of a URL, in its parameters, and in a key=value string.
func maskURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" {
		if text == "" {
			return ""
		}
		return "***" // key=value form, or nothing that can be masked with certainty
	}
	if _, ok := u.User.Password(); ok {
		u.User = url.UserPassword(u.User.Username(), "***")
	} else if u.User != nil && !strings.HasPrefix(u.Scheme, "postgres") { // a token in place of a name
		u.User = url.User("***")
	}
	query := u.Query()
	for key := range query {
		if !slices.Contains(shownParameters, key) {
			query.Set(key, "***")
		}
	}
	if len(query) > 0 {
		u.RawQuery = query.Encode()
	}
	return strings.ReplaceAll(u.String(), "%2A%2A%2A", "***")
}

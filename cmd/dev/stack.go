package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/joho/godotenv"

	"foldbook/internal/devstack"
)

const database = "foldbook"

// stack is what runs for one clone: the databases and the server.
type stack struct {
	root    string // of the module
	state   string // what is kept: .dev
	lock    *os.File
	began   time.Time
	given   map[string]string // settings of the environment and of .env
	console console

	postgres *devstack.Postgres // nil when POSTGRES_URL names another
	quest    *devstack.QuestDB  // nil when it is off, missing or another
	env      []string           // what the server gets besides the caller's environment
	server   *devstack.Process
	tools    chan struct{} // closed when those of make generate are built, or toolsErr says why not
	toolsErr error
	// ungenerated and unserved are the sources that changed since make generate succeeded, and since the server was built.
	ungenerated, unserved []string
}

// open takes the clone's lock; close frees it.
func open() (*stack, error) {
	s := &stack{began: time.Now()}
	var err error
	if s.root, s.state, err = devstack.Dirs(); err != nil {
		return nil, err
	}
	if err := os.Chdir(s.root); err != nil {
		return nil, fmt.Errorf("go to the module's root: %w", err)
	}
	if s.lock, err = lockState(s.state); err != nil {
		return nil, err
	}
	if s.given, err = settings(filepath.Join(s.root, ".env")); err != nil {
		return nil, err
	}
	s.env = questDBReader(s.given)
	return s, nil
}

// lockState makes this process the one that runs on the state folder, and writes its id for the others to tell.
func lockState(state string) (*os.File, error) {
	path := filepath.Join(state, "lock")
	lock, err := devstack.Lock(path, false)
	if errors.Is(err, devstack.ErrLocked) {
		pid, _ := os.ReadFile(path)
		return nil, fmt.Errorf("%s is in use by pid %s: stop that first", state, strings.TrimSpace(string(pid)))
	}
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, fmt.Appendln(nil, os.Getpid()), 0o644); err != nil {
		return nil, fmt.Errorf("write the lock file: %w", err)
	}
	return lock, nil
}

// settings returns the environment over what the .env file sets, as foldbook itself reads them.
func settings(dotenv string) (map[string]string, error) {
	given, err := godotenv.Read(dotenv)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read .env: %w", err)
	}
	merged := map[string]string{}
	maps.Copy(merged, given)
	for _, kv := range os.Environ() {
		key, value, _ := strings.Cut(kv, "=")
		merged[key] = value
	}
	return merged, nil
}

// questDBReader returns the settings of the user who may only read in the stack's own QuestDB. They are the same at every start,
// and commands that run before QuestDB does, such as foldbook migrate, check them as well.
func questDBReader(given map[string]string) []string {
	if given["QDB_HTTP_URL"] != "" {
		return nil
	}
	return []string{"QDB_READONLY_USER=" + devstack.QuestDBReader, "QDB_READONLY_PASSWORD=" + devstack.QuestDBReaderPassword}
}

// up starts all and prints where everything is. What runs when it fails is stopped by close.
func (s *stack) up(ctx context.Context, undo bool) error {
	questCtx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	questDone := make(chan error, 1)
	go func() { questDone <- s.startQuestDB(questCtx) }()
	err := s.startPostgres(ctx)
	if err == nil {
		err = s.migrate(ctx, undo)
	}
	if err != nil {
		giveUp()
	}
	if questErr := <-questDone; err == nil {
		err = questErr
	}
	if err != nil {
		return err
	}
	switch {
	case s.quest != nil:
		s.env = append(s.env, "QDB_HTTP_URL="+s.quest.HTTPURL(), "QDB_PG_URL="+s.quest.PGURL())
	case s.given["QDB_HTTP_URL"] == "": // not the one that may run at the default address: it would be seeded
		s.env = append(s.env, "QDB_HTTP_URL=off")
	}
	if err := s.writeEnv(); err != nil {
		return err
	}
	if err := s.seed(ctx); err != nil {
		return err
	}
	if err := s.serve(ctx); err != nil {
		return err
	}
	s.printWelcome()
	s.console.open()
	return nil
}

// writeEnv notes where everything is in .dev/env, for the foldbook commands that are run beside.
func (s *stack) writeEnv() error {
	lines := append([]string{"FOLDBOOK_SERVER=http://" + s.address()}, s.env...)
	for i, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		lines[i] = name + "='" + value + "'\n"
	}
	if err := os.WriteFile(s.envFile(), []byte(strings.Join(lines, "")), 0o600); err != nil {
		return fmt.Errorf("note the addresses: %w", err)
	}
	return nil
}

func (s *stack) envFile() string { return filepath.Join(s.root, ".dev", "env") }

// close stops the server, then QuestDB, then PostgreSQL.
func (s *stack) close() error {
	s.console.open()
	_ = os.Remove(s.envFile())
	var errs []error
	if s.server != nil {
		errs = append(errs, s.stopServer())
	}
	if s.quest != nil {
		errs = append(errs, s.quest.Stop())
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.Stop())
	}
	return errors.Join(append(errs, s.lock.Close())...)
}

func (s *stack) startPostgres(ctx context.Context) error {
	if dsn := s.given["POSTGRES_URL"]; dsn != "" {
		s.say("postgres", "from POSTGRES_URL   "+describe(dsn))
		return nil
	}
	binaries, err := devstack.FindPostgres(ctx, s.state, func(text string) { s.say("postgres", text) })
	if err != nil {
		return err
	}
	began := time.Now()
	// The major version is in the name, so that another version never meets this cluster.
	dir := filepath.Join(s.state, "pg"+strconv.Itoa(binaries.Major))
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		others, _ := filepath.Glob(filepath.Join(s.state, "pg[0-9]*"))
		for _, other := range others {
			version := strings.TrimPrefix(filepath.Base(other), "pg")
			s.say("postgres", fmt.Sprintf("starting empty: the data of version %s stays in %s, and DEV_POSTGRES_VERSION=%s uses it",
				version, s.relative(other), version))
		}
	}
	s.postgres, err = devstack.StartPostgres(ctx, dir, devstack.Options{Binaries: binaries, Durable: true})
	if err != nil {
		return err
	}
	if err := createDatabase(ctx, s.postgres, database, false); err != nil {
		return err
	}
	dsn := s.postgres.URL(database)
	s.env = append(s.env, "POSTGRES_URL="+dsn)
	s.say("postgres", fmt.Sprintf("%-19s %s", binaries.Version+" ready in "+round(time.Since(began)).String(), dsn))
	if binaries.Note != "" {
		s.say("", binaries.Note)
	}
	return nil
}

// startQuestDB fails only when a QuestDB that is there does not start; without a Java or a jar the service runs too.
func (s *stack) startQuestDB(ctx context.Context) error {
	if given := s.given["QDB_HTTP_URL"]; given != "" {
		s.say("questdb", "from QDB_HTTP_URL   "+describe(given))
		return nil
	}
	if s.given["DEV_QUESTDB"] == "off" {
		s.say("questdb", "off, as DEV_QUESTDB says")
		return nil
	}
	program, err := devstack.FindQuestDB(ctx, s.state, func(text string) { s.say("questdb", text) })
	if err != nil {
		s.say("questdb", "off: "+err.Error()+", or DEV_QUESTDB=off to go without")
		return nil
	}
	began := time.Now()
	quest, err := devstack.StartQuestDB(ctx, filepath.Join(s.state, "questdb"), program, false)
	if err != nil {
		return err
	}
	s.quest = quest
	s.say("questdb", fmt.Sprintf("%-19s %s", program.Version+" ready in "+round(time.Since(began)).String(), quest.HTTPURL()))
	return nil
}

func (s *stack) postgresDone() <-chan struct{} {
	if s.postgres == nil {
		return nil
	}
	return s.postgres.Done()
}

func (s *stack) printWelcome() {
	address := "http://" + s.address()
	lines := []string{
		fmt.Sprintf("\nUp in %s. Ctrl-C stops all; data and logs are in %s. The console:\n", round(time.Since(s.began)), s.relative(s.state)),
		"  " + address + "/\n\nTry:\n",
		"  curl " + address + "/api/datasets",
		"  curl " + address + "/api/runs",
		"  curl " + address + "/api/simulations",
	}
	if s.postgres != nil {
		lines = append(lines, "  psql '"+s.postgres.URL(database)+"'")
	}
	if s.quest != nil {
		lines = append(lines, "  psql '"+s.quest.PGURL()+"'        (QuestDB)")
	}
	lines = append(lines, "  .dev/bin/foldbook doctor", "  .dev/bin/foldbook seed --search        (60 trials, for the leaderboard)")
	s.console.printf("%s\n\n", strings.Join(lines, "\n"))
}

// relative shortens a path below the root, as the reader stands there.
func (s *stack) relative(path string) string {
	if short, err := filepath.Rel(s.root, path); err == nil && !strings.HasPrefix(short, "..") {
		return short
	}
	return path
}

// address is where the service can be reached from this machine.
func (s *stack) address() string {
	host, port := s.given["HOST"], s.given["PORT"]
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	if port == "" {
		port = "33931"
	}
	return net.JoinHostPort(host, port)
}

// createDatabase makes a database, unless it is there, or anew.
func createDatabase(ctx context.Context, server *devstack.Postgres, name string, anew bool) error {
	conn, err := pgx.Connect(ctx, server.URL("postgres"))
	if err != nil {
		return fmt.Errorf("connect to create the database: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost
	if anew {
		if _, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()); err != nil {
			return fmt.Errorf("drop the database: %w", err)
		}
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42P04" { // it is there
		return nil
	}
	if err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	return nil
}

// describe returns an address without its secrets.
func describe(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" {
		return ""
	}
	return u.Redacted()
}

// console prints the stack's own lines, and holds the server's output back until it is opened, so that the first
// screen stays whole.
type console struct {
	mu     sync.Mutex
	opened bool
	held   []byte
}

// Write takes the server's output.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.opened {
		c.held = append(c.held, p...)
		return len(p), nil
	}
	return os.Stdout.Write(p)
}

func (c *console) open() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = os.Stdout.Write(c.held)
	c.opened, c.held = true, nil
}

func (c *console) printf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Printf(format, args...)
}

// say prints one line of the screen: who, and what about it.
func (s *stack) say(who, what string) { s.console.printf("%-9s %s\n", who, what) }

// stopServer asks the server to finish what it has begun, for which it takes up to 10 s.
func (s *stack) stopServer() error { return s.server.Stop(12*time.Second, syscall.SIGTERM) }

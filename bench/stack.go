package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"foldbook/internal/devstack"
)

// stack is a database at scale with the service on it.
type stack struct {
	root     string // of the module
	scratch  *devstack.Scratch
	postgres *devstack.Postgres // nil when POSTGRES_URL says where it is
	questdb  *devstack.QuestDB  // nil when it is not measured, or cannot be started
	admin    string             // connection string of the server's own database
	name     string             // of the benchmark's database
	url      string
	binary   string
	pool     int
	server   *devstack.Process
	address  string // of the service
}

// openStack starts everything and loads the data; the caller closes the stack.
func openStack(ctx context.Context, binary string, pool int, series bool) (_ *stack, err error) {
	s := &stack{pool: pool}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.binary, err = filepath.Abs(binary); err != nil {
		return nil, err
	}
	if s.root, err = devstack.Root(); err != nil {
		return nil, err
	}
	steps := []func(context.Context) error{s.startPostgres, s.createDatabase, s.fill, s.serve}
	if series {
		steps = slices.Insert(steps, 1, s.startQuestDB)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *stack) close() error {
	var errs []error
	if s.server != nil {
		errs = append(errs, s.server.Stop(12*time.Second, syscall.SIGTERM))
	}
	if s.name != "" {
		errs = append(errs, s.exec(context.Background(), s.admin, "DROP DATABASE "+pgx.Identifier{s.name}.Sanitize()))
	}
	if s.questdb != nil {
		errs = append(errs, s.questdb.Stop())
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.Stop())
	}
	if s.scratch != nil {
		errs = append(errs, s.scratch.Remove())
	}
	return errors.Join(errs...)
}

// startPostgres makes the scratch folder and, unless POSTGRES_URL is set, a durable server in it.
func (s *stack) startPostgres(ctx context.Context) error {
	state, err := devstack.StateDir(s.root)
	if err != nil {
		return err
	}
	home := filepath.Join(state, "bench")
	lock, err := devstack.LockScratch(home)
	if err != nil {
		return err
	}
	s.scratch, err = devstack.NewScratch(ctx, home)
	if err = errors.Join(err, lock.Close()); err != nil {
		return err
	}
	if s.admin = os.Getenv("POSTGRES_URL"); s.admin != "" {
		return nil
	}
	binaries, err := devstack.FindPostgres(ctx, state, func(text string) { fmt.Fprintln(os.Stderr, "postgres:", text) })
	if err != nil {
		return err
	}
	s.postgres, err = devstack.StartPostgres(ctx, s.scratch.Dir, devstack.Options{Binaries: binaries, Durable: true})
	if err != nil {
		return err
	}
	s.admin = s.postgres.URL("postgres")
	return nil
}

// binDir returns the folder of the server's programs, or "" when the server is not this program's.
func (s *stack) binDir() string {
	if s.postgres == nil {
		return ""
	}
	return s.postgres.BinDir()
}

func (s *stack) createDatabase(ctx context.Context) error {
	u, err := url.Parse(s.admin)
	if err != nil || u.Scheme == "" {
		return errors.New("POSTGRES_URL is not of the form postgres://user:password@host:port/database")
	}
	name := "foldbook_bench_" + strconv.Itoa(os.Getpid())
	if err := s.exec(ctx, s.admin, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		return err
	}
	s.name, u.Path = name, "/"+name
	s.url = u.String()
	return nil
}

func (s *stack) fill(ctx context.Context) error {
	for _, args := range [][]string{{"migrate", "up"}, {"seed", "--scale", "1"}} {
		cmd := s.command(ctx, args...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("foldbook %v: %w\n%s", args, err, bytes.TrimSpace(out))
		}
	}
	return s.exec(ctx, s.url, "VACUUM ANALYZE")
}

// exec runs one statement on a connection of its own.
func (s *stack) exec(ctx context.Context, dsn, sql string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect to the benchmark's server: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// command is the service's binary with default settings, whatever this process's environment and .env say.
func (s *stack) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.binary, args...)
	cmd.Dir = s.scratch.Dir
	cmd.Env = []string{"POSTGRES_URL=" + s.url, "POSTGRES_POOL_SIZE=" + strconv.Itoa(s.pool), "QDB_HTTP_URL=off"}
	if s.questdb != nil {
		cmd.Env = append(cmd.Env, "QDB_HTTP_URL="+s.questdb.HTTPURL(), "QDB_PG_URL="+s.questdb.PGURL())
	}
	return cmd
}

func (s *stack) logFile() string { return filepath.Join(s.scratch.Dir, "foldbook.log") }

// serve starts the service, which logs each request to a file, and waits until it is ready.
func (s *stack) serve(ctx context.Context) error {
	log, err := os.Create(s.logFile())
	if err != nil {
		return fmt.Errorf("make the service's log: %w", err)
	}
	defer log.Close() //nolint:errcheck // the service has its own descriptor
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	cmd := s.command(context.WithoutCancel(ctx), "serve") // close stops it
	cmd.Env = append(cmd.Env, "PORT="+strconv.Itoa(port))
	cmd.Stdout, cmd.Stderr = log, log
	if s.server, err = devstack.Start(cmd, syscall.SIGKILL); err != nil {
		return err
	}
	s.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(10 * time.Second); ; {
		var ready any
		err := s.get(ctx, "/readyz", &ready)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the service is not ready: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.server.Done():
			text, _ := os.ReadFile(s.logFile())
			return fmt.Errorf("the service ended: %w\n%s", s.server.Err(), bytes.TrimSpace(text))
		case <-poll.C:
		}
	}
}

// freePort is below the range from which the system takes ports of outgoing connections.
func freePort(ctx context.Context) (int, error) {
	for range 100 {
		port := 20000 + rand.IntN(12000)
		if l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no free port from 20000 to 32000")
}

// logged returns the number of lines that the service has logged.
func (s *stack) logged() (lines int, err error) {
	file, err := os.Open(s.logFile())
	if err != nil {
		return 0, fmt.Errorf("read the service's log: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	buf := make([]byte, 1<<20)
	for {
		n, err := file.Read(buf)
		lines += bytes.Count(buf[:n], []byte{'\n'})
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return 0, fmt.Errorf("read the service's log: %w", err)
		}
	}
}

// get decodes the service's answer, which has to be a 200.
func (s *stack) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+path, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask the service: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d: %.200s", path, res.StatusCode, text)
	}
	return json.Unmarshal(text, into)
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"foldbook/internal/devstack"
)

// foldbook returns the product's binary with arguments; it runs in the root, where it finds .env.
func (s *stack) foldbook(args ...string) *exec.Cmd { return s.program("foldbook", args...) }

func (s *stack) program(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.root, ".dev", "bin", name), args...)
	cmd.Dir = s.root
	cmd.Env = append(cleanEnv(), s.env...)
	return cmd
}

// cleanEnv is the environment without what make tells its own children.
func cleanEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		key, _, _ := strings.Cut(kv, "=")
		if key != "MAKEFLAGS" && key != "MFLAGS" && key != "MAKELEVEL" {
			env = append(env, kv)
		}
	}
	return env
}

// migrate brings the database to the migrations in the files. A database that is not this clone's own is migrated as in
// production. Only make dev undoes what the files do not have.
func (s *stack) migrate(ctx context.Context, undo bool) error {
	if s.postgres == nil {
		return s.step(ctx, "migrate", s.foldbook("migrate", "up"))
	}
	began := time.Now()
	done, err := s.schema().sync(ctx, undo)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	text := "the schema is up to date"
	if done.applied > 0 {
		text = fmt.Sprintf("%d applied", done.applied)
	}
	s.say("migrate", fmt.Sprintf("%-19s %s", "done in "+round(time.Since(began)).String(), text))
	return nil
}

func (s *stack) schema() schema {
	return schema{url: s.postgres.URL(database), folder: filepath.Join(s.root, "migrations"), say: func(text string) {
		if !strings.HasPrefix(text, "applied") || s.server != nil { // the first start applies them all
			s.say("migrate", text)
		}
	}}
}

func (s *stack) seed(ctx context.Context) error { return s.step(ctx, "seed", s.program("dev", "seed")) }

// step runs a command to its end and prints what it says.
func (s *stack) step(ctx context.Context, name string, cmd *exec.Cmd) error {
	began := time.Now()
	out, err := output(ctx, cmd)
	took, text := round(time.Since(began)).String(), strings.TrimSpace(string(out))
	if err != nil {
		s.say(name, "failed after "+took+"\n"+text)
		return fmt.Errorf("%s: %w", name, err)
	}
	const column = "\n                              "
	s.say(name, fmt.Sprintf("%-19s %s", "done in "+took, strings.ReplaceAll(text, "\n", column)))
	return nil
}

// output runs a command as a child of ours and returns all that it prints. Its error is the command's, or the context's.
func output(ctx context.Context, cmd *exec.Cmd) ([]byte, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := devstack.Start(cmd, syscall.SIGTERM)
	if err != nil {
		return nil, err
	}
	select {
	case <-p.Done():
		return out.Bytes(), p.Err()
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), p.Stop(5*time.Second, syscall.SIGTERM))
	}
}

// serve starts the server and waits until it is ready.
func (s *stack) serve(ctx context.Context) error {
	began := time.Now()
	if err := s.waitPortFree(ctx); err != nil {
		return err
	}
	cmd := s.foldbook("serve")
	cmd.Env = append(cmd.Env, "SHUTDOWN_NOTICE=1ms") // nobody balances load here, and an edit is to be served soon
	cmd.Stdout, cmd.Stderr = &s.console, &s.console
	var err error
	if s.server, err = devstack.Start(cmd, syscall.SIGTERM); err != nil {
		return err
	}
	if err := waitReady(ctx, s.server, s.address()); err != nil {
		return err
	}
	s.say("server", fmt.Sprintf("%-19s http://%s", "ready in "+round(time.Since(began)).String(), s.address()))
	return nil
}

// try starts the freshly built server beside the one that runs, and waits until it is ready.
func (s *stack) try(ctx context.Context, binary string) error {
	cmd := s.foldbook("serve")
	cmd.Path = binary
	return beside(ctx, cmd, func(string) error { return nil })
}

// beside runs a server on a port of its own until use is done with it. Its error begins with what the server printed.
func beside(ctx context.Context, cmd *exec.Cmd, use func(address string) error) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := listener.Addr().(*net.TCPAddr) //nolint:forcetypeassert // it is of a TCP listener
	_ = listener.Close()
	cmd.Env = append(cmd.Env, "HOST=127.0.0.1", fmt.Sprintf("PORT=%d", address.Port), "JOB_WORKERS=0")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	server, err := devstack.Start(cmd, syscall.SIGTERM)
	if err != nil {
		return err
	}
	err = waitReady(ctx, server, address.String())
	if err == nil {
		err = use(address.String())
	}
	if stopErr := server.Stop(5*time.Second, syscall.SIGKILL); err == nil {
		return stopErr
	}
	return fmt.Errorf("%s%w", out.Bytes(), err)
}

// waitPortFree keeps another program's answers, such as a second clone's, from being taken for our server's.
func (s *stack) waitPortFree(ctx context.Context) error {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", s.address(), time.Second)
		if err != nil || ctx.Err() != nil {
			return ctx.Err()
		}
		_ = conn.Close()
		if time.Now().After(deadline) {
			return fmt.Errorf("another program listens on %s: stop it, or choose a port, as in PORT=8080 make run", s.address())
		}
	}
}

// waitReady waits until /readyz is 200.
func waitReady(ctx context.Context, server *devstack.Process, address string) error {
	status, body := 0, ""
	err := server.WaitFor(ctx, 30*time.Second, func() bool {
		status, body = devstack.Answer(ctx, "http://"+address+"/readyz")
		return status == http.StatusOK
	})
	if err != nil && status > 0 {
		return fmt.Errorf("the server: %w; /readyz answers %d %s", err, status, body)
	}
	if err != nil {
		return fmt.Errorf("the server: %w", err)
	}
	return nil
}

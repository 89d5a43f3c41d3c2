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
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"foldbook/internal/devstack"
)

// service is the real foldbook serve in a process of its own.
type service struct {
	process *devstack.Process
	address string
	log     string // file
}

// serve starts a service, which logs each request to a file, and waits until it is ready. The stack stops it.
func (s *stack) serve(ctx context.Context, binary, dsn string, env ...string) (*service, error) {
	v := &service{log: filepath.Join(s.scratch.Dir, fmt.Sprintf("foldbook_%d.log", len(s.services)))}
	log, err := os.Create(v.log)
	if err != nil {
		return nil, fmt.Errorf("make the service's log: %w", err)
	}
	defer log.Close() //nolint:errcheck // the service has its own descriptor
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	cmd := s.command(context.WithoutCancel(ctx), binary, dsn, "serve") // close stops it
	cmd.Env = append(append(cmd.Env, "PORT="+strconv.Itoa(port)), env...)
	cmd.Stdout, cmd.Stderr = log, log
	if v.process, err = devstack.Start(cmd, syscall.SIGKILL); err != nil {
		return nil, err
	}
	s.services = append(s.services, v)
	v.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(10 * time.Second); ; {
		var ready any
		err := v.get(ctx, "/readyz", &ready)
		if err == nil {
			return v, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("the service is not ready: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-v.process.Done():
			text, _ := os.ReadFile(v.log)
			return nil, fmt.Errorf("the service ended: %w\n%s", v.process.Err(), bytes.TrimSpace(text))
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

// cpu is the processor time that the service has taken so far.
func (v *service) cpu() (time.Duration, error) {
	text, err := v.proc("stat")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(text, ") ")
	fields := strings.Fields(rest)
	var user, kernel int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &kernel); err != nil {
		return 0, fmt.Errorf("read the processor time of the service: %w", err)
	}
	return time.Duration(user+kernel) * time.Second / 100, nil
}

// proc is what Linux tells of the service's process.
func (v *service) proc(file string) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", v.process.PID(), file))
	return string(text), err
}

// get decodes the service's answer, which has to be a 200.
func (v *service) get(ctx context.Context, path string, into any) error {
	text, _, err := v.do(ctx, http.MethodGet, path, nil, http.StatusOK)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func (v *service) etag(ctx context.Context, path string) (string, error) {
	_, header, err := v.do(ctx, http.MethodGet, path, nil, http.StatusOK)
	if err == nil && header.Get("ETag") == "" {
		err = fmt.Errorf("%s has no ETag", path)
	}
	return header.Get("ETag"), err
}

// do returns the service's answer to a request, which has to have the status.
func (v *service) do(ctx context.Context, method, path string, body []byte, status int) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+v.address+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil, fmt.Errorf("ask the service: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("read the answer: %w", err)
	}
	if res.StatusCode != status {
		return nil, nil, fmt.Errorf("%s %s answers %d: %.200s", method, path, res.StatusCode, text)
	}
	return text, res.Header, nil
}

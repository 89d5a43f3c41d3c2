package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"foldbook/internal/seed"
)

// Some of the rows of the data at scale.
var (
	datasetID      = seed.BenchDatasetID.String()
	runID          = seed.BigRunID.String()
	simulationID   = seed.BenchSimulationID.String()
	datasetPath    = "/api/indicators/datasets/" + datasetID
	runPath        = "/api/runs/" + runID
	olderRunPath   = "/api/walkforward/runs/" + runID
	simulationPath = "/api/tradesim/runs/" + simulationID
)

// againstBefore compares with the version before, which has the same rows in a database of its own.
func againstBefore(ctx context.Context, s *stack, r *report) error {
	before, err := s.serveBefore(ctx)
	if err != nil {
		return err
	}
	var list []*contest
	for _, p := range []struct{ name, path string }{
		{"dataset by id", datasetPath}, {"run with 312 folds", olderRunPath}, {"simulation with buckets", simulationPath},
		{"50 datasets", "/api/indicators/datasets"}, {"200 runs", "/api/walkforward/runs"}, {"200 simulations", "/api/tradesim/runs"},
	} {
		for _, n := range []struct {
			connections int
			text        string
			atLeast     float64
		}{{1, "1 connection", 1}, {8, "8 connections", 0.9}, {32, "32 connections", 0.9}} {
			list = append(list, &contest{
				name: p.name + ", " + n.text, atLeast: n.atLeast,
				ours:   s.rate(s.main.address, get(p.path), n.connections),
				theirs: s.rate(before.address, get(p.path), n.connections),
			})
		}
	}
	return r.run(ctx, theme{
		title: "The version before", peer: "before",
		about: "Two services on two databases of one server with the same rows.",
	}, append(list, &contest{
		name: "dataset by id beside 8 readers of 200 runs", asTime: true, within: 3 * time.Millisecond,
		ours: s.besideLists(s.main), theirs: s.besideLists(before),
	}, &contest{
		name: "CPU of the service for `/healthz`", asTime: true, atMost: 1.05,
		ours: s.cpuPerAnswer(s.main, "/healthz"), theirs: s.cpuPerAnswer(before, "/healthz"),
	}))
}

// besideLists measures the time that one reader of a row waits while eight read the list of runs.
func (s *stack) besideLists(v *service) measure {
	return func(ctx context.Context) (sample, error) {
		lists := make(chan error, 1)
		go func() {
			_, err := load(ctx, v.address, get("/api/walkforward/runs"), 8, s.opts.For+time.Second/5)
			lists <- err
		}()
		time.Sleep(time.Second / 10) // so that the lists are being read
		got, err := load(ctx, v.address, get(datasetPath), 1, s.opts.For)
		if other := <-lists; err == nil {
			err = other
		}
		if err != nil {
			return sample{}, err
		}
		got.rate = timed(median(got.took)).rate
		return got, nil
	}
}

// cpuPerAnswer measures how much of a processor the service takes for one answer.
func (s *stack) cpuPerAnswer(v *service, path string) measure {
	return func(ctx context.Context) (sample, error) {
		before, err := v.cpu()
		if err != nil {
			return sample{}, err
		}
		got, err := load(ctx, v.address, get(path), 8, max(s.opts.For, 2*time.Second)) // the system counts in 10 ms
		if err != nil {
			return sample{}, err
		}
		after, err := v.cpu()
		return timed((after - before) / time.Duration(len(got.took))), err
	}
}

// serveBefore builds the version before, unless it is built, and starts it on a database with the same rows.
func (s *stack) serveBefore(ctx context.Context) (*service, error) {
	binary := s.opts.Before
	if info, err := os.Stat(binary); err != nil || info.IsDir() {
		if binary, err = s.build(ctx, s.opts.Before); err != nil {
			return nil, fmt.Errorf("build the version before: %w", err)
		}
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	dsn, err := s.createDatabase(ctx, binary)
	if err != nil {
		return nil, err
	}
	// Its schema may be another one, so the current queries do not finish the writes: the numbers that searches use are left out.
	if err := s.fill(ctx, dsn, seed.Rows); err != nil {
		return nil, fmt.Errorf("store the rows for the version before: %w", err)
	}
	return s.serve(ctx, binary, dsn)
}

// build makes the service of a revision.
func (s *stack) build(ctx context.Context, revision string) (string, error) {
	progress("build foldbook at %s", revision)
	tree, binary := filepath.Join(s.scratch.Dir, "before"), filepath.Join(s.scratch.Dir, "foldbook_before")
	script := `set -e; mkdir "$1"; git archive --format=tar "$2" | tar -x -C "$1"; cd "$1"; go build -buildvcs=false -o "$3" ./cmd/foldbook`
	cmd := exec.CommandContext(ctx, "sh", "-c", script, "sh", tree, revision, binary)
	cmd.Dir = s.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, bytes.TrimSpace(out))
	}
	return binary, nil
}

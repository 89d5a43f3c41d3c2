package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"foldbook/internal/seed"
)

// againstBefore compares with the version before, which has a copy of the data in a database of its own.
func againstBefore(ctx context.Context, s *stack, r *report) error {
	before, err := s.serveBefore(ctx)
	if err != nil {
		return err
	}
	paths, err := s.paths(ctx)
	if err != nil {
		return err
	}
	var list []*contest
	add := func(name, path string, connections int, atLeast float64) {
		plural := ""
		if connections > 1 {
			plural = "s"
		}
		ask := request{path: path}
		list = append(list, &contest{
			name: fmt.Sprintf("%s, %d connection%s", name, connections, plural), atLeast: atLeast,
			ours: s.rate(s.main, ask, connections), theirs: s.rate(before, ask, connections),
		})
	}
	for _, p := range []struct{ name, path string }{
		{"dataset by id", paths.dataset}, {"run with 312 folds", paths.run}, {"simulation with buckets", paths.simulation},
		{"50 datasets", "/api/indicators/datasets"}, {"200 runs", "/api/walkforward/runs"}, {"200 simulations", "/api/tradesim/runs"},
	} {
		add(p.name, p.path, 1, 1)
		add(p.name, p.path, 8, 0.9)
		add(p.name, p.path, 32, 0.9)
	}
	beside := func(v *service) measure {
		return func(ctx context.Context) (sample, error) { return s.besideLists(ctx, v, paths.dataset) }
	}
	cost := func(v *service) measure {
		return func(ctx context.Context) (sample, error) { return s.cpuPerAnswer(ctx, v, "/healthz") }
	}
	list = append(list, &contest{
		name: "dataset by id beside 8 readers of 200 runs", asTime: true, within: 3 * time.Millisecond,
		ours: beside(s.main), theirs: beside(before),
	}, &contest{name: "CPU of the service for `/healthz`", ours: cost(s.main), theirs: cost(before), asTime: true, atMost: 1.05})
	return r.run(ctx, theme{
		title: "The version before", peer: "before",
		about: "Two services on two databases of one server with the same rows.",
	}, list)
}

// besideLists is the time that one reader of a row waits while eight read the list of runs.
func (s *stack) besideLists(ctx context.Context, v *service, path string) (sample, error) {
	lists := make(chan error, 1)
	go func() {
		_, err := load(ctx, v.address, request{path: "/api/walkforward/runs"}, 8, s.opts.For+time.Second/5)
		lists <- err
	}()
	time.Sleep(time.Second / 10) // so that the lists are being read
	got, err := load(ctx, v.address, request{path: path}, 1, s.opts.For)
	if other := <-lists; err == nil {
		err = other
	}
	if err != nil {
		return sample{}, err
	}
	got.rate = timed(median(got.took)).rate
	return got, nil
}

// cpuPerAnswer is how much of a processor the service takes for one answer.
func (s *stack) cpuPerAnswer(ctx context.Context, v *service, path string) (sample, error) {
	before, err := v.cpu()
	if err != nil {
		return sample{}, err
	}
	got, err := load(ctx, v.address, request{path: path}, 8, max(s.opts.For, 2*time.Second)) // the system counts in 10 ms
	if err != nil {
		return sample{}, err
	}
	after, err := v.cpu()
	return timed((after - before) / time.Duration(len(got.took))), err
}

// serveBefore builds the version before, unless it is built, and starts it on a copy of the data.
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
	if err := copyRows(ctx, s.url, dsn); err != nil {
		return nil, fmt.Errorf("copy the rows for the version before: %w", err)
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

// copyRows copies the rows of all tables that both databases have, in the columns that both have.
func copyRows(ctx context.Context, from, to string) error {
	var conns [2]*pgx.Conn
	for i, dsn := range []string{from, to} {
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return err
		}
		defer conn.Close(ctx) //nolint:errcheck // nothing is lost
		conns[i] = conn
	}
	theirs, err := tables(ctx, conns[0])
	if err != nil {
		return err
	}
	own, err := tables(ctx, conns[1])
	if err != nil {
		return err
	}
	// Without triggers and foreign keys, the order of the tables does not matter.
	if _, err := conns[1].Exec(ctx, "SET session_replication_role = replica"); err != nil {
		return err
	}
	for table, columns := range own {
		var both []string
		for _, c := range columns {
			if slices.Contains(theirs[table], c) {
				both = append(both, c)
			}
		}
		if len(both) == 0 {
			continue
		}
		var rows bytes.Buffer
		target := fmt.Sprintf("%s (%s)", table, strings.Join(both, ", "))
		if _, err := conns[0].PgConn().CopyTo(ctx, &rows, "COPY "+target+" TO STDOUT"); err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
		if _, err := conns[1].PgConn().CopyFrom(ctx, &rows, "COPY "+target+" FROM STDIN"); err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
	}
	_, err = conns[1].Exec(ctx, "VACUUM ANALYZE")
	return err
}

// tables returns the columns that can be written, by the tables that hold the product's records.
func tables(ctx context.Context, conn *pgx.Conn) (map[string][]string, error) {
	rows, err := conn.Query(ctx, `
		SELECT c.relname::text, array_agg(quote_ident(a.attname) ORDER BY a.attnum)
		FROM pg_class AS c
		INNER JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname ~ '^(indicator|walkforward|simulation)_'
		GROUP BY c.relname`)
	if err != nil {
		return nil, err
	}
	found := map[string][]string{}
	var table string
	var columns []string
	_, err = pgx.ForEachRow(rows, []any{&table, &columns}, func() error {
		found[table] = columns
		return nil
	})
	return found, err
}

// paths are details of the data at scale.
type paths struct{ dataset, run, simulation, datasetID, simulationID string }

func (s *stack) paths(ctx context.Context) (p paths, err error) {
	run := seed.BigRunID.String()
	var simulations []struct {
		SimulationID string `json:"simulation_id"`
		DatasetID    string `json:"dataset_id"`
	}
	if err := s.main.get(ctx, "/api/tradesim/runs?run_id="+run, &simulations); err != nil {
		return p, err
	}
	if len(simulations) == 0 {
		return p, fmt.Errorf("run %s has no simulation", run)
	}
	p.datasetID, p.simulationID = simulations[0].DatasetID, simulations[0].SimulationID
	p.dataset, p.run = "/api/indicators/datasets/"+p.datasetID, "/api/walkforward/runs/"+run
	p.simulation = "/api/tradesim/runs/" + p.simulationID
	return p, nil
}

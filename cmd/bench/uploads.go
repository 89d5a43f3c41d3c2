package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const uploadedTrades = 20_000

// upload is something that is stored over and over, each time under another id: by a POST of the file that foldbook export
// makes of it, and by psql with an insert of its row and a COPY of the rows below it, in one transaction as well.
type upload struct {
	kind, id    string // of what is there to be copied, as foldbook export takes them
	path        string // that takes it
	parent, key string // table of the row, and its primary key
	child       string // table of the rows below it
	count       int    // of these
	each        int    // repetitions in a measurement
	body        []byte
	insert      string // with %s for the new id
	columns     string // of the child
	rows        []byte // of the child, as COPY writes them
}

// uploads compares POST with psql.
func uploads(ctx context.Context, s *stack, r *report) error {
	psql := s.findProgram("psql")
	if psql == "" {
		progress("no psql on PATH or where distributions put it: uploads are not measured")
		return nil
	}
	simulation := uuid.NewString()
	if err := s.exec(ctx, s.url, fmt.Sprintf(manyTrades, simulation, runID, uploadedTrades)); err != nil {
		return err
	}
	folds := &upload{
		kind: "run", id: runID, path: "/api/runs", count: 312, each: 20,
		parent: "walkforward_runs", key: "run_id", child: "walkforward_folds",
	}
	trades := &upload{
		kind: "simulation", id: simulation, path: "/api/simulations", count: uploadedTrades, each: 5,
		parent: "simulation_runs", key: "simulation_id", child: "simulation_trades",
	}
	for _, u := range []*upload{folds, trades} {
		if err := u.prepare(ctx, s); err != nil {
			return fmt.Errorf("prepare a %s: %w", u.kind, err)
		}
	}
	return r.run(ctx, theme{
		title: "Uploads", peer: "psql",
		about: "One after the other, each stored once in a transaction that waits for the disk: 20 runs or 5 simulations a measurement.",
	}, []*contest{
		{name: "a run with 312 folds of 28 metrics", ours: folds.byPost(s), theirs: folds.byPsql(s, psql), asTime: true, atMost: 1.5},
		{name: "a simulation with 20,000 trades", ours: trades.byPost(s), theirs: trades.byPsql(s, psql), asTime: true, atMost: 2},
	})
}

// manyTrades stores a simulation of a run with many trades.
const manyTrades = `
	INSERT INTO simulation_runs (simulation_id, run_id, dataset_id, mode, status, config, summary_metrics)
	SELECT '%[1]s', run_id, dataset_id, 'dual', 'COMPLETED', '{"position_size": 1000}', '{"total_return_pct": 8.25}'
	FROM walkforward_runs WHERE run_id = '%[2]s';
	INSERT INTO simulation_trades (simulation_id, bar_timestamp, side, size, entry_price, exit_price, pnl, return_pct, metadata)
	SELECT '%[1]s', timestamptz '2024-01-01Z' + n * interval '1 hour', CASE n %% 2 WHEN 0 THEN 'long' ELSE 'short' END,
		1 + random(), 60000 * random(), 60000 * random(), random() - 0.5, random() - 0.5,
		jsonb_build_object('fold_index', n / 64, 'entry_signal', random(), 'exit_signal', random(),
			'exit_timestamp', 1704067200000 + n::bigint * 3600000)
	FROM generate_series(1, %[3]d) AS n`

// prepare makes what both ways send.
func (u *upload) prepare(ctx context.Context, s *stack) error {
	file := filepath.Join(s.scratch.Dir, u.kind+".json")
	if err := s.run(ctx, s.binary, s.url, "export", u.kind, u.id, "--server", "http://"+s.main.address, "-o", file); err != nil {
		return err
	}
	var err error
	if u.body, err = os.ReadFile(file); err != nil {
		return fmt.Errorf("read what was exported: %w", err)
	}
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return fmt.Errorf("connect to the benchmark's server: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost
	columnsOf := func(table string) (columns string, err error) {
		err = conn.QueryRow(ctx, `SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
			WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`, table).Scan(&columns)
		return columns, err
	}
	parent, err := columnsOf(u.parent)
	if err != nil {
		return err
	}
	u.insert = fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s WHERE %s = '%s'", u.parent, parent,
		strings.Replace(parent, u.key, "'%s'", 1), u.parent, u.key, u.id)
	if u.columns, err = columnsOf(u.child); err != nil {
		return err
	}
	var rows bytes.Buffer
	copied := fmt.Sprintf("COPY (SELECT %s FROM %s WHERE %s = '%s') TO STDOUT", u.columns, u.child, u.key, u.id)
	tag, err := conn.PgConn().CopyTo(ctx, &rows, copied)
	if err == nil && tag.RowsAffected() != int64(u.count) {
		err = fmt.Errorf("%d rows in %s, want %d", tag.RowsAffected(), u.child, u.count)
	}
	u.rows = rows.Bytes()
	return err
}

// byPsql measures the mean time of an insert and a \copy, by the clock of the server: the start of psql is not counted.
func (u *upload) byPsql(s *stack, psql string) measure {
	const clock = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;\n"
	return func(ctx context.Context) (sample, error) {
		script := bytes.NewBufferString(clock)
		for i := range u.each {
			id := uuid.NewString()
			file := filepath.Join(s.scratch.Dir, fmt.Sprintf("%s_%d.copy", u.kind, i))
			if err := os.WriteFile(file, bytes.ReplaceAll(u.rows, []byte(u.id), []byte(id)), 0o644); err != nil {
				return sample{}, fmt.Errorf("write rows for psql: %w", err)
			}
			fmt.Fprintf(script, "BEGIN;\n"+u.insert+";\n\\copy %s (%s) FROM '%s'\nCOMMIT;\n", id, u.child, u.columns, file)
		}
		script.WriteString(clock)
		cmd := exec.CommandContext(ctx, psql, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", s.url)
		cmd.Stdin = script
		out, err := cmd.CombinedOutput()
		var began, ended int64
		if _, scanErr := fmt.Sscan(string(out), &began, &ended); err != nil || scanErr != nil {
			return sample{}, fmt.Errorf("psql: %w: %.1000s", errors.Join(err, scanErr), out)
		}
		return timed(time.Duration(ended-began) * time.Microsecond / time.Duration(u.each)), nil
	}
}

// byPost measures the mean time of a POST, from sending it to the end of its answer.
func (u *upload) byPost(s *stack) measure {
	return func(ctx context.Context) (sample, error) {
		bodies := make([][]byte, u.each)
		for i := range bodies {
			bodies[i] = bytes.ReplaceAll(u.body, []byte(u.id), []byte(uuid.NewString()))
		}
		began := time.Now()
		for _, body := range bodies {
			if _, _, err := s.main.do(ctx, http.MethodPost, u.path, body, http.StatusCreated); err != nil {
				return sample{}, err
			}
		}
		got := timed(time.Since(began) / time.Duration(u.each))
		got.bytes = int64(len(u.body))
		return got, nil
	}
}

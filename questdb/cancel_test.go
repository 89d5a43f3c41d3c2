package questdb_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"foldbook/internal/testdb"
	"foldbook/questdb"
)

// running reports whether QuestDB runs a query that contains mark.
func running(t *testing.T, mark string) bool {
	t.Helper()
	server := testdb.QuestDB(t)
	c := client(t, questdb.Config{HTTPURL: server.HTTPURL(), Read: questdb.HTTP})
	// The one worker for HTTP may be busy with the very query.
	ctx, cancel := context.WithTimeout(t.Context(), 10*limit)
	defer cancel()
	rows, err := c.Query(ctx, "select query from query_activity()")
	if errors.Is(err, questdb.ErrTimeout) {
		return true
	}
	for _, row := range cells(t, rows, err) {
		query, _ := row[0].(string)
		if strings.Contains(query, mark) && !strings.Contains(query, "query_activity") {
			return true
		}
	}
	return false
}

func stops(t *testing.T, mark string) {
	t.Helper()
	for deadline := time.Now().Add(2 * limit); running(t, mark); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the query %s still runs", mark)
		}
	}
}

func TestCancelReachesTheServer(t *testing.T) { //nolint:paralleltest // it keeps the server's only worker busy
	onBothPaths(t, func(t *testing.T, c *questdb.Client) {
		mark := name(t)
		t.Run("before the first row", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(300*time.Millisecond, cancel)
			_, err := c.Query(ctx, fmt.Sprintf("select sum(sqrt(a.x) * b.x) %s_1 from long_sequence(1000000) a cross join long_sequence(1000000) b", mark))
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got error %v, want that it was cancelled", err)
			}
			stops(t, mark+"_1")
		})
		t.Run("deadline", func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			_, err := c.Query(ctx, fmt.Sprintf("select sum(sqrt(a.x) * b.x) %s_2 from long_sequence(1000000) a cross join long_sequence(1000000) b", mark))
			if !errors.Is(err, questdb.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got error %v, want that it took too long", err)
			}
			stops(t, mark+"_2")
		})
		for i, end := range map[string]func(*questdb.Rows, context.CancelFunc){
			"3": func(rows *questdb.Rows, _ context.CancelFunc) { rows.Close() },
			"4": func(rows *questdb.Rows, cancel context.CancelFunc) {
				cancel()
				for rows.Next() {
					continue
				}
				if err := rows.Err(); !errors.Is(err, context.Canceled) {
					t.Errorf("the rows end with %v, want that they were cancelled", err)
				}
			},
		} {
			t.Run("among the rows "+i, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				rows, err := c.Query(ctx, strings.Replace(endless, " y", " "+mark+"_"+i, 1))
				if err != nil {
					t.Fatal(err)
				}
				for range 10 {
					if !rows.Next() {
						t.Fatal(rows.Err())
					}
				}
				if !running(t, mark+"_"+i) {
					t.Error("the query does not show in query_activity() while it runs")
				}
				end(rows, cancel)
				rows.Close()
				stops(t, mark+"_"+i)
			})
		}
	})
}

func TestNoAnswerInTime(t *testing.T) { //nolint:paralleltest // as above
	server := testdb.QuestDB(t)
	for _, path := range []questdb.Path{questdb.PG, questdb.HTTP} {
		c := client(t, questdb.Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL(), Read: path, AnswerTimeout: 300 * time.Millisecond})
		mark := name(t)
		_, err := c.Query(t.Context(), fmt.Sprintf("select sum(sqrt(a.x) * b.x) %s from long_sequence(1000000) a cross join long_sequence(1000000) b", mark))
		if !errors.Is(err, questdb.ErrTimeout) {
			t.Errorf("%s: got error %v, want that it took too long", path, err)
		}
		stops(t, mark)
	}
}

func TestFullPool(t *testing.T) {
	t.Parallel()
	server := testdb.QuestDB(t)
	for _, path := range []questdb.Path{questdb.PG, questdb.HTTP} {
		t.Run(string(path), func(t *testing.T) {
			t.Parallel()
			c := client(t, questdb.Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL(), Read: path, PoolSize: 4, AcquireTimeout: 20 * time.Millisecond})
			table := ensure(t, c, questdb.Spec{Name: name(t), PartitionBy: "YEAR", Dedup: true, Columns: column("x")})
			fill(t, c, table, 10, func(w *questdb.Writer, i int) { w.Float("x", float64(i)) })
			scan := func(n int64) (*questdb.Rows, error) {
				return c.Scan(t.Context(), questdb.Scan{Selection: questdb.Selection{Table: table}, Columns: []string{"x"}, Limit: n})
			}
			var open []*questdb.Rows
			hold := func(n int64) {
				t.Helper()
				rows, err := scan(n)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(rows.Close)
				open = append(open, rows)
			}
			for range 3 {
				hold(-1)
			}
			if _, err := scan(-1); !errors.Is(err, questdb.ErrBusy) {
				t.Errorf("a fourth long read of four: %v, want busy", err)
			}
			hold(1)
			if _, err := c.Count(t.Context(), questdb.Selection{Table: table}); !errors.Is(err, questdb.ErrBusy) {
				t.Errorf("a fifth read of four: %v, want busy", err)
			}
			if err := c.Ping(t.Context()); err != nil {
				t.Errorf("a full pool does not mean that QuestDB is down: %v", err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := c.Count(ctx, questdb.Selection{Table: table}); !errors.Is(err, context.Canceled) {
				t.Errorf("a cancelled read: %v", err)
			}
			open[0].Close()
			open[0].Close()
			hold(-1)
			if got := cells(t, open[1], nil); len(got) != 10 {
				t.Errorf("a read that held its place has %d rows, want 10", len(got))
			}
			if n, err := c.Count(t.Context(), questdb.Selection{Table: table}); err != nil || n != 10 {
				t.Errorf("with a free place it counts %d, %v", n, err)
			}
		})
	}
}

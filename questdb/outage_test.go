package questdb_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"foldbook/internal/devstack"
	"foldbook/internal/testdb"
	"foldbook/questdb"
)

// endless is a result far larger than all buffers between the server and a reader.
const endless = "select x, x * 0.5 y, 'some text' z from long_sequence(50000000)"

// TestOutages does not run beside the other tests, because it stops the server that they share.
func TestOutages(t *testing.T) { //nolint:paralleltest // as above
	server := testdb.QuestDB(t)
	for _, path := range []questdb.Path{questdb.PG, questdb.HTTP} {
		t.Run(string(path), func(t *testing.T) {
			c := client(t, questdb.Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL(), Read: path, StallTimeout: 2 * time.Second})
			table := ensure(t, c, questdb.Spec{Name: name(t), PartitionBy: "YEAR", Dedup: true, Columns: column("x")})
			fill(t, c, table, 10, func(w *questdb.Writer, i int) { w.Float("x", float64(i)) })
			if err := c.Ping(t.Context()); err != nil {
				t.Fatalf("it is up: %v", err)
			}
			frozen(t, server, c, table)
			recovers(t, c, table)
			killed(t, server, c, table)
			recovers(t, c, table) // the same client, on the same address
		})
	}
}

func frozen(t *testing.T, server *devstack.QuestDB, c *questdb.Client, table *questdb.Table) {
	t.Helper()
	stream, err := c.Query(t.Context(), endless)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	server.Freeze()
	defer server.Thaw()
	began := time.Now()
	for stream.Next() {
		continue
	}
	if err := stream.Err(); !errors.Is(err, questdb.ErrTimeout) {
		t.Errorf("frozen in the middle of a stream: %v, want that it took too long", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := c.Count(ctx, questdb.Selection{Table: table}); !errors.Is(err, questdb.ErrTimeout) && !errors.Is(err, questdb.ErrUnavailable) {
		t.Errorf("frozen, a read with a deadline: %v", err)
	}
	if err := c.Ping(t.Context()); err == nil {
		t.Error("frozen, a ping is answered")
	}
	if err := flushOne(t, c, table, 300*time.Millisecond); !errors.Is(err, questdb.ErrTimeout) {
		t.Errorf("frozen, a write with a deadline: %v, want that it took too long", err)
	}
	if took := time.Since(began); took > 2*limit {
		t.Errorf("all that took %s", took)
	}
}

func killed(t *testing.T, server *devstack.QuestDB, c *questdb.Client, table *questdb.Table) {
	t.Helper()
	stream, err := c.Query(t.Context(), endless)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	server.Kill()
	for stream.Next() {
		continue
	}
	if err := stream.Err(); !errors.Is(err, questdb.ErrBroken) {
		t.Errorf("killed in the middle of a stream: %v, want a broken answer", err)
	}
	began := time.Now()
	if _, err := c.Count(t.Context(), questdb.Selection{Table: table}); !errors.Is(err, questdb.ErrUnavailable) {
		t.Errorf("killed, a read: %v, want that it cannot be reached", err)
	}
	if err := c.Ping(t.Context()); !errors.Is(err, questdb.ErrUnavailable) {
		t.Errorf("killed, a ping: %v, want that it cannot be reached", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("refused connections took %s, want at most 2 s", took)
	}
	if err := flushOne(t, c, table, limit); !errors.Is(err, questdb.ErrUnavailable) {
		t.Errorf("killed, a write: %v, want that it cannot be reached", err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func flushOne(t *testing.T, c *questdb.Client, table *questdb.Table, within time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	_, err := c.Write(ctx, table, oneRow)
	return err
}

func oneRow(w *questdb.Writer) error {
	w.Float("x", 0)
	w.Row(hour(0))
	return nil
}

// recovers requires that the first read and the first write work, and that the client says so soon.
func recovers(t *testing.T, c *questdb.Client, table *questdb.Table) {
	t.Helper()
	var err error
	for began := time.Now(); time.Since(began) < limit; time.Sleep(10 * time.Millisecond) {
		if err = c.Ping(t.Context()); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatalf("it is back for %s, and still: %v", limit, err)
	}
	if n, err := c.Count(t.Context(), questdb.Selection{Table: table}); err != nil || n != 10 {
		t.Errorf("it is back, and counts %d, %v, want 10", n, err)
	}
	if err := flushOne(t, c, table, limit); err != nil {
		t.Errorf("it is back, and does not take a row: %v", err)
	}
}

// A restart leaves dead connections in the pool: the next read has to work all the same, at the first try.
func TestRestartBetweenReads(t *testing.T) { //nolint:paralleltest // it stops the server that the tests share
	server := testdb.QuestDB(t)
	clients := map[questdb.Path]*questdb.Client{}
	for _, path := range []questdb.Path{questdb.PG, questdb.HTTP} {
		clients[path] = client(t, questdb.Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL(), Read: path})
		var open []*questdb.Rows
		for range 3 {
			rows, err := clients[path].Query(t.Context(), "select x from long_sequence(2)")
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, rows)
		}
		for _, rows := range open {
			if got := cells(t, rows, nil); len(got) != 2 {
				t.Errorf("got %v", got)
			}
		}
	}
	server.Kill()
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for path, c := range clients {
		rows, err := c.Query(t.Context(), "select x from long_sequence(2)")
		if got := cells(t, rows, err); len(got) != 2 {
			t.Errorf("%s: got %v", path, got)
		}
	}
}

package questdb_test

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"foldbook/internal/testdb"
	"foldbook/questdb"
)

// Whatever is wrong with one row, none is stored.
func TestBadBatches(t *testing.T) {
	t.Parallel()
	server := testdb.QuestDB(t)
	c := client(t, questdb.Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL()})
	table := ensure(t, c, questdb.Spec{Name: name(t), PartitionBy: "YEAR", Columns: []questdb.Column{
		{Name: "s", Type: "SYMBOL"}, {Name: "x", Type: "DOUBLE"}, {Name: "n", Type: "LONG"}, {Name: "v", Type: "VARCHAR"},
	}})
	var w *questdb.Writer
	fine := func() { w.Float("x", 1); w.Row(hour(0)) }
	var refused *questdb.Refused
	for name, test := range map[string]struct {
		row    func()
		column bool
	}{
		"no such column":       {func() { w.Float("y", 1); w.Row(hour(1)) }, true},
		"bad column":           {func() { w.Text("v\n", "x"); w.Row(hour(1)) }, true},
		"nanoseconds":          {func() { w.Float("x", 1); w.Row(hour(1) * 1000) }, false},
		"before 1970":          {func() { w.Float("x", 1); w.Row(-1) }, false},
		"no whole number":      {func() { w.Float("n", 1.5); w.Row(hour(1)) }, false},
		"too large a number":   {func() { w.Float("n", 1e300); w.Row(hour(1)) }, false},
		"no end":               {func() { w.Float("x", 1) }, false},
		"symbol after a field": {func() { w.Float("x", 1); w.Symbol("s", "a"); w.Row(hour(1)) }, false},
		"a type of another":    {func() { w.Text("x", "not a number"); w.Row(hour(1)) }, false}, // QuestDB says so
		"a number as text":     {func() { w.Float("v", 1); w.Row(hour(1)) }, false},
	} {
		n, err := c.Write(t.Context(), table, func(to *questdb.Writer) error {
			w = to
			fine()
			test.row()
			if name != "no end" {
				fine()
			}
			return nil
		})
		if test.column && !errors.Is(err, questdb.ErrNoColumn) || !test.column && !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
		if n != 0 {
			t.Errorf("%s: %d rows are said to be stored", name, n)
		}
	}
	if n, err := c.Count(t.Context(), questdb.Selection{Table: table}); err != nil || n != 0 {
		t.Errorf("bad batches left %d rows, %v", n, err)
	}
	if n, err := c.Write(t.Context(), table, func(*questdb.Writer) error { return nil }); err != nil || n != 0 {
		t.Errorf("no rows: %d, %v", n, err)
	}
	if _, err := c.Write(t.Context(), table, func(w *questdb.Writer) error {
		w.Row(0) // of NULLs alone, at the first time that there is
		w.Float("x", math.NaN())
		w.Row(hour(3))
		return nil
	}); err != nil {
		t.Error(err)
	}
	if n, err := c.Count(t.Context(), questdb.Selection{Table: table}); err != nil || n != 2 {
		t.Errorf("two rows of NULLs are %d, %v", n, err)
	}
	if n, err := c.Count(t.Context(), questdb.Selection{Table: table, To: time.UnixMicro(0)}); err != nil || n != 1 {
		t.Errorf("of the first microsecond of 1970 there are %d, %v", n, err)
	}
}

// A batch is one transaction, however large: a bad last line leaves nothing.
func TestLargeBatch(t *testing.T) {
	t.Parallel()
	server := testdb.QuestDB(t)
	c := client(t, questdb.Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL()})
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	table := ensure(t, c, questdb.Spec{Name: name(t), PartitionBy: "YEAR", Dedup: true, Columns: column(names...)})
	const rows = 100000
	for _, bad := range []bool{true, false} {
		n, err := c.Write(t.Context(), table, func(w *questdb.Writer) error {
			for i := range rows {
				for _, n := range names {
					w.Float(n, float64(i))
				}
				w.Row(hour(0) + int64(i))
			}
			if bad {
				w.Text("a", "no number")
				w.Row(hour(1))
			}
			return nil
		})
		if bad != errors.As(err, new(*questdb.Refused)) || !bad && (err != nil || n != rows) {
			t.Errorf("bad %t: %v", bad, err)
		}
		want := int64(rows)
		if bad {
			want = 0
		}
		if n, err := c.Count(t.Context(), questdb.Selection{Table: table}); err != nil || n != want {
			t.Errorf("bad %t: it has %d rows, %v, want %d", bad, n, err, want)
		}
	}
}

// Rows whose source fails in the middle are not stored, though some were sent.
func TestCutBatch(t *testing.T) {
	t.Parallel()
	server := testdb.QuestDB(t)
	c := client(t, questdb.Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL(), User: "admin", Password: "quest"})
	table := ensure(t, c, questdb.Spec{Name: name(t), PartitionBy: "YEAR", Columns: column("x")})
	if _, err := c.Write(t.Context(), &questdb.Table{Name: "x"}, oneRow); !errors.Is(err, questdb.ErrNoColumn) {
		t.Errorf("a table without a timestamp: %v", err)
	}
	failed := errors.New("no more")
	if _, err := c.Write(t.Context(), table, func(w *questdb.Writer) error {
		for i := range 100000 {
			w.Float("x", 1)
			w.Row(hour(i))
		}
		return failed
	}); !errors.Is(err, failed) {
		t.Errorf("got error %v, want the one of its source", err)
	}
	if n, err := c.Write(t.Context(), table, oneRow); err != nil || n != 1 {
		t.Error(n, err)
	}
	if n, err := c.Count(t.Context(), questdb.Selection{Table: table}); err != nil || n != 1 {
		t.Errorf("it has %d rows, %v, want 1", n, err)
	}
}

// What becomes of a batch whose answer is lost, and of one that is not applied, is shown by a server that does so on demand.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	const waits = "[1,2,false,null]"
	for name, test := range map[string]struct {
		dedup  bool
		write  func(n int64) http.HandlerFunc
		state  string // of wal_tables()
		writes int64  // 0: more than one
		err    error
	}{
		"lost once, repeatable": {true, func(n int64) http.HandlerFunc {
			if n == 1 {
				return func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
			}
			return answer(http.StatusNoContent, "")
		}, waits, 2, questdb.ErrNotVisible},
		"lost, not repeatable": {false, func(int64) http.HandlerFunc {
			return func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		}, waits, 1, questdb.ErrUnanswered},
		"in trouble, repeatable":     {true, func(int64) http.HandlerFunc { return answer(http.StatusServiceUnavailable, "geheim") }, waits, 0, questdb.ErrUnanswered},
		"in trouble, not repeatable": {false, func(int64) http.HandlerFunc { return answer(http.StatusServiceUnavailable, "geheim") }, waits, 1, questdb.ErrUnanswered},
		"no permission":              {true, func(int64) http.HandlerFunc { return answer(http.StatusUnauthorized, "geheim") }, waits, 1, questdb.ErrUnavailable},
		"not applied in time":        {true, func(int64) http.HandlerFunc { return answer(http.StatusNoContent, "") }, waits, 1, questdb.ErrNotVisible},
		"suspended":                  {true, func(int64) http.HandlerFunc { return answer(http.StatusNoContent, "") }, `[1,2,true,"a disk is full"]`, 1, questdb.ErrSuspended},
		"dropped":                    {true, func(int64) http.HandlerFunc { return answer(http.StatusNoContent, "") }, "", 1, questdb.ErrNoTable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var writes atomic.Int64
			url := fake(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/prefix/write" {
					_, _ = io.Copy(io.Discard, r.Body)
					test.write(writes.Add(1))(w, r)
					return
				}
				answer(http.StatusOK, `{"query":"","columns":[{"name":"writerTxn","type":"LONG"},{"name":"sequencerTxn","type":"LONG"},{"name":"suspended","type":"BOOLEAN"},{"name":"errorMessage","type":"VARCHAR"}],"dataset":[`+test.state+`],"count":1}`)(w, r)
			})
			c := client(t, questdb.Config{HTTPURL: url + "/prefix", User: "admin", Password: "geheim", Read: questdb.HTTP})
			table := &questdb.Table{Name: "t", Designated: "timestamp", WAL: true, Dedup: test.dedup, Columns: []questdb.Column{{Name: "x", Type: "DOUBLE"}}}
			within := 200 * time.Millisecond
			if test.err != questdb.ErrNotVisible { //nolint:errorlint // it is itself
				within = limit
			}
			err := flushOne(t, c, table, within)
			if !errors.Is(err, test.err) || strings.Contains(err.Error(), "geheim") {
				t.Errorf("got error %v, want %v", err, test.err)
			}
			if n := writes.Load(); test.writes > 0 && n != test.writes || test.writes == 0 && n < 2 {
				t.Errorf("it was sent %d times, want %d", n, test.writes)
			}
		})
	}
}

// Rows that found nobody to take them are stored nowhere, which the error does not leave open.
func TestUnsentRows(t *testing.T) {
	t.Parallel()
	c := client(t, questdb.Config{HTTPURL: "http://127.0.0.1:1", Read: questdb.HTTP})
	table := &questdb.Table{Name: "t", Designated: "timestamp", WAL: true, Dedup: true, Columns: []questdb.Column{{Name: "x", Type: "DOUBLE"}}}
	if err := flushOne(t, c, table, limit); !errors.Is(err, questdb.ErrUnavailable) || errors.Is(err, questdb.ErrUnanswered) {
		t.Errorf("got error %v", err)
	}
}

func TestWriteEndsWithItsContext(t *testing.T) {
	t.Parallel()
	url := fake(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // before it, the server does not see that the client leaves
		<-r.Context().Done()
	})
	c := client(t, questdb.Config{HTTPURL: url, Read: questdb.HTTP})
	table := &questdb.Table{Name: "t", Designated: "timestamp", Dedup: true, Columns: []questdb.Column{{Name: "x", Type: "DOUBLE"}}}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := c.Write(ctx, table, oneRow); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want that it was cancelled", err)
	}
}

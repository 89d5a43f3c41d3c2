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

func writer(t *testing.T, c *questdb.Client, table *questdb.Table) *questdb.Writer {
	t.Helper()
	w, err := c.Writer(table)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// Whatever is wrong with one row, none is stored, and the writer can be used again.
func TestBadBatches(t *testing.T) {
	t.Parallel()
	server := testdb.QuestDB(t)
	c := client(t, questdb.Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL()})
	table := ensure(t, c, questdb.Spec{Name: name(t), PartitionBy: "YEAR", Columns: []questdb.Column{
		{Name: "s", Type: "SYMBOL"}, {Name: "x", Type: "DOUBLE"}, {Name: "n", Type: "LONG"}, {Name: "v", Type: "VARCHAR"},
	}})
	w := writer(t, c, table)
	fine := func() { w.Float("x", 1); w.Row(hour(0)) }
	var refused *questdb.Refused
	for name, test := range map[string]struct {
		row    func()
		column bool
	}{
		"no such column":       {func() { w.Float("y", 1); w.Row(hour(1)) }, true},
		"bad column":           {func() { w.Text("v\n", "x"); w.Row(hour(1)) }, true},
		"milliseconds":         {func() { w.Float("x", 1); w.Row(hour(1) / 1000) }, false},
		"nanoseconds":          {func() { w.Float("x", 1); w.Row(hour(1) * 1000) }, false},
		"seconds":              {func() { w.Float("x", 1); w.Row(hour(1) / 1000000) }, false},
		"before 1970":          {func() { w.Float("x", 1); w.Row(-1) }, false},
		"no time at all":       {func() { w.Float("x", 1); w.Row(0) }, false},
		"no whole number":      {func() { w.Float("n", 1.5); w.Row(hour(1)) }, false},
		"too large a number":   {func() { w.Float("n", 1e300); w.Row(hour(1)) }, false},
		"no end":               {func() { w.Float("x", 1) }, false},
		"symbol after a field": {func() { w.Float("x", 1); w.Symbol("s", "a"); w.Row(hour(1)) }, false},
		"a type of another":    {func() { w.Text("x", "not a number"); w.Row(hour(1)) }, false}, // QuestDB says so
		"a number as text":     {func() { w.Float("v", 1); w.Row(hour(1)) }, false},
	} {
		fine()
		test.row()
		if name != "no end" {
			fine()
		}
		err := w.Flush(t.Context())
		if test.column && !errors.Is(err, questdb.ErrNoColumn) || !test.column && !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
		if w.Len() != 0 {
			t.Errorf("%s: %d rows wait after a flush", name, w.Len())
		}
	}
	if n, err := c.Count(t.Context(), questdb.Selection{Table: table}); err != nil || n != 0 {
		t.Errorf("bad batches left %d rows, %v", n, err)
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Errorf("nothing to flush: %v", err)
	}
	w.Row(hour(2)) // of NULLs alone
	w.Float("x", math.NaN())
	w.Row(hour(3))
	if err := w.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if n, err := c.Count(t.Context(), questdb.Selection{Table: table}); err != nil || n != 2 {
		t.Errorf("two rows of NULLs are %d, %v", n, err)
	}
}

// A batch is one transaction, however large: a bad last line leaves nothing.
func TestLargeBatch(t *testing.T) {
	t.Parallel()
	server := testdb.QuestDB(t)
	c := client(t, questdb.Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL()})
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	table := ensure(t, c, questdb.Spec{Name: name(t), PartitionBy: "YEAR", Dedup: true, Columns: column(names...)})
	w := writer(t, c, table)
	const rows = 100000
	for _, bad := range []bool{true, false} {
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
		err := w.Flush(t.Context())
		if bad != errors.As(err, new(*questdb.Refused)) || !bad && err != nil {
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

func TestCloseWithoutFlush(t *testing.T) {
	t.Parallel()
	server := testdb.QuestDB(t)
	c := client(t, questdb.Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL(), User: "admin", Password: "quest"})
	table := ensure(t, c, questdb.Spec{Name: name(t), PartitionBy: "YEAR", Columns: column("x")})
	if _, err := c.Writer(&questdb.Table{Name: "x"}); !errors.Is(err, questdb.ErrNoColumn) {
		t.Errorf("a table without a timestamp: %v", err)
	}
	w := writer(t, c, table)
	w.Float("x", 1)
	w.Row(hour(0))
	w.Close()
	if w.Len() != 0 {
		t.Error("a closed writer holds rows")
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Errorf("a closed writer has nothing to flush: %v", err)
	}
}

// What becomes of a batch whose answer is lost, and of one that is not applied, is shown by a server that does so on demand.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	const waits = "[1,2,false]"
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
		}, waits, 1, questdb.ErrUnavailable},
		"in trouble, repeatable":     {true, func(int64) http.HandlerFunc { return answer(http.StatusServiceUnavailable, "geheim") }, waits, 0, questdb.ErrUnavailable},
		"in trouble, not repeatable": {false, func(int64) http.HandlerFunc { return answer(http.StatusServiceUnavailable, "geheim") }, waits, 1, questdb.ErrUnavailable},
		"no permission":              {true, func(int64) http.HandlerFunc { return answer(http.StatusUnauthorized, "geheim") }, waits, 1, questdb.ErrUnavailable},
		"not applied in time":        {true, func(int64) http.HandlerFunc { return answer(http.StatusNoContent, "") }, waits, 1, questdb.ErrNotVisible},
		"suspended":                  {true, func(int64) http.HandlerFunc { return answer(http.StatusNoContent, "") }, "[1,2,true]", 1, questdb.ErrSuspended},
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
				answer(http.StatusOK, `{"query":"","columns":[{"name":"writerTxn","type":"LONG"},{"name":"sequencerTxn","type":"LONG"},{"name":"suspended","type":"BOOLEAN"}],"dataset":[`+test.state+`],"count":1}`)(w, r)
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

func TestFlushEndsWithItsContext(t *testing.T) {
	t.Parallel()
	url := fake(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // before it, the server does not see that the client leaves
		<-r.Context().Done()
	})
	c := client(t, questdb.Config{HTTPURL: url, Read: questdb.HTTP})
	w := writer(t, c, &questdb.Table{Name: "t", Designated: "timestamp", Dedup: true, Columns: []questdb.Column{{Name: "x", Type: "DOUBLE"}}})
	w.Float("x", 1)
	w.Row(hour(0))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := w.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want that it was cancelled", err)
	}
}

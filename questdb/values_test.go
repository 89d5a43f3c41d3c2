package questdb_test

import (
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foldbook/internal/testdb"
	"foldbook/questdb"
)

var tableNumber atomic.Int64

// name is a table name of the test's own.
func name(t *testing.T) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(t.Name()))
	return fmt.Sprintf("%.60s_%d", clean, tableNumber.Add(1))
}

// onBothPaths runs a test with a client of each path.
func onBothPaths(t *testing.T, f func(t *testing.T, c *questdb.Client)) {
	server := testdb.QuestDB(t)
	for _, path := range []questdb.Path{questdb.PG, questdb.HTTP} {
		t.Run(string(path), func(t *testing.T) {
			t.Parallel()
			f(t, client(t, questdb.Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL(), Read: path}))
		})
	}
}

// hour is a time in microseconds, n hours after the start of 2024.
func hour(n int) int64 {
	return time.Date(2024, 1, 1, n, 0, 0, 0, time.UTC).UnixMicro()
}

// ensure makes a table.
func ensure(t *testing.T, c *questdb.Client, s questdb.Spec) *questdb.Table {
	t.Helper()
	table, err := c.Ensure(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func column(names ...string) (columns []questdb.Column) {
	for _, n := range names {
		columns = append(columns, questdb.Column{Name: n, Type: "DOUBLE"})
	}
	return columns
}

// cells reads all rows, each cell as its Go value, NULL as nil.
func cells(t *testing.T, rows *questdb.Rows, err error) [][]any {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := [][]any{}
	for rows.Next() {
		row := make([]any, len(rows.Fields))
		for i, f := range rows.Fields {
			switch f.Kind {
			case questdb.Float:
				if v, ok := rows.Float(i); ok {
					row[i] = v
				}
			case questdb.Text:
				if v, ok := rows.Text(i); ok {
					row[i] = string(v)
				}
			default:
				if v, ok := rows.Int(i); ok {
					row[i] = v
				}
			}
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	t.Parallel()
	onBothPaths(t, func(t *testing.T, c *questdb.Client) {
		table := ensure(t, c, questdb.Spec{Name: name(t), PartitionBy: "YEAR", Dedup: true, Columns: []questdb.Column{
			{Name: "run_id", Type: "SYMBOL", Key: true}, {Name: "x", Type: "DOUBLE"}, {Name: "n", Type: "LONG"}, {Name: "note", Type: "VARCHAR"},
		}})
		for range 2 { // the second time replaces the first
			n, err := c.Write(t.Context(), table, func(w *questdb.Writer) error {
				w.Symbol("run_id", "a b,'\"=\\é")
				w.Float("x", 0.1)
				w.Int("n", math.MaxInt64)
				w.Text("note", "line\nbreak \"quoted\" \\ \u0001 ü")
				w.Row(hour(0))
				w.Symbol("run_id", "b")
				w.Float("x", math.NaN())
				w.Row(hour(0))
				w.Float("x", math.Inf(1))
				w.Float("n", 5)
				w.Row(hour(1) + 1)
				return nil
			})
			if err != nil || n != 3 {
				t.Fatalf("%d rows, %v; want 3", n, err)
			}
		}
		rows, err := c.Scan(t.Context(), questdb.Scan{Selection: questdb.Selection{Table: table}, Columns: []string{"timestamp", "run_id", "x", "n", "NOTE"}, Limit: -1})
		got := cells(t, rows, err)
		want := [][]any{
			{hour(0), "a b,'\"=\\é", 0.1, int64(math.MaxInt64), "line\nbreak \"quoted\" \\ \u0001 ü"},
			{hour(0), "b", nil, nil, nil},
			{hour(1) + 1, nil, nil, int64(5), nil},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		b, err := c.Bounds(t.Context(), questdb.Selection{Table: table})
		if want := (questdb.Bounds{Rows: 3, First: time.UnixMicro(hour(0)).UTC(), Last: time.UnixMicro(hour(1) + 1).UTC()}); err != nil || b != want {
			t.Errorf("bounds are %v, %v, want %v", b, err, want)
		}
	})
}

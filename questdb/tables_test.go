package questdb_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foldbook/internal/testdb"
	"foldbook/questdb"
)

func TestTableNames(t *testing.T) {
	t.Parallel()
	onBothPaths(t, func(t *testing.T, c *questdb.Client) {
		for _, bad := range []string{
			"", `a"b`, "a b", "a'b", "a;b", "a/b", "../x", "a..b", "a.", ".a", "-a", "a\x00", "é", "a\n", strings.Repeat("x", 128), `x" union all select 1 --`,
		} {
			_, err := c.Table(t.Context(), bad)
			_, err2 := c.Ensure(t.Context(), questdb.Spec{Name: bad, PartitionBy: "YEAR"})
			_, err3 := c.Measurement(t.Context(), bad)
			for _, err := range []error{err, err2, err3, c.Drop(t.Context(), bad)} {
				if !errors.Is(err, questdb.ErrInvalidName) {
					t.Errorf("%q: %v", bad, err)
				}
			}
		}
		for _, fine := range []string{"no_such_table", "1", "a-b.c", "from", strings.Repeat("x", 127)} {
			if _, err := c.Table(t.Context(), fine); !errors.Is(err, questdb.ErrNoTable) {
				t.Errorf("%q: %v, want that there is none", fine, err)
			}
		}
		for _, fine := range []string{"a-b.c" + name(t), name(t) + "-x", map[bool]string{true: "select", false: "where"}[strings.HasSuffix(t.Name(), "pg")]} {
			table := ensure(t, c, questdb.Spec{Name: fine, PartitionBy: "YEAR", Columns: column("order", "Mixed Case", "ü")})
			fill(t, c, table, 2, func(w *questdb.Writer, _ int) { w.Float("mixed case", 1); w.Float("order", 2); w.Float("ü", 3) })
			rows, err := c.Scan(t.Context(), questdb.Scan{Selection: questdb.Selection{Table: table}, Columns: []string{"ORDER", "mixed CASE", "ü"}, Limit: 1})
			if diff := cmp.Diff([][]any{{2.0, 1.0, 3.0}}, cells(t, rows, err)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", fine, diff)
			}
			if err := c.Drop(t.Context(), strings.ToUpper(fine)); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestCatalogue(t *testing.T) {
	t.Parallel()
	onBothPaths(t, func(t *testing.T, c *questdb.Client) {
		prefix := name(t)
		// As a table that the line protocol of another program has made: with capitals, by day, without deduplication.
		foreign := strings.ToUpper(prefix) + "_C"
		run(t, `create table "`+foreign+`" (timestamp timestamp, "RSI" double, note varchar) timestamp(timestamp) partition by day wal`)
		run(t, `insert into "`+foreign+`" values (1704067200000000, 1.5, 'x'), (1704153600000000, null, null)`)
		ensure(t, c, questdb.PredictionsSpec(prefix+"_b"))
		ensure(t, c, questdb.Spec{Name: prefix + "_a", PartitionBy: "MONTH"})
		applied(t, c, foreign, 2)

		got, err := c.Table(t.Context(), strings.ToLower(foreign))
		want := &questdb.Table{Name: foreign, Designated: "timestamp", PartitionBy: "DAY", WAL: true, Columns: []questdb.Column{
			{Name: "timestamp", Type: "TIMESTAMP", Designated: true}, {Name: "RSI", Type: "DOUBLE"}, {Name: "note", Type: "VARCHAR"},
		}}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		if rsi, ok := got.First("nope", "rsi", "note"); !ok || rsi.Name != "RSI" {
			t.Errorf("the first of the columns is %v", rsi)
		}
		list, err := c.Measurements(t.Context(), strings.ToUpper(prefix))
		if err != nil {
			t.Fatal(err)
		}
		day := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
		wantList := []questdb.Measurement{
			{Table: questdb.Table{Name: prefix + "_a", Designated: "timestamp", PartitionBy: "MONTH", WAL: true}},
			{Table: questdb.Table{Name: prefix + "_b", Designated: "timestamp", PartitionBy: "MONTH", WAL: true, Dedup: true}},
			{Table: questdb.Table{Name: foreign, Designated: "timestamp", PartitionBy: "DAY", WAL: true}, Rows: 2, First: day, Last: day.AddDate(0, 0, 1)},
		}
		if diff := cmp.Diff(wantList, list); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		whole := wantList[2]
		whole.Columns = want.Columns
		if m, err := c.Measurement(t.Context(), foreign); err != nil || !cmp.Equal(&whole, m) {
			t.Errorf("%v (-want +got):\n%s", err, cmp.Diff(&whole, m))
		}

		// What this client changes shows at once.
		if err := c.Drop(t.Context(), foreign); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Table(t.Context(), foreign); !errors.Is(err, questdb.ErrNoTable) {
			t.Errorf("a dropped table: %v", err)
		}
		if _, err := c.Scan(t.Context(), questdb.Scan{Selection: questdb.Selection{Table: got}, Columns: []string{"rsi"}, Limit: 1}); !errors.Is(err, questdb.ErrNoTable) {
			t.Errorf("a read of a table that is gone: %v", err)
		}
		if err := c.Drop(t.Context(), foreign); err != nil {
			t.Errorf("dropped twice: %v", err)
		}
	})
}

// A table is dropped and made anew with other types, and gets a column, while other connections know it: reads go on.
func TestTableChangesBetweenReads(t *testing.T) {
	t.Parallel()
	onBothPaths(t, func(t *testing.T, c *questdb.Client) {
		server := testdb.QuestDB(t)
		other := client(t, questdb.Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL()})
		spec := questdb.Spec{Name: name(t), PartitionBy: "YEAR", Columns: []questdb.Column{{Name: "x", Type: "DOUBLE"}, {Name: "s", Type: "SYMBOL"}}}
		read := func(table *questdb.Table, value string, want any) {
			t.Helper()
			rows, err := c.Scan(t.Context(), questdb.Scan{Selection: questdb.Selection{Table: table, Where: []questdb.Match{{Column: "x", Values: []string{value}}}}, Columns: []string{"x"}, Limit: 5})
			if diff := cmp.Diff([][]any{{want}}, cells(t, rows, err)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
		table := ensure(t, other, spec)
		fill(t, other, table, 1, func(w *questdb.Writer, _ int) { w.Float("x", 1.5) })
		read(table, "1.5", 1.5)
		spec.Columns = append(spec.Columns, column("new")...)
		table = ensure(t, other, spec)
		read(table, "1.5", 1.5)
		for _, next := range []struct {
			columnType, value string
			want              any
		}{{"LONG", "7", int64(7)}, {"VARCHAR", "7", "7"}, {"DOUBLE", "7", 7.0}} {
			if err := other.Drop(t.Context(), spec.Name); err != nil {
				t.Fatal(err)
			}
			spec.Columns[0].Type = next.columnType
			table = ensure(t, other, spec)
			fill(t, other, table, 1, func(w *questdb.Writer, _ int) {
				if next.columnType == "VARCHAR" {
					w.Text("x", "7")
				} else {
					w.Int("x", 7)
				}
			})
			read(table, next.value, next.want)
		}
	})
}

func TestEnsure(t *testing.T) {
	t.Parallel()
	server := testdb.QuestDB(t)
	c := client(t, questdb.Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL()})
	t.Run("new", func(t *testing.T) {
		t.Parallel()
		spec := questdb.PredictionsSpec(strings.ToUpper(name(t)))
		got := ensure(t, c, spec)
		want := &questdb.Table{Name: strings.ToLower(spec.Name), Designated: "timestamp", PartitionBy: "MONTH", WAL: true, Dedup: true,
			Columns: append([]questdb.Column{{Name: "timestamp", Type: "TIMESTAMP", Designated: true, Key: true}}, spec.Columns...)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, ensure(t, c, spec)); diff != "" {
			t.Errorf("the second time (-want +got):\n%s", diff)
		}
	})
	t.Run("foreign", func(t *testing.T) {
		t.Parallel()
		table := name(t)
		run(t, "create table "+table+" (ts timestamp, CLOSE long, trade_index long) timestamp(ts) partition by day wal")
		got := ensure(t, c, questdb.Spec{Name: table, PartitionBy: "MONTH", Dedup: true, Columns: []questdb.Column{
			{Name: "close", Type: "DOUBLE"}, {Name: "trade_index", Type: "LONG", Key: true}, {Name: "a", Type: "DOUBLE"}, {Name: "b", Type: "VARCHAR"}, {Name: "c", Type: "SYMBOL"},
		}})
		want := &questdb.Table{Name: table, Designated: "ts", PartitionBy: "DAY", WAL: true, Dedup: true, Columns: []questdb.Column{
			{Name: "ts", Type: "TIMESTAMP", Designated: true, Key: true}, {Name: "CLOSE", Type: "LONG"}, {Name: "trade_index", Type: "LONG", Key: true},
			{Name: "a", Type: "DOUBLE"}, {Name: "b", Type: "VARCHAR"}, {Name: "c", Type: "SYMBOL"},
		}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		fill(t, c, got, 3, func(w *questdb.Writer, i int) {
			w.Float("close", float64(i))
			w.Int("trade_index", 1)
			w.Float("a", 0.5)
		})
		if n, err := c.Count(t.Context(), questdb.Selection{Table: got}); err != nil || n != 3 {
			t.Errorf("it counts %d, %v", n, err)
		}
	})
	t.Run("bad", func(t *testing.T) {
		t.Parallel()
		for _, bad := range []string{"", "a-b", "a.b", `a"b`, "a)", " a", "a\n", "a,b", strings.Repeat("x", 128)} {
			_, err := c.Ensure(t.Context(), questdb.Spec{Name: name(t), PartitionBy: "YEAR", Columns: column("x", bad)})
			if !errors.Is(err, questdb.ErrInvalidName) || questdb.ValidColumn(bad) {
				t.Errorf("column %q: %v", bad, err)
			}
		}
		for _, spec := range []questdb.Spec{
			{Name: "x", PartitionBy: "YEAR wal"}, {Name: "x", PartitionBy: "YEAR", Columns: []questdb.Column{{Name: "x", Type: "double, y long"}}},
		} {
			if _, err := c.Ensure(t.Context(), spec); !errors.Is(err, questdb.ErrInvalidName) {
				t.Errorf("%v: %v", spec, err)
			}
		}
	})
	t.Run("at once", func(t *testing.T) {
		t.Parallel()
		table := name(t)
		const processes = 8
		failed := make(chan error, processes)
		for i := range processes {
			go func() {
				own, err := questdb.New(questdb.Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL()})
				if err != nil {
					failed <- err
					return
				}
				defer own.Close()
				names := []string{"a", "b", "c", "d", "e"}[:1+i%5]
				made, err := own.Ensure(t.Context(), questdb.Spec{Name: table, PartitionBy: "YEAR", Dedup: true, Columns: column(names...)})
				if err == nil {
					for _, n := range names {
						if _, ok := made.Column(n); !ok {
							t.Errorf("process %d lacks column %s", i, n)
						}
					}
				}
				failed <- err
			}()
		}
		for range processes {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
		if got, err := c.Table(t.Context(), table); err != nil || len(got.Columns) != 6 || !got.Dedup {
			t.Errorf("the table is %v, %v", got, err)
		}
	})
}

// Every table of the contract can be made and written to.
func TestSpecs(t *testing.T) {
	t.Parallel()
	server := testdb.QuestDB(t)
	c := client(t, questdb.Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL()})
	for _, spec := range []questdb.Spec{
		questdb.BarsSpec(name(t), 4*time.Hour), questdb.BarsSpec(name(t), time.Minute), questdb.BarsSpec(name(t), 0),
		questdb.IndicatorsSpec(name(t), time.Hour, "rsi_14", "TGT_315"), questdb.IndicatorsSpec(questdb.SharedIndicators, time.Hour, "rsi_14"),
		questdb.PredictionsSpec(name(t)), questdb.PredictionsSpec(questdb.SharedPredictions),
		questdb.TracesSpec(name(t)), questdb.TracesSpec(questdb.SharedTraces),
	} {
		table := ensure(t, c, spec)
		if table.PartitionBy != spec.PartitionBy || table.Dedup != spec.Dedup || !table.WAL || len(table.Columns) != len(spec.Columns)+1 {
			t.Errorf("%v is made as %v", spec, table)
		}
		counted := func() int64 {
			n, err := c.Count(t.Context(), questdb.Selection{Table: table})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		want := int64(3)
		if !spec.Dedup {
			want = counted() + 6 // a shared table may have rows of an earlier run of the test
		}
		for range 2 {
			fill(t, c, table, 3, func(w *questdb.Writer, _ int) {
				for _, c := range spec.Columns {
					if c.Type == "SYMBOL" {
						w.Symbol(c.Name, "x")
					}
				}
				for _, c := range spec.Columns {
					switch c.Type {
					case "DOUBLE":
						w.Float(c.Name, 1)
					case "LONG":
						w.Int(c.Name, 1)
					}
				}
			})
		}
		if n := counted(); n != want {
			t.Errorf("%s written twice has %d rows, want %d", spec.Name, n, want)
		}
	}
}

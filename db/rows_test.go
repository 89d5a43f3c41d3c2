package db_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"foldbook/db"
	"foldbook/internal/seed"
	"foldbook/internal/testdb"
)

// sameJSON compares what a row makes of itself with what encoding/json makes of it: the same keys in the same order and
// the same values, where a number may be written in another way, and a time has no fraction or one of 3 or 6 digits.
func sameJSON(t *testing.T, row db.Appender) {
	t.Helper()
	const before = `[{"a":1},`
	got := row.AppendJSON([]byte(before))
	if !bytes.HasPrefix(got, []byte(before)) {
		t.Errorf("what was there before has become %s", got)
		return
	}
	got = got[len(before):]
	want, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tokens(t, want), tokens(t, got), cmp.Comparer(sameNumber), cmp.Comparer(sameTime)); diff != "" {
		t.Errorf("%T differs from encoding/json (-want +got):\n%s", row, diff)
	}
}

// tokens reads JSON as the list of its keys, values and brackets.
func tokens(t *testing.T, text []byte) (list []any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		list = append(list, token)
	}
}

func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	x, err1 := strconv.ParseFloat(a.String(), 64)
	y, err2 := strconv.ParseFloat(b.String(), 64)
	// Whole numbers have to be the same text: they may have more digits than a double.
	return err1 == nil && err2 == nil && x == y && strings.ContainsAny(a.String()+b.String(), ".e")
}

var timeText = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?Z$`)

func sameTime(a, b string) bool {
	if a == b {
		return true
	}
	x, err1 := time.Parse(time.RFC3339Nano, a)
	y, err2 := time.Parse(time.RFC3339Nano, b)
	return err1 == nil && err2 == nil && x.Equal(y) && (timeText.MatchString(a) || timeText.MatchString(b))
}

// TestRowsEncode fills every field of every row type with what is hard to encode.
func TestRowsEncode(t *testing.T) {
	t.Parallel()
	values := map[reflect.Type][]any{
		reflect.TypeFor[bool]():   {false, true},
		reflect.TypeFor[string](): {"", `"quoted" \ and / <b>&`, "\x00\x1f\t\r\n\x7f", "Füße 東京 😀 \u2028\u2029", "bad \xff\xe2\x82 bytes"},
		reflect.TypeFor[int32]():  {int32(0), int32(math.MinInt32), int32(math.MaxInt32)},
		reflect.TypeFor[int64]():  {int64(0), int64(math.MinInt64), int64(math.MaxInt64), int64(1<<53 + 1)},
		reflect.TypeFor[float64](): {
			0.0, math.Copysign(0, -1), 0.30000000000000004, 1.7976931348623157e308, 5e-324, 9.999999999999999e-7, 1e21, 123456789.12345678,
		},
		reflect.TypeFor[time.Time](): {
			time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2026, 1, 2, 3, 4, 5, 120e6, time.UTC), time.Date(1969, 1, 2, 3, 4, 5, 123456e3, time.UTC),
		},
		reflect.TypeFor[uuid.UUID](): {uuid.Nil, uuid.MustParse("f81d4fae-7dec-11d0-a765-00a0c91e6bf6")},
		reflect.TypeFor[[]byte]():    {[]byte(nil), []byte{0, 0xff}},
		reflect.TypeFor[[]int32]():   {[]int32(nil), []int32{1, -2}},
		reflect.TypeFor[[]float64](): {[]float64(nil), []float64{1.5, -0.25}},
		reflect.TypeFor[json.RawMessage](): {
			json.RawMessage(nil), json.RawMessage(`{}`), json.RawMessage(`{"n": 123456789012345678901234567890, "f": 0.10000000000000000000001, "s": "\u0001😀"}`),
			json.RawMessage(`[null, true, {"a": [1, 2.50, -0]}]`),
		},
	}
	for _, row := range rowTypes {
		v := reflect.ValueOf(row).Elem()
		sameJSON(t, row) // all zero: every pointer nil
		for n := range 8 {
			for i := range v.NumField() {
				field := v.Field(i)
				kind := field.Type()
				if kind.Kind() == reflect.Pointer {
					field.Set(reflect.New(kind.Elem()))
					field, kind = field.Elem(), kind.Elem()
				}
				choices := values[kind]
				if choices == nil {
					t.Fatalf("%T has a field of type %s: give values for it", row, kind)
				}
				field.Set(reflect.ValueOf(choices[(n+i)%len(choices)]))
			}
			sameJSON(t, row)
			sameFields(t, row)
		}
	}
}

// sameFields checks each member alone, and the cell with the same value, against the row as a whole.
func sameFields(t *testing.T, row db.Record) {
	t.Helper()
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(row.AppendJSON(nil), &whole); err != nil {
		t.Fatal(err)
	}
	for i, column := range row.Columns() {
		var part map[string]json.RawMessage
		if err := json.Unmarshal(row.AppendFields(nil, 1<<i), &part); err != nil || len(part) != 1 || !bytes.Equal(part[column.Name], whole[column.Name]) {
			t.Errorf("%T: the member %s alone is %s, with all it is %s (%v)", row, column.Name, part, whole[column.Name], err)
		}
		cell, text := row.Cell(i), whole[column.Name]
		var want any
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		ok := cell.Valid
		switch value := want.(type) {
		case nil:
			ok = !cell.Valid
		case string:
			if column.Kind == db.TimeColumn {
				at, err := time.Parse(time.RFC3339Nano, value)
				ok = ok && err == nil && at.UnixMicro() == cell.Int
			} else {
				ok = ok && strings.ToValidUTF8(string(cell.Text), "\ufffd") == strings.ToValidUTF8(value, "\ufffd") || !utf8.Valid(cell.Text)
			}
		case float64:
			ok = ok && (column.Kind == db.FloatColumn && cell.Float == value || column.Kind == db.IntColumn && strconv.FormatInt(cell.Int, 10) == string(text))
		case bool:
			ok = ok && column.Kind == db.BoolColumn && (cell.Int == 1) == value
		default:
			ok = ok && string(cell.Text) == string(text)
		}
		if !ok {
			t.Errorf("%T: the cell %s of kind %d is %+v, in JSON %s", row, column.Name, column.Kind, cell, text)
		}
	}
	if text := string(row.AppendFields(nil, 0)); text != "{}" {
		t.Errorf("%T: no member is %s", row, text)
	}
}

func TestNotANumber(t *testing.T) {
	t.Parallel()
	store := seeded(t)
	exec(t, store, `UPDATE simulation_trade_buckets SET profit_factor = 'Infinity', avg_return_pct = 'NaN', max_drawdown_pct = '-Infinity'`)
	exec(t, store, `UPDATE walkforward_folds SET best_score = 'NaN'`)
	buckets, err := db.First(store.ListBuckets(t.Context(), []uuid.UUID{seed.BenchSimulationID}).Query)
	if err != nil || len(buckets) == 0 {
		t.Fatalf("got %d buckets, %v", len(buckets), err)
	}
	if !math.IsInf(*buckets[0].ProfitFactor, 1) || !math.IsNaN(*buckets[0].AvgReturnPct) {
		t.Fatalf("read back %v and %v", *buckets[0].ProfitFactor, *buckets[0].AvgReturnPct)
	}
	_, folds, err := readRun(t.Context(), store, seed.BenchRunID)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text []byte
		keys []string
	}{
		{db.AppendRows(nil, buckets), []string{"profit_factor", "avg_return_pct", "max_drawdown_pct"}},
		{db.AppendRows(nil, folds), []string{"best_score"}},
	} {
		var rows []map[string]any
		if err := json.Unmarshal(c.text, &rows); err != nil {
			t.Fatalf("%v in\n%s", err, c.text)
		}
		for _, key := range c.keys {
			if v, ok := rows[0][key]; v != nil || !ok {
				t.Errorf("%s is %v (%t), want null", key, v, ok)
			}
		}
	}
}

func TestAppendRows(t *testing.T) {
	t.Parallel()
	for n, want := range []string{`[]`, `[{}]`, `[{},{}]`} {
		if got := string(db.AppendRows(nil, make([]constant, n))); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

type constant struct{ db.IndicatorDataset }

func (*constant) AppendFields(b []byte, _ db.Fields) []byte { return append(b, "{}"...) }

// allRows reads what every read query of the store returns, by query.
func allRows(t *testing.T, store *db.DB) map[string][]db.Appender {
	t.Helper()
	ctx, found := t.Context(), map[string][]db.Appender{}
	datasets, err := store.ListDatasets(ctx, db.ListDatasetsParams{PageSize: 1000})
	keep(t, found, "ListDatasets", datasets, err)
	for _, d := range datasets {
		one, err := store.GetDataset(ctx, d.DatasetID)
		keep(t, found, "GetDataset", []db.IndicatorDataset{one}, err)
	}
	searched, err := store.SearchRuns(ctx, db.SearchRunsParams{PageSize: 1000})
	keep(t, found, "SearchRuns", searched, err)
	runs, err := store.ListRuns(ctx, db.ListRunsParams{PageSize: 1000})
	keep(t, found, "ListRuns", runs, err)
	for _, r := range runs {
		run, folds, err := readRun(ctx, store, r.RunID)
		keep(t, found, "GetRun", []db.GetRunRow{run}, err)
		keep(t, found, "ListFolds", folds, err)
	}
	some, err := store.SearchSimulations(ctx, db.SearchSimulationsParams{PageSize: 1000})
	keep(t, found, "SearchSimulations", some, err)
	simulations, err := store.ListSimulations(ctx, db.ListSimulationsParams{PageSize: 1000})
	keep(t, found, "ListSimulations", simulations, err)
	for _, s := range simulations {
		id := []uuid.UUID{s.SimulationID}
		one, err := db.First(store.GetSimulation(ctx, id).QueryRow)
		keep(t, found, "GetSimulation", []db.SimulationRun{one}, err)
		buckets, err := db.First(store.ListBuckets(ctx, id).Query)
		keep(t, found, "ListBuckets", buckets, err)
		trades, err := store.ListTrades(ctx, db.ListTradesParams{SimulationID: s.SimulationID, PageSize: 1000})
		keep(t, found, "ListTrades", trades, err)
	}
	return found
}

func keep[T any, P interface {
	*T
	db.Appender
}](t *testing.T, found map[string][]db.Appender, query string, rows []T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if rows == nil {
		t.Errorf("%s returns nil, which is null in JSON, for an empty list", query)
	}
	for i := range rows {
		found[query] = append(found[query], P(&rows[i]))
	}
}

func TestSeededRowsEncode(t *testing.T) {
	t.Parallel()
	store := seeded(t)
	if err := seed.Scale(t.Context(), store.Pool, nil, 1, io.Discard); err != nil {
		t.Fatal(err)
	}
	found := allRows(t, store)
	for _, query := range slices.Sorted(maps.Keys(found)) {
		for _, row := range found[query] {
			sameJSON(t, row)
		}
	}
	_, folds, err := readRun(t.Context(), store, seed.BigRunID)
	if err != nil || len(folds) != 312 {
		t.Errorf("the big run has %d folds, %v; want 312", len(folds), err)
	}
}

// TestBareRows stores NULL wherever that may be, and parents without children.
func TestBareRows(t *testing.T) {
	t.Parallel()
	store := open(t)
	q, empty := store.Queries, json.RawMessage(`{}`)
	dataset := testdb.Dataset(t, q, nil)
	pending := func(r *db.UpsertRunParams) { r.Status = "PENDING" }
	run, lonely := testdb.Run(t, q, dataset, pending), testdb.Run(t, q, dataset, pending)
	long := func(s *db.UpsertSimulationParams) { s.Mode, s.Status = "long", "PENDING" }
	simulation, idle := testdb.Simulation(t, q, dataset, run, long), testdb.Simulation(t, q, dataset, run, long)
	_, err1 := q.CopyFolds(t.Context(), []db.CopyFoldsParams{{RunID: run, Thresholds: empty, Metrics: empty}})
	_, err2 := q.CopyBuckets(t.Context(), []db.CopyBucketsParams{{SimulationID: simulation, Side: "long"}})
	_, err3 := q.CopyTrades(t.Context(), []db.CopyTradesParams{
		{SimulationID: simulation, TradeID: uuid.New(), BarTimestamp: time.Now(), Side: "long", Metadata: empty},
	})
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	found := allRows(t, store)
	want := map[string]int{
		"ListDatasets": 1, "GetDataset": 1, "SearchRuns": 2, "ListRuns": 2, "GetRun": 2, "ListFolds": 1, "ListSimulations": 2,
		"SearchSimulations": 2, "GetSimulation": 2, "ListBuckets": 1, "ListTrades": 1,
	}
	got := map[string]int{}
	for query, rows := range found {
		got[query] = len(rows)
		for _, row := range rows {
			sameJSON(t, row)
			nullsAreNil(t, row)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows of each query (-want +got):\n%s", diff)
	}
	if got, folds, err := readRun(t.Context(), store, lonely); err != nil || got.FoldCount != 0 || folds == nil || len(folds) != 0 {
		t.Errorf("a run without folds: fold_count %d, folds %v, %v", got.FoldCount, folds, err)
	}
	if buckets, err := db.First(store.ListBuckets(t.Context(), []uuid.UUID{idle}).Query); err != nil || buckets == nil || len(buckets) != 0 {
		t.Errorf("a simulation without buckets: %v, %v", buckets, err)
	}
}

// nullsAreNil tells a nullable column that got a value of its own on the way.
func nullsAreNil(t *testing.T, row db.Appender) {
	t.Helper()
	v := reflect.ValueOf(row).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Pointer && !f.IsNil() {
			t.Errorf("%T.%s is %v, want nil for NULL", row, v.Type().Field(i).Name, f.Elem())
		}
	}
}

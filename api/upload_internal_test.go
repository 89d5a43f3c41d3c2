package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"foldbook/api/spec"
	"foldbook/db"
)

// metricsOf are the thresholds and metrics of a fold as the exporting client writes them.
func numbersOf(n int) string {
	var b strings.Builder
	b.WriteString(`,"run_id":"` + runID + `","best_iteration":412,"best_score":0.0009110000100918114,"thresholds":{`)
	for i := range 9 {
		fmt.Fprintf(&b, `"threshold_%d":%.17g,`, i, float64(n+i)/3)
	}
	b.WriteString(`"last":0},"metrics":{`)
	for i := range 28 {
		fmt.Fprintf(&b, `"profit_factor_%d":%.17g,`, i, float64(float32(n+i)/7))
	}
	b.WriteString(`"model_learned_nothing":false}`)
	return b.String()
}

func trade(id string) string {
	return `{"trade_id":"` + id + `","fold_index":3,"side":"long","size":1.5,"entry_price":64125.5,"exit_price":64310.25,"pnl":277.125,"return_pct":0.29,` +
		`"entry_signal":0.68,"exit_signal":0.44,"entry_timestamp":1735891200000,"exit_timestamp":1735898400000}`
}

func ptr[T any](v T) *T { return &v }

func TestReadRun(t *testing.T) {
	t.Parallel()
	features, hyper := `["rsi_14" , "hma_55"]`, `{"learning_rate":1.10,"max_depth":4,"big":123456789012345678901234567890,"n":9007199254740993}`
	metrics := `{ "pf":0.0009110000100918114, "z":-0.0, "e":1E5, "u":"\u00e9é\ud83d\ude00" }`
	rest := `"target_column":"TGT_315","hyperparameters":` + hyper + `,"summary_metrics":{"folds":3},"status":"INCOMPLETE","requested_by":"",` +
		`"started_at":"2026-01-02T14:00:00.25+01:00","completed_at":null,"duration_ms":465321,"zz":1,"aa":{"x":[]}`
	folds := `[` + fold(7, `,"run_id":"`+strings.ToUpper(runID)+`","metrics":`+metrics+`,"best_iteration":412,"best_score":0.0009110000100918114`) + `,` + fold(1, `,"metrics":null`) + `]`
	id := uuid.MustParse(runID)
	want := &runUpload{
		Dataset: datasetID,
		Run: db.UpsertRunParams{
			RunID: id, DatasetID: uuid.MustParse(datasetID), PredictionMeasurement: "m", TargetColumn: "TGT_315",
			FeatureColumns: json.RawMessage(features), Hyperparameters: json.RawMessage(hyper), WalkConfig: json.RawMessage(`{}`),
			SummaryMetrics: json.RawMessage(`{"folds":3}`), Status: "INCOMPLETE", RequestedBy: ptr(""),
			StartedAt: ptr(time.Date(2026, 1, 2, 13, 0, 0, 250e6, time.UTC)), DurationMS: ptr(int64(465321)),
		},
	}
	wantFolds := []db.CopyFoldsParams{
		{RunID: id, FoldNumber: 7, TrainEndIdx: 650, TestStartIdx: 654, TestEndIdx: 678, SamplesTrain: 650, SamplesTest: 24, BestIteration: ptr(int32(412)),
			BestScore: ptr(0.0009110000100918114), Thresholds: json.RawMessage(`{}`), Metrics: json.RawMessage(metrics)},
		{RunID: id, FoldNumber: 1, TrainEndIdx: 650, TestStartIdx: 654, TestEndIdx: 678, SamplesTrain: 650, SamplesTest: 24,
			Thresholds: json.RawMessage(`{}`), Metrics: json.RawMessage(`{}`)},
	}
	for name, tt := range map[string]struct {
		body     string
		warnings []string
	}{
		"nested": {`{"folds":` + folds + `,"run":{` + runHead + `,"feature_columns":` + features + `,` + rest + `},"note":1}`,
			[]string{"unknown field note is ignored", "unknown field run.aa is ignored", "unknown field run.zz is ignored"}},
		"flat": {`{` + runHead + `,"features":` + features + `,` + rest + `,"folds":` + folds + `}`,
			[]string{"unknown field aa is ignored", "unknown field zz is ignored"}},
	} {
		got, err := readRun(post(tt.body))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want.Warnings = slices.Concat(tt.warnings, []string{"summary_metrics.folds is 3, but 2 folds were posted"})
		if diff := cmp.Diff(wantFolds, foldsOf(t, got.Folds, id)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
		got.Folds = nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
	for body, has := range map[string]bool{`{` + runHead + `}`: false, `{` + runHead + `,"folds":null}`: false, `{` + runHead + `,"folds":[]}`: true} {
		got, err := readRun(post(body))
		if err != nil || (got.Folds != nil) != has || got.Folds.count() != 0 || got.Run.Status != "PENDING" || string(got.Run.FeatureColumns) != "[]" {
			t.Errorf("%s: got %+v, %v", body, got, err)
		}
	}
	rows, warnings, err := readFolds(post(`{"folds":`+folds+`,"run_id":1}`), id)
	if diff := cmp.Diff(wantFolds, foldsOf(t, rows, id)); err != nil || diff != "" || !cmp.Equal(warnings, []string{"unknown field run_id is ignored"}) {
		t.Errorf("folds alone: %v, warnings %q (-want +got)\n%s", err, warnings, diff)
	}
}

// foldsOf collects the folds as they are stored.
func foldsOf(t *testing.T, l *foldList, run uuid.UUID) (rows []db.CopyFoldsParams) {
	t.Helper()
	if err := l.store(run, func(some []db.CopyFoldsParams) error {
		rows = append(rows, some...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return rows
}

func tradesOf(t *testing.T, l *tradeList, id uuid.UUID) (rows []db.CopyTradesParams) {
	t.Helper()
	if err := l.store(id, func(some []db.CopyTradesParams) error {
		rows = append(rows, some...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestReadSimulation(t *testing.T) {
	t.Parallel()
	trades := `"trades":[` + trade(runID) + `,` +
		`{"bar_timestamp":"2025-01-03T08:00:00.000001Z","bar_timestamp_ms":1735891200000,"simulation_id":"` + simID + `","side":"short","size":1,"entry_price":2,"exit_price":null,"metadata":{"fold_index": 1 }},` +
		`{"entry_timestamp":1735891200000,"side":"short","size":1,"entry_price":2,"metadata":{"a":1},"fold_index":12345678901234567890},` +
		`{"bar_timestamp_ms":1735891200000,"side":"short","size":1,"entry_price":2}]`
	buckets := `"buckets":[{"side":"dual","trade_count":128,"win_count":73,"profit_factor":1.31,"notes":"all trades"},{"side":"long"}]`
	for _, body := range []string{
		simWith(buckets + `,` + trades),
		`{"run":{` + simHead + `},` + buckets + `,` + trades + `}`,
		`{` + trades + `,"simulation":{` + simHead + `},` + buckets + `}`,
	} {
		got, err := readSimulation(post(body))
		if err != nil {
			t.Fatal(err)
		}
		id, entry := uuid.MustParse(simID), time.Date(2025, 1, 3, 8, 0, 0, 0, time.UTC)
		want := &simulationUpload{
			Dataset: datasetID,
			Simulation: db.UpsertSimulationParams{
				SimulationID: id, RunID: uuid.MustParse(runID), DatasetID: uuid.MustParse(datasetID), QuestDBNamespace: "trading_sim_traces", Mode: "dual",
				Config: json.RawMessage(`{}`), SummaryMetrics: json.RawMessage(`{}`), Status: "PENDING",
			},
		}
		wantBuckets := []db.CopyBucketsParams{
			{SimulationID: id, Side: "dual", TradeCount: 128, WinCount: 73, ProfitFactor: ptr(1.31), Notes: ptr("all trades")},
			{SimulationID: id, Side: "long"},
		}
		wantTrades := []db.CopyTradesParams{
			{SimulationID: id, TradeID: uuid.MustParse(runID), BarTimestamp: entry, Side: "long", Size: 1.5, EntryPrice: 64125.5, ExitPrice: ptr(64310.25), Pnl: ptr(277.125),
				ReturnPct: ptr(0.29), Metadata: json.RawMessage(`{"fold_index":3,"entry_signal":0.68,"exit_signal":0.44,"exit_timestamp":1735898400000}`)},
			{SimulationID: id, TradeID: uuid.NewSHA1(id, []byte("trade 1")), BarTimestamp: entry.Add(time.Microsecond), Side: "short", Size: 1, EntryPrice: 2,
				Metadata: json.RawMessage(`{"fold_index": 1 }`)},
			{SimulationID: id, TradeID: uuid.NewSHA1(id, []byte("trade 2")), BarTimestamp: entry, Side: "short", Size: 1, EntryPrice: 2,
				Metadata: json.RawMessage(`{"a":1,"fold_index":12345678901234567890}`)},
			{SimulationID: id, TradeID: uuid.NewSHA1(id, []byte("trade 3")), BarTimestamp: entry, Side: "short", Size: 1, EntryPrice: 2, Metadata: json.RawMessage(`{}`)},
		}
		for i := range wantTrades {
			wantTrades[i].TradeIndex = int64(i)
		}
		var buckets []db.CopyBucketsParams
		if err := got.Buckets.store(id, func(rows []db.CopyBucketsParams) error { buckets = rows; return nil }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantBuckets, buckets) + cmp.Diff(wantTrades, tradesOf(t, got.Trades, id)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		got.Buckets, got.Trades = nil, nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

func TestReadDataset(t *testing.T) {
	t.Parallel()
	manifest := `{"version": 1, "ohlcv_rows": 12000, "indicator_rows": "many", "source": "laptop", "bar_interval_ms": 5, "lookback_rows": 48, ` +
		`"first_ohlcv_timestamp_ms": 1704067200000, "last_ohlcv_timestamp_ms": 1, "indicator_measurement": "btc_ind", "symbol": "X"}`
	quoted, _ := json.Marshal(manifest)
	for _, metadata := range []string{manifest, string(quoted)} {
		body := post(`{` + dataHead + `,"symbol":"","granularity":"240m","bar_interval_ms":14400000,"first_indicator_ts":1704240000000,` +
			`"ohlcv_last_ts":"2025-05-14T23:00:00Z","indicator_first_ts":0,"column_schema":[],"metadata":` + metadata + `,"run_count":3}`)
		got, err := readDataset(body)
		if err != nil {
			t.Fatal(err)
		}
		want := &datasetUpload{MergeDatasetParams: db.MergeDatasetParams{
			DatasetID: uuid.MustParse(datasetID), QuestDBTag: "btc25_1", Granularity: ptr("4h"), Source: ptr("laptop"), QuestDBMeasurement: ptr("btc_ind"),
			OhlcvRowCount: ptr(int64(12000)), BarIntervalMS: ptr(int64(14400000)), LookbackRows: ptr(int64(48)),
			OhlcvFirstTS: ptr(time.UnixMilli(1704067200000).UTC()), OhlcvLastTS: ptr(time.Date(2025, 5, 14, 23, 0, 0, 0, time.UTC)),
			FirstBarTS: ptr(time.UnixMilli(1704240000000).UTC()), ColumnSchema: json.RawMessage(`[]`), Metadata: json.RawMessage(manifest),
		}, Warnings: []string{"unknown field run_count is ignored", "metadata.indicator_rows: must be a whole number; it is not used"},
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(datasetUpload{})); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

func TestReadPatch(t *testing.T) {
	t.Parallel()
	body := `{"status":"COMPLETED","completed_at":"2026-01-02T13:07:45Z","summary_metrics":{"pf":1.10}}`
	at := time.Date(2026, 1, 2, 13, 7, 45, 0, time.UTC)
	run, err := readRunPatch(post(body))
	if diff := cmp.Diff(&db.PatchRunParams{Status: ptr("COMPLETED"), CompletedAt: &at, SummaryMetrics: json.RawMessage(`{"pf":1.10}`)}, run); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	simulation, err := readSimulationPatch(post(body))
	if diff := cmp.Diff(&db.PatchSimulationParams{Status: ptr("COMPLETED"), CompletedAt: &at, SummaryMetrics: json.RawMessage(`{"pf":1.10}`)}, simulation); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

func FuzzRunBody(f *testing.F) {
	f.Add(runWith(fold(0, numbersOf(1)), fold(1, "")))
	f.Add(`{` + runHead + `,"features":["a"],"zz":[{"\u0000":1e999}],"folds":[null]}`)
	f.Add(`{"run":{"status":"\ud800"}}`)
	f.Fuzz(func(t *testing.T, body string) {
		u, err := readRun(post(body))
		if err != nil {
			if answer := new(spec.Problem); !errors.As(err, &answer) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if !json.Valid([]byte(body)) {
			t.Fatal("took what is not JSON")
		}
		for _, part := range []json.RawMessage{u.Run.FeatureColumns, u.Run.Hyperparameters, u.Run.WalkConfig, u.Run.SummaryMetrics} {
			if !json.Valid(part) {
				t.Fatalf("a part is not JSON: %q", part)
			}
		}
		if u.Folds == nil {
			return
		}
		for _, fold := range foldsOf(t, u.Folds, u.Run.RunID) {
			if !json.Valid(fold.Metrics) || !json.Valid(fold.Thresholds) || fold.RunID != u.Run.RunID {
				t.Fatalf("fold %d: %q %q", fold.FoldNumber, fold.Metrics, fold.Thresholds)
			}
		}
	})
}

func BenchmarkReadRun1000Folds(b *testing.B) {
	folds := make([]string, 1000)
	for i := range folds {
		folds[i] = fold(i, numbersOf(i))
	}
	body := runWith(folds...)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readRun(post(body)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadSimulation20000Trades(b *testing.B) {
	trades := make([]string, 20_000)
	for i := range trades {
		trades[i] = trade(uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i)).String())
	}
	body := simWith(`"trades":[` + strings.Join(trades, ",") + `]`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readSimulation(post(body)); err != nil {
			b.Fatal(err)
		}
	}
}

package seed

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"foldbook/db"
	"foldbook/internal/testdb"
)

func TestScaleVolume(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	var out bytes.Buffer
	if err := Scale(t.Context(), pool, nil, 1, &out); err != nil {
		t.Fatal(err)
	}
	got := rowCounts(t, pool)
	if got[0] != 50 || got[1] != 200 || got[3] != 200 || got[4] != 600 || got[5] != 4000 {
		t.Errorf("datasets, runs, folds, simulations, buckets, trades: got %v", got)
	}
	q := db.New(pool)
	folds, err := db.First(q.ListFolds(t.Context(), []uuid.UUID{BigRunID}).Query)
	if err != nil || len(folds) != 312 {
		t.Fatalf("big run: %d folds, error %v", len(folds), err)
	}
	var wanted, stored map[string]any
	if err := json.Unmarshal(scaleBook(0).folds[311].Metrics, &wanted); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(folds[311].Metrics, &stored); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted, stored); diff != "" {
		t.Errorf("metrics of the last fold (-made +stored), all digits:\n%s", diff)
	}
	before := everything(t, pool)
	if err := Scale(t.Context(), pool, nil, 1, &out); err != nil {
		t.Fatal(err)
	}
	if everything(t, pool) != before {
		t.Error("scaling twice changed rows")
	}
	t.Logf("printed:\n%s", &out)
}

func TestScaleRefusesNothing(t *testing.T) {
	t.Parallel()
	if err := Scale(t.Context(), nil, nil, 0, nil); err == nil {
		t.Error("scale 0 was accepted")
	}
}

// near allows for a sum made in another order.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(1, math.Abs(b)) }

func TestScaleBucketsAddUpTheirTrades(t *testing.T) {
	t.Parallel()
	for _, b := range []book{scaleBook(0), scaleBook(7)} {
		for _, bucket := range b.buckets {
			var count, wins int64
			var gains, losses, cumulative, peak, drawdown float64
			for _, tr := range b.trades {
				if tr.SimulationID != bucket.SimulationID || bucket.Side != "dual" && bucket.Side != tr.Side {
					continue
				}
				count++
				if *tr.Pnl > 0 {
					wins++
				}
				gains += max(0, *tr.Pnl)
				losses += max(0, -*tr.Pnl)
				cumulative += *tr.ReturnPct
				peak = max(peak, cumulative)
				drawdown = min(drawdown, cumulative-peak)
			}
			if bucket.TradeCount != count || bucket.WinCount != wins || !near(*bucket.ProfitFactor, gains/losses) ||
				!near(*bucket.AvgReturnPct, cumulative/float64(count)) || !near(*bucket.MaxDrawdownPct, drawdown) {
				t.Errorf("%s %s: bucket %+v; trades say %d, %d, %v, %v, %v", b.dataset.QuestDBTag, bucket.Side, bucket,
					count, wins, gains/losses, cumulative/float64(count), drawdown)
			}
		}
	}
}

func TestMetadataSaysWhatIsSynthetic(t *testing.T) {
	t.Parallel()
	books := theBooks(t)
	got := map[string]bool{}
	for _, b := range append(books, scaleBook(0)) {
		got[b.dataset.QuestDBTag] = field[bool](t, b.dataset.Metadata, "synthetic")
		if rows := field[int64](t, b.dataset.Metadata, "indicator_rows"); rows != b.dataset.RowCount {
			t.Errorf("%s: metadata says %d indicator rows, row_count %d", b.dataset.QuestDBTag, rows, b.dataset.RowCount)
		}
	}
	want := map[string]bool{"btc19_1": false, "eth24_1": true, "bench_0001": true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("synthetic (-want +got):\n%s", diff)
	}
}

func TestScaleRowsAreOfRealisticSize(t *testing.T) {
	t.Parallel()
	b := scaleBook(0)
	folds := slices.DeleteFunc(slices.Clone(b.folds), func(fd db.CopyFoldsParams) bool { return fd.RunID != BigRunID })
	if len(folds) != 312 {
		t.Errorf("the big run has %d folds, want 312", len(folds))
	}
	for _, fd := range folds {
		var metrics, thresholds map[string]any
		if json.Unmarshal(fd.Metrics, &metrics) != nil || json.Unmarshal(fd.Thresholds, &thresholds) != nil || len(metrics) != 28 || len(thresholds) != 9 {
			t.Fatalf("fold %d: %d metrics and %d thresholds, want 28 and 9", fd.FoldNumber, len(metrics), len(thresholds))
		}
	}
	if size := len(encode(b.runs[0])); size < 1500 || size > 2500 {
		t.Errorf("a run is %d bytes of JSON, want about 1.7 to 2 KB", size)
	}
}

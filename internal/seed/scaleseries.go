package seed

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"foldbook/db"
	"foldbook/internal/seed/experiment"
	"foldbook/questdb"
)

// The dataset of Scale that has series.
const (
	scaleSeriesSlug    = "bench_1m"
	scaleSeriesRows    = 1_000_000            // times n
	scaleSeriesFirstMS = int64(1577836800000) // 2020-01-01
	scaleSeriesBarMS   = int64(time.Minute / time.Millisecond)
)

// scaleIndicators are its columns beside the bars.
var scaleIndicators = []string{"rsi_14", "hma_55", "atr_14", "roc_9", "vol_30", "zsc_60", "ema_ratio_12", "ema_ratio_26", "volume_z_42",
	"TGT_15"}

// scaleSeries stores bench_1m: bars and indicators of that many rows, random and always the same, those of fewer rows the
// first of more.
func scaleSeries(ctx context.Context, pool *pgxpool.Pool, series *questdb.Client, rows int, out io.Writer) error {
	e := scaleExperiment(rows)
	err := db.Wrap(pool).InTx(ctx, false, func(q *db.Queries) error {
		_, err := book{dataset: datasetRow(e.Dataset)}.put(ctx, q)
		return err
	})
	if err != nil {
		return fmt.Errorf("seed the series of scale: %w", err)
	}
	return putSeries(ctx, series, tablesOf(e)[:2], out)
}

// scaleExperiment is a dataset alone: no run, no simulation.
func scaleExperiment(rows int) *experiment.Experiment {
	first, last := scaleSeriesFirstMS, scaleSeriesFirstMS+int64(rows-1)*scaleSeriesBarMS
	m := experiment.Manifest{
		Version: 1, DatasetID: experiment.DatasetID(scaleSeriesSlug), DatasetSlug: scaleSeriesSlug, Symbol: "BTCUSDT", Granularity: "1m",
		Source:           "benchmark",
		OHLCVMeasurement: scaleSeriesSlug + "_ohlcv", IndicatorMeasurement: scaleSeriesSlug + "_ind", BarIntervalMS: scaleSeriesBarMS,
		FirstOHLCVTimestamp: first, LastOHLCVTimestamp: last, FirstIndicatorTimestamp: first, LastIndicatorTimestamp: last,
		OHLCVRows: rows, IndicatorRows: rows, ExportedAt: scaleTime(0, 0),
		Provenance: experiment.Provenance{Synthetic: true, Origin: "random rows for benchmarks"},
	}
	e := &experiment.Experiment{Dataset: experiment.Dataset{
		ID: m.DatasetID, Slug: m.DatasetSlug, Symbol: m.Symbol, Granularity: m.Granularity, Source: m.Source,
		OHLCVMeasurement: m.OHLCVMeasurement, IndicatorMeasurement: m.IndicatorMeasurement, BarIntervalMS: m.BarIntervalMS, Metadata: m,
	}}
	e.Bars = experiment.Series{Measurement: m.OHLCVMeasurement, Len: rows, Rows: func(yield func(experiment.Row) bool) {
		rng, price := rand.New(rand.NewPCG(0x6d696e, 0)), 7000.0
		cells := make([]any, 5)
		for i := range rows {
			open := cents(price)
			price *= math.Exp(0.0006 * rng.NormFloat64())
			closing := cents(price)
			high, low := cents(max(open, closing)*(1+0.0003*rng.Float64())), cents(min(open, closing)*(1-0.0003*rng.Float64()))
			cells[0], cells[1], cells[2], cells[3], cells[4] = open, high, low, closing, cents(10*math.Exp(rng.NormFloat64()))
			if !yield(experiment.Row{TimestampMS: first + int64(i)*scaleSeriesBarMS, Cells: cells}) {
				return
			}
		}
	}}
	for _, name := range []string{"open", "high", "low", "close", "volume"} {
		e.Bars.Columns = append(e.Bars.Columns, experiment.Column{Name: name, Type: experiment.Double})
	}
	e.Indicators = experiment.Series{Measurement: m.IndicatorMeasurement, Len: rows, Rows: func(yield func(experiment.Row) bool) {
		rng := rand.New(rand.NewPCG(0x6d696e, 1))
		cells := make([]any, len(scaleIndicators))
		for i := range rows {
			for k := range cells {
				cells[k] = rng.NormFloat64()
			}
			if !yield(experiment.Row{TimestampMS: first + int64(i)*scaleSeriesBarMS, Cells: cells}) {
				return
			}
		}
	}}
	for k, name := range scaleIndicators {
		column := experiment.Column{Name: name, Type: experiment.Double, Role: "feature"}
		if k == len(scaleIndicators)-1 {
			column.Role = "target"
		}
		e.Indicators.Columns = append(e.Indicators.Columns, column)
	}
	e.Dataset.ColumnSchema = append(experiment.TimeColumns(), e.Indicators.Columns...)
	return e
}

func cents(x float64) float64 { return math.Round(x*100) / 100 }

package chart

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"foldbook/api/spec"
	"foldbook/internal/rowstream"
	"foldbook/questdb"
)

// Histograms counts the values of columns of one selection in bins between the given bounds, or between the lowest and the highest
// value of each column.
func Histograms(ctx context.Context, client *questdb.Client, list []questdb.Between, bins int) ([]spec.Histogram, error) {
	if len(list) == 0 {
		return nil, nil
	}
	summaries, err := client.Summaries(ctx, list)
	if err != nil {
		return nil, fmt.Errorf("summarize columns of %s: %w", list[0].Table.Name, err)
	}
	all := make([]spec.Histogram, len(summaries))
	for i, summary := range summaries {
		if all[i], err = histogram(ctx, client, list[i], summary, bins); err != nil {
			return nil, fmt.Errorf("count the bins of %s of %s: %w", list[i].Column, list[i].Table.Name, err)
		}
	}
	return all, nil
}

func histogram(
	ctx context.Context, client *questdb.Client, between questdb.Between, summary questdb.Summary, bins int,
) (h spec.Histogram, err error) {
	h.Column, h.Count, h.Nulls = between.Column, summary.Count, summary.Nulls
	h.Bins = h.Bins[:0:0]
	if summary.Count == 0 {
		return h, nil
	}
	h.Min, h.Max, h.Mean = &summary.Min, &summary.Max, &summary.Mean
	if summary.HasSpread {
		h.Stddev = &summary.Stddev
	}
	if math.IsInf(between.Low, -1) {
		between.Low = summary.Min
	}
	if math.IsInf(between.High, 1) {
		between.High = summary.Max
	}
	counts := []int64{summary.Count} // of a single bin
	if between.Low == between.High {
		bins = 1
	}
	if bins > 1 {
		if counts, err = client.Bins(ctx, between, bins); err != nil {
			return h, err
		}
	}
	h.Count = 0 // that of the same moment as the bins
	for i, n := range counts {
		h.Bins = append(h.Bins, spec.HistogramBin{Lo: edge(between, i, bins), Hi: edge(between, i+1, bins), Count: n})
		h.Count += n
	}
	return h, nil
}

func edge(b questdb.Between, i, bins int) float64 {
	if i == bins {
		return b.High
	}
	return b.Low + (b.High/float64(bins)-b.Low/float64(bins))*float64(i)
}

// AppendHistogram appends the JSON of a histogram.
func AppendHistogram(b []byte, h *spec.Histogram) []byte {
	b = append(b, '{')
	b = rowstream.AppendMember(b, "column", h.Column)
	b = rowstream.AppendNumber(b, "count", h.Count)
	b = rowstream.AppendNumber(b, "nulls", h.Nulls)
	for _, m := range []struct {
		name string
		x    *float64
	}{{"min", h.Min}, {"max", h.Max}, {"mean", h.Mean}, {"stddev", h.Stddev}} {
		b = append(rowstream.AppendText(b, []byte(m.name)), ':')
		if m.x == nil {
			b = append(b, "null,"...)
		} else {
			b = append(rowstream.AppendFloat(b, *m.x), ',')
		}
	}
	b = append(b, `"bins":[`...)
	for i, bin := range h.Bins {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"lo":`...)
		b = append(rowstream.AppendFloat(b, bin.Lo), `,"hi":`...)
		b = append(rowstream.AppendFloat(b, bin.Hi), `,"count":`...)
		b = append(strconv.AppendInt(b, bin.Count, 10), '}')
	}
	return append(b, "]}"...)
}

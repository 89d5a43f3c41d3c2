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
	var several []questdb.Between // those of more than one bin
	var at []int
	for i, summary := range summaries {
		all[i] = summarized(&list[i], summary)
		if bins > 1 && summary.Count > 0 && list[i].Low < list[i].High {
			several, at = append(several, list[i]), append(at, i)
		} else if summary.Count > 0 {
			all[i].Bins = []spec.HistogramBin{{Lo: list[i].Low, Hi: list[i].High, Count: summary.Count}}
		}
	}
	counts, err := client.Bins(ctx, several, bins)
	if err != nil {
		return nil, fmt.Errorf("count the bins of columns of %s: %w", list[0].Table.Name, err)
	}
	for i, column := range counts {
		h, between := &all[at[i]], several[i]
		h.Count = 0 // that of the same moment as the bins
		for bin, n := range column {
			h.Bins = append(h.Bins, spec.HistogramBin{Lo: edge(between, bin, bins), Hi: edge(between, bin+1, bins), Count: n})
			h.Count += n
		}
	}
	return all, nil
}

// summarized is a histogram without its bins, whose bounds it sets where they are not given.
func summarized(between *questdb.Between, summary questdb.Summary) (h spec.Histogram) {
	h.Column, h.Count, h.Nulls = between.Column, summary.Count, summary.Nulls
	h.Bins = []spec.HistogramBin{}
	if summary.Count == 0 {
		return h
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
	return h
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

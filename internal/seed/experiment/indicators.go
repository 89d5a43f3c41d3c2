package experiment

import (
	"fmt"
	"math"
)

// lookback is the number of bars that a frame row needs before its own: the longest window of any indicator.
const lookback = 84

// horizon is the number of bars that the target looks ahead.
const horizon = 6

// targetColumn names the target: the return of the next horizon bars, close to close, in percent.
const targetColumn = "TGT_6"

// indicators are the feature columns. Each function sees lookback+1 bars, of which the last is the row's
// own, so an indicator can't look ahead. Returns, volatilities and distances are in percent.
var indicators = []struct {
	name string
	at   func(w []candle) float64
}{
	{"rsi_14", func(w []candle) float64 { return rsi(w, 14) }},
	{"rsi_42", func(w []candle) float64 { return rsi(w, 42) }},
	{"ema_ratio_12_26", func(w []candle) float64 { return percent(ema(w, 12), ema(w, 26)) }},
	{"close_ema_26", func(w []candle) float64 { return percent(last(w).close, ema(w, 26)) }},
	{"close_sma_84", func(w []candle) float64 { m, _ := meanStd(column(w, 84, closing)); return percent(last(w).close, m) }},
	{"bollinger_z_20", func(w []candle) float64 { return zScore(column(w, 20, closing)) }},
	{"mom_1", func(w []candle) float64 { return momentum(w, 1) }},
	{"mom_6", func(w []candle) float64 { return momentum(w, 6) }},
	{"mom_24", func(w []candle) float64 { return momentum(w, 24) }},
	{"mom_84", func(w []candle) float64 { return momentum(w, 84) }},
	{"volatility_12", func(w []candle) float64 { return volatility(w, 12) }},
	{"volatility_42", func(w []candle) float64 { return volatility(w, 42) }},
	{"atr_14", func(w []candle) float64 { return averageTrueRange(w, 14) }},
	{"range_pos_42", func(w []candle) float64 { return rangePosition(w, 42) }},
	{"body_1", func(w []candle) float64 { return percent(last(w).close, last(w).open) }},
	{"volume_z_42", func(w []candle) float64 { return zScore(column(w, 42, volume)) }},
}

// frame is the indicator table of a dataset. Row r belongs to bar r+lookback; bars whose target lies
// beyond the last bar have no row.
type frame struct {
	bars   []candle
	barMS  int64       // length of a bar in milliseconds
	rows   [][]float64 // one value per indicator
	target []float64   // percent
}

// newFrame computes the indicators and the target of bars of barMS milliseconds.
func newFrame(bars []candle, barMS int64) (frame, error) {
	n := len(bars) - lookback - horizon
	if n <= 0 {
		return frame{}, fmt.Errorf("compute indicators: %d bars are not enough for %d before and %d after", len(bars), lookback, horizon)
	}
	f := frame{bars: bars, barMS: barMS, rows: make([][]float64, n), target: make([]float64, n)}
	for r := range n {
		i := r + lookback
		f.rows[r] = make([]float64, len(indicators))
		for k, indicator := range indicators {
			f.rows[r][k] = indicator.at(bars[i-lookback : i+1])
		}
		f.target[r] = percent(bars[i+horizon].close, bars[i].close)
	}
	return f, nil
}

// bar returns the bar of row r.
func (f frame) bar(r int) candle { return f.bars[r+lookback] }

// span is when the rows from first to before end begin and end.
func (f frame) span(first, end int) (startMS, endMS int64) {
	return f.bar(first).startMS, f.bar(end-1).startMS + f.barMS
}

// featureNames lists the indicators in column order.
func featureNames() []string {
	names := make([]string, len(indicators))
	for k, indicator := range indicators {
		names[k] = indicator.name
	}
	return names
}

func last(w []candle) candle { return w[len(w)-1] }

// percent is how far a lies above b, in percent of b.
func percent(a, b float64) float64 { return 100 * (a/b - 1) }

func closing(c candle) float64 { return c.close }
func volume(c candle) float64  { return c.volume }

// column is a value of each of the last n bars.
func column(w []candle, n int, value func(candle) float64) []float64 {
	out := make([]float64, n)
	for k, c := range w[len(w)-n:] {
		out[k] = value(c)
	}
	return out
}

// momentum is the return of the last n bars.
func momentum(w []candle, n int) float64 { return percent(last(w).close, w[len(w)-1-n].close) }

// ema is the exponential mean of the closes with span n, begun at the first bar of the window.
func ema(w []candle, n int) float64 {
	alpha := 2 / float64(n+1)
	mean := w[0].close
	for _, c := range w[1:] {
		mean += alpha * (c.close - mean)
	}
	return mean
}

// rsi is Cutler's relative strength index (plain means): 0 all losses, 100 all gains, 50 without movement.
func rsi(w []candle, n int) float64 {
	var gains, losses float64
	for i := len(w) - n; i < len(w); i++ {
		if d := w[i].close - w[i-1].close; d > 0 {
			gains += d
		} else {
			losses -= d
		}
	}
	if gains+losses == 0 {
		return 50
	}
	return 100 * gains / (gains + losses)
}

// volatility is the standard deviation of the last n bar returns.
func volatility(w []candle, n int) float64 {
	returns := make([]float64, n)
	for k := range returns {
		i := len(w) - n + k
		returns[k] = percent(w[i].close, w[i-1].close)
	}
	_, std := meanStd(returns)
	return std
}

// averageTrueRange is the mean true range of the last n bars, in percent of the close.
func averageTrueRange(w []candle, n int) float64 {
	var sum float64
	for i := len(w) - n; i < len(w); i++ {
		before := w[i-1].close
		sum += math.Max(w[i].high, before) - math.Min(w[i].low, before)
	}
	return 100 * sum / float64(n) / last(w).close
}

// rangePosition is where the close lies between the lowest low (0) and the highest high (1) of n bars.
func rangePosition(w []candle, n int) float64 {
	low, high := math.Inf(1), math.Inf(-1)
	for _, c := range w[len(w)-n:] {
		low, high = math.Min(low, c.low), math.Max(high, c.high)
	}
	if high == low {
		return 0.5
	}
	return (last(w).close - low) / (high - low)
}

// zScore is the distance of the last value from the mean in standard deviations, 0 when nothing varies.
func zScore(values []float64) float64 {
	mean, std := meanStd(values)
	if std == 0 {
		return 0
	}
	return (values[len(values)-1] - mean) / std
}

// meanStd returns mean and population standard deviation, both 0 for no values.
func meanStd(values []float64) (mean, std float64) {
	if len(values) == 0 {
		return 0, 0
	}
	for _, v := range values {
		mean += v
	}
	mean /= float64(len(values))
	for _, v := range values {
		std += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(std / float64(len(values)))
}

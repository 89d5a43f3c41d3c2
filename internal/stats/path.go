package stats

import (
	"cmp"
	"math"
	"slices"
)

// Drawdown is a fall of the equity below its highest, in numbers of periods: Start is the last one at the top, 0 for the
// beginning, before the first return. End is the one that is back at the top, or the last one when it is unfinished.
type Drawdown struct {
	Depth              float64 // below 0
	Start, Trough, End int
	Finished           bool
}

// Length is how long it lasts, in periods.
func (d Drawdown) Length() int { return d.End - d.Start }

// Equity is the growth of 1: one more than the returns, because it is 1 before the first one.
func Equity(r []float64) []float64 {
	e := make([]float64, len(r)+1)
	e[0] = 1
	for i, x := range r {
		e[i+1] = e[i] * max(0, 1+x)
	}
	return e
}

// Drawdowns are all falls, the deepest first.
func Drawdowns(r []float64) (all []Drawdown) {
	peak, at := 1.0, 0
	var open *Drawdown
	for i, e := range Equity(r) {
		if e >= peak {
			if open != nil {
				open.End, open.Finished = i, true
				all, open = append(all, *open), nil
			}
			peak, at = e, i
			continue
		}
		if open == nil {
			open = &Drawdown{Start: at}
		}
		if fall := e/peak - 1; fall < open.Depth {
			open.Depth, open.Trough = fall, i
		}
		open.End = i
	}
	if open != nil {
		all = append(all, *open)
	}
	slices.SortStableFunc(all, func(a, b Drawdown) int { return cmp.Compare(a.Depth, b.Depth) })
	return all
}

// MaxDrawdown is the depth of the deepest, below 0, or 0.
func MaxDrawdown(r []float64) Figure {
	if len(r) == 0 {
		return None(TooFewPeriods)
	}
	if all := Drawdowns(r); len(all) > 0 {
		return Of(all[0].Depth)
	}
	return Of(0)
}

// Ulcer is the root of the mean square of the distance from the top.
func Ulcer(r []float64) Figure {
	if len(r) == 0 {
		return None(TooFewPeriods)
	}
	sum, peak := 0.0, 1.0
	for _, e := range Equity(r)[1:] {
		peak = max(peak, e)
		sum += (e/peak - 1) * (e/peak - 1)
	}
	return Of(math.Sqrt(sum / float64(len(r))))
}

// Total is the return of all periods together.
func Total(r []float64) Figure {
	if len(r) == 0 {
		return None(TooFewPeriods)
	}
	e := Equity(r)
	return Of(e[len(e)-1] - 1)
}

// CAGR is the yearly growth rate.
func CAGR(r []float64, perYear float64) Figure {
	total := Total(r)
	if total.Value == nil || perYear <= 0 {
		return None(TooFewPeriods)
	}
	if *total.Value <= -1 {
		return None(Ruined)
	}
	return Of(math.Pow(1+*total.Value, perYear/float64(len(r))) - 1)
}

// Calmar is the yearly growth rate by the deepest drawdown.
func Calmar(r []float64, perYear float64) Figure {
	growth, fall := CAGR(r, perYear), MaxDrawdown(r)
	if growth.Value == nil {
		return growth
	}
	return ratio(*growth.Value, -*fall.Value, NoDrawdown)
}

// Sortino is the mean above a target by the downside deviation of all periods, per period.
func Sortino(r []float64, target float64) Figure {
	if len(r) < fewest {
		return None(TooFewPeriods)
	}
	mean, down := 0.0, 0.0
	for _, x := range r {
		mean += (x - target) / float64(len(r))
		down += math.Pow(min(x-target, 0), 2) / float64(len(r))
	}
	return ratio(mean, math.Sqrt(down), NoLosses)
}

// RollingSharpe is the Sharpe ratio per period of each window of periods.
func RollingSharpe(r []float64, window int) []Figure {
	list := []Figure{}
	for end := window; end <= len(r); end++ {
		list = append(list, MomentsOf(r[end-window:end]).Sharpe())
	}
	return list
}

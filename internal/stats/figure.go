// Package stats computes what is known of returns: pure functions of numbers, without a database. docs/statistics.md has each
// figure's formula, its source, and when it is undefined.
package stats

import "math"

// Figure is a number, or why there is none. There are no sentinels: what is undefined has no value.
type Figure struct {
	Value *float64 `json:"value"`
	Why   *Why     `json:"why"`
}

// Why tells why a figure is undefined.
type Why string

// The reasons.
const (
	TooFewPeriods   Why = "too_few_periods"
	NoVariation     Why = "no_variation"
	NoTrades        Why = "no_trades"
	NoLosses        Why = "no_losses"
	NoGains         Why = "no_gains"
	NoDrawdown      Why = "no_drawdown"
	NotPositive     Why = "not_positive"
	TooFewTrials    Why = "too_few_trials"
	NoBars          Why = "no_bars"
	BarsIncomplete  Why = "bars_incomplete"
	QuestDBAway     Why = "questdb_unavailable"
	NoFolds         Why = "no_folds"
	NoPrices        Why = "no_prices"
	Ruined          Why = "ruined"
	NoReturns       Why = "no_returns"
	NoSuchNumber    Why = "no_such_number"
	OutOfRange      Why = "out_of_range"
	NoCommonPeriods Why = "no_common_periods"
)

// Of is a figure with a value.
func Of(x float64) Figure {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return None(OutOfRange)
	}
	return Figure{Value: &x}
}

// None is a figure without one.
func None(why Why) Figure { return Figure{Why: &why} }

// Or is the value, or x where there is none.
func (f Figure) Or(x float64) float64 {
	if f.Value == nil {
		return x
	}
	return *f.Value
}

// Times is the figure times x.
func (f Figure) Times(x float64) Figure {
	if f.Value == nil {
		return f
	}
	return Of(*f.Value * x)
}

// ratio is a/b, or why it is undefined when b is 0.
func ratio(a, b float64, why Why) Figure {
	if b == 0 {
		return None(why)
	}
	return Of(a / b)
}

// cdf is the distribution function of the standard normal distribution, and quantile its inverse.
func cdf(x float64) float64      { return 0.5 * math.Erfc(-x/math.Sqrt2) }
func quantile(p float64) float64 { return -math.Sqrt2 * math.Erfcinv(2*p) }

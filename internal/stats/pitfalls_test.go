package stats

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
)

func near(t *testing.T, name string, got Figure, want float64) {
	t.Helper()
	if got.Value == nil || math.Abs(*got.Value-want) > 1e-12 {
		text, _ := json.Marshal(got)
		t.Errorf("%s = %s, want %v", name, text, want)
	}
}

// What is undefined is null with its reason, and nothing is a sentinel.
func TestUndefinedFiguresSayWhy(t *testing.T) {
	t.Parallel()
	flat, rising := []float64{0.01, 0.01, 0.01, 0.01}, []float64{0.01, 0.02, 0.01, 0.03}
	for name, c := range map[string]struct {
		got  Figure
		want Why
	}{
		"Sharpe of two periods":       {MomentsOf(rising[:2]).Sharpe(), TooFewPeriods},
		"Sharpe of none":              {MomentsOf(nil).Sharpe(), TooFewPeriods},
		"Sharpe of equal returns":     {MomentsOf(flat).Sharpe(), NoVariation},
		"PSR of equal returns":        {MomentsOf(flat).PSR(0), NoVariation},
		"DSR of equal returns":        {MomentsOf(flat).DSR(1, 10), NoVariation},
		"MinTRL of losses":            {MomentsOf([]float64{-0.01, -0.02, 0.01, -0.03}).MinTRL(0, 0.05), NotPositive},
		"Sortino without losses":      {Sortino(rising, 0), NoLosses},
		"Calmar without a drawdown":   {Calmar(rising, 365), NoDrawdown},
		"drawdown of nothing":         {MaxDrawdown(nil), TooFewPeriods},
		"growth of the ruined":        {CAGR([]float64{0.1, -1, 0.1}, 365), Ruined},
		"profit factor without loss":  {Trades{1, 2}.ProfitFactor(), NoLosses},
		"profit factor of no trades":  {Trades{}.ProfitFactor(), NoTrades},
		"expectancy of no trades":     {Trades{}.Expectancy(), NoTrades},
		"payoff without gains":        {Trades{-1}.Payoff(), NoGains},
		"payoff without losses":       {Trades{1}.Payoff(), NoLosses},
		"PBO of nine":                 {PBO(make([][]Block, 9)).PBO, TooFewTrials},
		"best fold of a losing run":   {StabilityOf([]float64{-1, 0.5}).ShareOfTheBest, NotPositive},
		"effective trials of nothing": {EffectiveTrials(nil), NoReturns},
		"infinite":                    {Of(math.Inf(1)), OutOfRange},
		"NaN":                         {Of(math.NaN()), OutOfRange},
	} {
		if c.got.Value != nil || c.got.Why == nil || *c.got.Why != c.want {
			text, _ := json.Marshal(c.got)
			t.Errorf("%s = %s, want null and %s", name, text, c.want)
		}
	}
	if text, _ := json.Marshal(None(NoLosses)); string(text) != `{"value":null,"why":"no_losses"}` {
		t.Errorf("an undefined figure is %s", text)
	}
}

// The loss of the first period counts, and so does a drawdown that has not ended.
func TestDrawdownsBeginAtOne(t *testing.T) {
	t.Parallel()
	near(t, "max drawdown", MaxDrawdown([]float64{-0.1, 0.2, 0.01}), -0.1)
	all := Drawdowns([]float64{-0.1, 0.2, 0.1, -0.2, -0.1, 0.05})
	want := []Drawdown{{-0.28, 3, 5, 6, false}, {-0.1, 0, 1, 2, true}}
	if len(all) != 2 || math.Abs(all[0].Depth+0.28) > 1e-12 || all[0].Finished || all[0].Start != 3 || all[0].End != 6 ||
		all[1].Start != 0 || all[1].Length() != 2 || !all[1].Finished {
		t.Errorf("drawdowns = %+v, want %+v", all, want)
	}
	near(t, "ulcer", Ulcer([]float64{-0.1, 0}), 0.1)
}

// Sortino's downside deviation is of all periods, not of those with losses.
func TestSortinoIsOfAllPeriods(t *testing.T) {
	t.Parallel()
	near(t, "Sortino", Sortino([]float64{0.02, -0.01, 0.02, 0.01}, 0), 0.01/(0.01/2))
}

// PSR takes the figure of a period. That of a year, which is 19 times as large, would be another probability.
func TestPSRIsPerPeriod(t *testing.T) {
	t.Parallel()
	r := []float64{0.01, -0.005, 0.004, 0.002, -0.003, 0.006, 0.001, -0.002}
	scaled := make([]float64, len(r))
	for i, x := range r {
		scaled[i] = 19 * x
	}
	near(t, "PSR of scaled returns", MomentsOf(scaled).PSR(0), *MomentsOf(r).PSR(0).Value)
}

// The kurtosis of a normal distribution is 3 here: two values far apart have 1, the least that there is.
func TestKurtosisIsNotExcess(t *testing.T) {
	t.Parallel()
	near(t, "kurtosis", Of(MomentsOf([]float64{1, -1, 1, -1}).Kurtosis), 1)
}

// Overlapping returns follow on each other, so that they are less evidence.
func TestAutocorrelationWeakensEvidence(t *testing.T) {
	t.Parallel()
	m := Moments{N: 500, Mean: 0.001, SD: 0.01, Kurtosis: 3}
	if p, q := m.psrAR1(0, 0), m.psrAR1(0, 0.8); !(*q.Value < *p.Value) {
		t.Errorf("PSR = %v without autocorrelation, %v with it", *p.Value, *q.Value)
	}
	m.Rho = -0.5
	near(t, "PSR with a negative autocorrelation", m.PSRAR1(0), *m.psrAR1(0, 0).Value)
}

// Of 10 returns in 4 blocks the two oldest are left out.
func TestBlocksKeepTheNewest(t *testing.T) {
	t.Parallel()
	if got, want := BlocksOf([]float64{9, 9, 1, 2, 3, 4, 5, 6, 7, 8}, 4), []Block{{2, 3, 5}, {2, 7, 25}, {2, 11, 61}, {2, 15, 113}}; !slices.Equal(got, want) {
		t.Errorf("blocks = %v, want %v", got, want)
	}
}

// Trials that did equally well share their ranks.
func TestTiesHaveTheAverageRank(t *testing.T) {
	t.Parallel()
	if got := rank([]float64{1, 2, 2, 3}, 1); got != 2.5 {
		t.Errorf("rank = %v, want 2.5", got)
	}
}

func TestTradeFigures(t *testing.T) {
	t.Parallel()
	trades := Trades{2, -1, -1, 4, -2}
	near(t, "profit factor", trades.ProfitFactor(), 1.5)
	near(t, "expectancy", trades.Expectancy(), 0.4)
	near(t, "payoff", trades.Payoff(), 3/(4.0/3))
	low, high := Wilson(40, 100, 0.95)
	if math.Abs(*low.Value-0.3094) > 1e-4 || math.Abs(*high.Value-0.4980) > 1e-4 {
		t.Errorf("Wilson = %v to %v", *low.Value, *high.Value)
	}
	if s := trades.LosingStreak(); s != 2 {
		t.Errorf("losing streak = %d", s)
	}
	s := StabilityOf([]float64{1, -0.5, 2})
	near(t, "best fold's share", s.ShareOfTheBest, 0.8)
	near(t, "profitable folds", s.Profitable, 2/3.0)
}

// A trial that never trades is no evidence, and does not lower the bar.
func TestFlatTrialsAreNoEvidence(t *testing.T) {
	t.Parallel()
	r := []float64{0.01, -0.01, 0.02, 0.01, -0.01, 0.02, 0.01, 0, 0.01, 0.02}
	for i, s := range MaxT([][]float64{r, make([]float64, len(r))}, 2, 0) {
		if i == 1 && s.P < 0.5 {
			t.Errorf("a flat trial has p = %v", s.P)
		}
	}
	d := SharpeDifference(r, make([]float64, len(r)), 2)
	if text, _ := json.Marshal(d); !strings.Contains(string(text), "no_variation") {
		t.Errorf("difference = %s", text)
	}
}

package stats

import "math"

// Trades are what closed trades returned.
type Trades []float64

func (t Trades) sums() (gains, losses float64, won, lost int) {
	for _, x := range t {
		switch {
		case x > 0:
			gains, won = gains+x, won+1
		case x < 0:
			losses, lost = losses-x, lost+1
		}
	}
	return gains, losses, won, lost
}

// ProfitFactor is what was won by what was lost.
func (t Trades) ProfitFactor() Figure {
	if len(t) == 0 {
		return None(NoTrades)
	}
	gains, losses, _, _ := t.sums()
	return ratio(gains, losses, NoLosses)
}

// Expectancy is the mean of the trades.
func (t Trades) Expectancy() Figure {
	gains, losses, _, _ := t.sums()
	return ratio(gains-losses, float64(len(t)), NoTrades)
}

// Payoff is the mean gain by the mean loss.
func (t Trades) Payoff() Figure {
	gains, losses, won, lost := t.sums()
	switch {
	case len(t) == 0:
		return None(NoTrades)
	case won == 0:
		return None(NoGains)
	case lost == 0:
		return None(NoLosses)
	}
	return Of(gains / float64(won) * float64(lost) / losses)
}

// Hits is how many of the trades won.
func (t Trades) Hits() int {
	_, _, won, _ := t.sums()
	return won
}

// LosingStreak is the most losses in a row.
func (t Trades) LosingStreak() (longest int) {
	now := 0
	for _, x := range t {
		if now++; x >= 0 {
			now = 0
		}
		longest = max(longest, now)
	}
	return longest
}

// Share is a part of a whole.
func Share(part, whole int, why Why) Figure { return ratio(float64(part), float64(whole), why) }

// Wilson is the score interval of a share at a level of confidence such as 0.95.
func Wilson(part, whole int, confidence float64) (low, high Figure) {
	if whole == 0 {
		return None(NoTrades), None(NoTrades)
	}
	n, z := float64(whole), quantile(0.5+confidence/2)
	p := float64(part) / n
	middle := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return Of(max(0, middle-half)), Of(min(1, middle+half))
}

// Stability tells how evenly folds did.
type Stability struct {
	Folds          int    `json:"folds"`
	Profitable     Figure `json:"profitable_share"`
	Worst          Figure `json:"worst_fold"`
	LosingStreak   int    `json:"longest_losing_streak"`
	ShareOfTheBest Figure `json:"profit_share_of_best_fold"`
}

// StabilityOf computes it from the returns of folds in their order.
func StabilityOf(folds []float64) Stability {
	t := Trades(folds)
	s := Stability{Folds: len(t), LosingStreak: t.LosingStreak(), Profitable: Share(t.Hits(), len(t), NoFolds), Worst: None(NoFolds)}
	s.ShareOfTheBest = None(NoFolds)
	if len(t) == 0 {
		return s
	}
	worst, best, sum := math.Inf(1), math.Inf(-1), 0.0
	for _, x := range t {
		worst, best, sum = min(worst, x), max(best, x), sum+x
	}
	s.Worst, s.ShareOfTheBest = Of(worst), None(NotPositive)
	if sum > 0 {
		s.ShareOfTheBest = Of(best / sum)
	}
	return s
}

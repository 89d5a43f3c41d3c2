package experiment

// RunSummary are the figures over all folds of a run, named as clients name them. Returns are summed
// targets in percent, before fees; losses are positive sums; a ratio without losses is null.
type RunSummary struct {
	Folds                   int      `json:"folds"`
	SamplesTrain            int      `json:"samples_train"`
	SamplesTest             int      `json:"samples_test"`
	TotalSignals            int      `json:"total_signals"`
	LongSignals             int      `json:"long_signals"`
	ShortSignals            int      `json:"short_signals"`
	SignalRate              float64  `json:"signal_rate"`
	ShortSignalRate         float64  `json:"short_signal_rate"`
	HitRate                 float64  `json:"hit_rate"`
	ShortHitRate            float64  `json:"short_hit_rate"`
	ProfitFactorLong        *float64 `json:"pf_long"`
	ProfitFactorShort       *float64 `json:"pf_short"`
	ProfitFactorDual        *float64 `json:"pf_dual"`
	AvgReturnOnSignals      *float64 `json:"avg_return_on_signals"`
	AvgReturnOnShortSignals *float64 `json:"avg_return_on_short_signals"`
	SumWins                 float64  `json:"sum_wins"`
	SumLosses               float64  `json:"sum_losses"`
	SumShortWins            float64  `json:"sum_short_wins"`
	SumShortLosses          float64  `json:"sum_short_losses"`
	RunningSum              float64  `json:"running_sum"`
	RunningSumShort         float64  `json:"running_sum_short"`
	RunningSumDual          float64  `json:"running_sum_dual"`
	MeanScore               float64  `json:"mean_score"`
	BestScore               float64  `json:"best_score"`
	WorstScore              float64  `json:"worst_score"`
	ProfitableFolds         int      `json:"profitable_folds"`
}

// summarizeRun adds up the folds of a run.
func summarizeRun(folds []Fold) RunSummary {
	var hits, shortHits float64
	s := RunSummary{Folds: len(folds), BestScore: folds[0].Score, WorstScore: folds[0].Score}
	for _, fd := range folds {
		m := fd.Metrics
		s.SamplesTrain += fd.SamplesTrain
		s.SamplesTest += fd.SamplesTest
		s.LongSignals += m.NSignals
		s.ShortSignals += m.NShortSignals
		hits += m.HitRate * float64(m.NSignals)
		shortHits += m.ShortHitRate * float64(m.NShortSignals)
		s.SumWins += m.SumWins
		s.SumLosses += m.SumLosses
		s.SumShortWins += m.SumShortWins
		s.SumShortLosses += m.SumShortLosses
		s.MeanScore += fd.Score / float64(len(folds))
		s.BestScore = min(s.BestScore, fd.Score)
		s.WorstScore = max(s.WorstScore, fd.Score)
		if m.SignalSum+m.ShortSignalSum > 0 {
			s.ProfitableFolds++
		}
		s.RunningSum, s.RunningSumShort, s.RunningSumDual = m.RunningSum, m.RunningSumShort, m.RunningSumDual
	}
	s.TotalSignals = s.LongSignals + s.ShortSignals
	s.SignalRate = float64(s.LongSignals) / float64(s.SamplesTest)
	s.ShortSignalRate = float64(s.ShortSignals) / float64(s.SamplesTest)
	s.HitRate = hits / max(1, float64(s.LongSignals))
	s.ShortHitRate = shortHits / max(1, float64(s.ShortSignals))
	s.ProfitFactorLong = ratio(s.SumWins, s.SumLosses)
	s.ProfitFactorShort = ratio(s.SumShortWins, s.SumShortLosses)
	s.ProfitFactorDual = ratio(s.SumWins+s.SumShortWins, s.SumLosses+s.SumShortLosses)
	s.AvgReturnOnSignals = ratio(s.RunningSum, float64(s.LongSignals))
	s.AvgReturnOnShortSignals = ratio(s.RunningSumShort, float64(s.ShortSignals))
	return s
}

// SimSummary are the figures over all trades of a simulation, after fees. Returns are percent of one
// position and add up, because each trade has the same size; money is in the quote currency.
type SimSummary struct {
	TotalTrades    int      `json:"total_trades"`
	LongTrades     int      `json:"long_trades"`
	ShortTrades    int      `json:"short_trades"`
	WinCount       int      `json:"win_count"`
	WinRate        *float64 `json:"win_rate"`
	ProfitFactor   *float64 `json:"profit_factor"`
	TotalPnl       float64  `json:"total_pnl"`
	FeesPaid       float64  `json:"fees_paid"`
	TotalReturnPct float64  `json:"total_return_pct"`
	LongReturnPct  float64  `json:"long_return_pct"`
	ShortReturnPct float64  `json:"short_return_pct"`
	AvgReturnPct   *float64 `json:"avg_return_pct"`
	BestReturnPct  float64  `json:"best_return_pct"`
	WorstReturnPct float64  `json:"worst_return_pct"`
	MaxDrawdownPct float64  `json:"max_drawdown_pct"`
	BuyAndHoldPct  float64  `json:"buy_and_hold_pct"`
	TestStartMS    int64    `json:"test_start_ms"`
	TestEndMS      int64    `json:"test_end_ms"`
	Stress         Stress   `json:"stress"`
}

// Stress says that no stress figures were computed, in the place where clients look for them.
type Stress struct {
	Computed bool `json:"computed"`
}

// summarizeSimulation adds up trades; buy and hold, the plain alternative, spans the test windows.
func summarizeSimulation(f frame, folds []Fold, trades []Trade) SimSummary {
	all, long, short := TallyOf(trades, sideDual), TallyOf(trades, sideLong), TallyOf(trades, sideShort)
	first, final := f.bar(folds[0].TestStart), f.bar(folds[len(folds)-1].TestEnd-1)
	return SimSummary{
		TotalTrades: all.Count, LongTrades: long.Count, ShortTrades: short.Count,
		WinCount: all.Wins, WinRate: ratio(float64(all.Wins), float64(all.Count)), ProfitFactor: all.ProfitFactor,
		TotalPnl: all.Pnl, FeesPaid: all.fees,
		TotalReturnPct: all.ReturnPct, LongReturnPct: long.ReturnPct, ShortReturnPct: short.ReturnPct,
		AvgReturnPct: all.AvgReturnPct, BestReturnPct: all.BestReturnPct, WorstReturnPct: all.WorstReturnPct, MaxDrawdownPct: all.MaxDrawdownPct,
		BuyAndHoldPct: percent(final.close, first.open), TestStartMS: first.startMS, TestEndMS: final.startMS + f.barMS,
	}
}

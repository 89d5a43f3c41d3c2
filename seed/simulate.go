package seed

import (
	"cmp"
	"math"
	"slices"
)

// Sides of trades and buckets.
const (
	sideLong  = "long"
	sideShort = "short"
	sideDual  = "dual"
)

// simConfig says how predictions are traded. A signal at the close of a bar is entered at the next bar's
// open and left at the close of the HoldBars-th bar; each side holds one position at a time; a trade whose
// exit would lie beyond its fold's test window is not entered.
type simConfig struct {
	PositionSize   float64 `json:"position_size"` // quote currency, the same for each trade
	FeeRate        float64 `json:"fee_rate"`      // share of the traded value, paid at entry and at exit
	HoldBars       int     `json:"hold_bars"`
	LongThreshold  string  `json:"long_threshold"` // which of the fold's thresholds is used
	ShortThreshold string  `json:"short_threshold"`
	EntryPrice     string  `json:"entry_price"`
	ExitPrice      string  `json:"exit_price"`
	UseStopLoss    bool    `json:"use_stop_loss"`
}

// trade is one finished trade. Times are milliseconds, returns percent of the position, pnl and fees are in
// the quote currency; pnl and returnPct are after fees.
type trade struct {
	fold                    int
	side                    string
	entryMS, exitMS         int64
	size, entry, exit       float64
	pnl, returnPct, fees    float64
	entrySignal, exitSignal float64
}

// simulate trades the test windows of the folds, in the order of entry.
func simulate(f frame, folds []fold, cfg simConfig) []trade {
	var trades []trade
	for _, side := range []string{sideLong, sideShort} {
		free := 0 // first row on which this side may signal again
		for _, fd := range folds {
			for r := max(free, fd.testStart); r+cfg.HoldBars < fd.testEnd; r++ {
				prediction := fd.predictions[r-fd.testStart]
				if side == sideLong && prediction < fd.thresholds.LongOptimal ||
					side == sideShort && prediction > fd.thresholds.ShortOptimal {
					continue
				}
				trades = append(trades, closeTrade(f, fd, cfg, side, r))
				free = r + cfg.HoldBars
				r = free - 1
			}
		}
	}
	slices.SortStableFunc(trades, func(a, b trade) int {
		return cmp.Or(cmp.Compare(a.entryMS, b.entryMS), cmp.Compare(a.side, b.side))
	})
	return trades
}

// closeTrade is the trade that follows a signal on row r.
func closeTrade(f frame, fd fold, cfg simConfig, side string, r int) trade {
	first, final := f.bar(r+1), f.bar(r+cfg.HoldBars)
	t := trade{
		fold: fd.number, side: side,
		entryMS: first.startMS, exitMS: final.startMS + f.barMS,
		entry: first.open, exit: final.close, size: cfg.PositionSize / first.open,
		entrySignal: fd.predictions[r-fd.testStart], exitSignal: fd.predictions[r+cfg.HoldBars-fd.testStart],
	}
	gain := t.exit - t.entry
	if side == sideShort {
		gain = -gain
	}
	t.fees = cfg.FeeRate * t.size * (t.entry + t.exit)
	t.pnl = gain*t.size - t.fees
	t.returnPct = 100 * t.pnl / (t.entry * t.size)
	return t
}

// tally sums up trades: money in the quote currency, the rest in percent. Drawdown is the deepest fall of the
// summed returns below their peak, as a negative number; a ratio without losses and a mean of no trades are nil.
type tally struct {
	count, wins                   int
	profitFactor, avgReturnPct    *float64
	maxDrawdownPct, returnPct     float64
	bestReturnPct, worstReturnPct float64
	pnl, fees                     float64
}

// tallyOf sums up the trades of one side, or of both when side is dual. All trades are held equally long, so
// their order of entry, in which they come, is also that of exit.
func tallyOf(trades []trade, side string) tally {
	var t tally
	var gains, losses, peak float64
	for _, tr := range trades {
		if side != sideDual && side != tr.side {
			continue
		}
		t.count++
		t.pnl += tr.pnl
		t.fees += tr.fees
		t.returnPct += tr.returnPct
		if t.count == 1 {
			t.bestReturnPct, t.worstReturnPct = tr.returnPct, tr.returnPct
		}
		t.bestReturnPct = math.Max(t.bestReturnPct, tr.returnPct)
		t.worstReturnPct = math.Min(t.worstReturnPct, tr.returnPct)
		if tr.pnl > 0 {
			t.wins++
			gains += tr.pnl
		} else {
			losses -= tr.pnl
		}
		peak = math.Max(peak, t.returnPct)
		t.maxDrawdownPct = math.Min(t.maxDrawdownPct, t.returnPct-peak)
	}
	t.profitFactor = ratio(gains, losses)
	t.avgReturnPct = ratio(t.returnPct, float64(t.count))
	return t
}

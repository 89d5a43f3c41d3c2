package experiment

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"
)

// Sides of trades and buckets.
const (
	sideLong  = "long"
	sideShort = "short"
	sideDual  = "dual"
)

// SimConfig says how predictions are traded. A signal at the close of a bar is entered at the next bar's
// open and left at the close of the HoldBars-th bar; each side holds one position at a time; a trade whose
// exit would lie beyond its fold's test window is not entered.
type SimConfig struct {
	PositionSize   float64 `json:"position_size"` // quote currency, the same for each trade
	FeeRate        float64 `json:"fee_rate"`      // share of the traded value, paid at entry and at exit
	HoldBars       int     `json:"hold_bars"`
	LongThreshold  string  `json:"long_threshold"` // which of the fold's thresholds is used
	ShortThreshold string  `json:"short_threshold"`
	EntryPrice     string  `json:"entry_price"`
	ExitPrice      string  `json:"exit_price"`
	UseStopLoss    bool    `json:"use_stop_loss"`
}

// Trade is one finished trade as it is posted. Times are milliseconds, returns percent of the position, pnl and fees
// are in the quote currency; Pnl and ReturnPct are after fees.
type Trade struct {
	ID          uuid.UUID `json:"trade_id"`
	Fold        int       `json:"fold_index"`
	Side        string    `json:"side"`
	Size        float64   `json:"size"` // in the base asset
	Entry       float64   `json:"entry_price"`
	Exit        float64   `json:"exit_price"`
	Pnl         float64   `json:"pnl"`
	ReturnPct   float64   `json:"return_pct"`
	EntrySignal float64   `json:"entry_signal"`
	ExitSignal  float64   `json:"exit_signal"`
	EntryMS     int64     `json:"entry_timestamp"`
	ExitMS      int64     `json:"exit_timestamp"`

	fees float64
}

// simulate trades the test windows of the folds, in the order of entry.
func simulate(f frame, folds []Fold, cfg SimConfig, simulation uuid.UUID) []Trade {
	var trades []Trade
	for _, side := range []string{sideLong, sideShort} {
		free := 0 // first row on which this side may signal again
		for _, fd := range folds {
			for r := max(free, fd.TestStart); r+cfg.HoldBars < fd.TestEnd; r++ {
				prediction := fd.predictions[r-fd.TestStart]
				if side == sideLong && prediction < fd.Thresholds.LongOptimal ||
					side == sideShort && prediction > fd.Thresholds.ShortOptimal {
					continue
				}
				trades = append(trades, closeTrade(f, fd, cfg, side, r))
				free = r + cfg.HoldBars
				r = free - 1
			}
		}
	}
	for i, t := range trades {
		trades[i].ID = uuid.NewSHA1(simulation, fmt.Appendf(nil, "%s/%d", t.Side, t.EntryMS))
	}
	slices.SortStableFunc(trades, func(a, b Trade) int {
		return cmp.Or(cmp.Compare(a.EntryMS, b.EntryMS), cmp.Compare(a.Side, b.Side))
	})
	return trades
}

// closeTrade is the trade that follows a signal on row r.
func closeTrade(f frame, fd Fold, cfg SimConfig, side string, r int) Trade {
	first, final := f.bar(r+1), f.bar(r+cfg.HoldBars)
	t := Trade{
		Fold: fd.Number, Side: side,
		EntryMS: first.startMS, ExitMS: final.startMS + f.barMS,
		Entry: first.open, Exit: final.close, Size: cfg.PositionSize / first.open,
		EntrySignal: fd.predictions[r-fd.TestStart], ExitSignal: fd.predictions[r+cfg.HoldBars-fd.TestStart],
	}
	gain := t.Exit - t.Entry
	if side == sideShort {
		gain = -gain
	}
	t.fees = cfg.FeeRate * t.Size * (t.Entry + t.Exit)
	t.Pnl = gain*t.Size - t.fees
	t.ReturnPct = 100 * t.Pnl / (t.Entry * t.Size)
	return t
}

// Tally sums up trades: money in the quote currency, the rest in percent. Drawdown is the deepest fall of the
// summed returns below their peak, as a negative number; a ratio without losses and a mean of no trades are nil.
type Tally struct {
	Count, Wins                   int
	ProfitFactor, AvgReturnPct    *float64
	MaxDrawdownPct, ReturnPct     float64
	BestReturnPct, WorstReturnPct float64
	Pnl                           float64

	fees float64
}

// TallyOf sums up the trades of one side, or of both when side is dual. All trades are held equally long, so
// their order of entry, in which they come, is also that of exit.
func TallyOf(trades []Trade, side string) Tally {
	var t Tally
	var gains, losses, peak float64
	for _, tr := range trades {
		if side != sideDual && side != tr.Side {
			continue
		}
		t.Count++
		t.Pnl += tr.Pnl
		t.fees += tr.fees
		t.ReturnPct += tr.ReturnPct
		if t.Count == 1 {
			t.BestReturnPct, t.WorstReturnPct = tr.ReturnPct, tr.ReturnPct
		}
		t.BestReturnPct = math.Max(t.BestReturnPct, tr.ReturnPct)
		t.WorstReturnPct = math.Min(t.WorstReturnPct, tr.ReturnPct)
		if tr.Pnl > 0 {
			t.Wins++
			gains += tr.Pnl
		} else {
			losses -= tr.Pnl
		}
		peak = math.Max(peak, t.ReturnPct)
		t.MaxDrawdownPct = math.Min(t.MaxDrawdownPct, t.ReturnPct-peak)
	}
	t.ProfitFactor = ratio(gains, losses)
	t.AvgReturnPct = ratio(t.ReturnPct, float64(t.Count))
	return t
}

// Bucket is the sum of a side's trades as it is posted.
type Bucket struct {
	Side           string   `json:"side"`
	Trades         int      `json:"trade_count"`
	Wins           int      `json:"win_count"`
	ProfitFactor   *float64 `json:"profit_factor"`
	AvgReturnPct   *float64 `json:"avg_return_pct"`
	MaxDrawdownPct float64  `json:"max_drawdown_pct"`
	Notes          string   `json:"notes"`
}

// BucketOf sums up the trades of one side, or of both when side is dual.
func BucketOf(trades []Trade, side string) Bucket {
	t := TallyOf(trades, side)
	which := map[string]string{sideLong: "long trades", sideShort: "short trades", sideDual: "long and short trades"}[side]
	return Bucket{
		Side: side, Trades: t.Count, Wins: t.Wins, ProfitFactor: t.ProfitFactor, AvgReturnPct: t.AvgReturnPct,
		MaxDrawdownPct: t.MaxDrawdownPct, Notes: which + ", after fees",
	}
}

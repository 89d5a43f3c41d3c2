package api

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/returns"
	"foldbook/internal/stats"
)

// tearsheet is the answer of GetTearsheet.
type tearsheet struct {
	SimulationID  uuid.UUID               `json:"simulation_id"`
	RunID         uuid.UUID               `json:"run_id"`
	DatasetID     uuid.UUID               `json:"dataset_id"`
	Basis         string                  `json:"basis"`
	Why           *string                 `json:"why"`
	Period        string                  `json:"period"`
	Periods       int                     `json:"periods"`
	PerYear       *float64                `json:"periods_per_year"`
	FirstDay      *string                 `json:"first_day"`
	LastDay       *string                 `json:"last_day"`
	Figures       map[string]stats.Figure `json:"figures"`
	Monthly       []month                 `json:"monthly"`
	RollingSharpe rolling                 `json:"rolling_sharpe"`
	Drawdowns     []drawdown              `json:"drawdowns"`
	Trades        tradeFigures            `json:"trades"`
	Folds         stats.Stability         `json:"folds"`
	Days          []string                `json:"days"`
	Returns       []float64               `json:"returns"`
}

type month struct {
	Month  string  `json:"month"`
	Return float64 `json:"return"`
}

type rolling struct {
	Window int        `json:"window"`
	Days   []string   `json:"days"`
	Values []*float64 `json:"values"`
}

type drawdown struct {
	Depth    float64 `json:"depth"`
	From     string  `json:"from"`
	Trough   string  `json:"trough"`
	To       string  `json:"to"`
	Days     int     `json:"days"`
	Finished bool    `json:"finished"`
}

type tradeFigures struct {
	Count        int                     `json:"count"`
	Open         int                     `json:"open"`
	Won          int                     `json:"won"`
	LosingStreak int                     `json:"longest_losing_streak"`
	Figures      map[string]stats.Figure `json:"figures"`
}

// mostDrawdowns are listed.
const mostDrawdowns = 10

// GetTearsheet serves GET /api/simulations/:simulation_id/tearsheet: {"simulation_id": …, "figures": {…}, …}.
func (s *Server) GetTearsheet(c echo.Context, simulationID string, params spec.GetTearsheetParams) error {
	id, err := pathID("simulation_id", simulationID)
	if err != nil {
		return err
	}
	window := orElse(params.Window, 63)
	if window < 10 || window > 1000 {
		return spec.InvalidParameter("window", "is not from 10 to 1000")
	}
	ctx := c.Request().Context()
	loader := s.loader()
	loader.WithTrades = true
	found, err := loader.Load(ctx, []uuid.UUID{id})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return spec.NoSuch("simulation", id)
	}
	t := sheetOf(&found[0], int(window))
	t.Trades = tradeFiguresOf(found[0].Trades)
	runs, err := s.DB.ListComparedRuns(ctx, db.ListComparedRunsParams{AllFolds: true, Ids: []uuid.UUID{t.RunID}})
	if err != nil {
		return fmt.Errorf("list the folds of run %s: %w", t.RunID, err)
	}
	for i := range runs {
		folds, err := foldCells(&runs[i])
		if err != nil {
			return err
		}
		t.Folds = stats.StabilityOf(foldReturns(folds))
	}
	return c.JSON(http.StatusOK, t)
}

// sheetOf has what comes from the returns alone.
func sheetOf(s *returns.Simulation, window int) *tearsheet {
	t := &tearsheet{
		SimulationID: s.ID, RunID: s.RunID, DatasetID: s.DatasetID, Basis: s.Basis, Why: textOrNull(s.Why), Period: periodDay,
		Periods: len(s.Returns), PerYear: periodsPerYear(s.Days), Days: dayTexts(s.Days), Returns: s.Returns,
		Folds: stats.StabilityOf(nil), Monthly: []month{}, Drawdowns: []drawdown{},
		RollingSharpe: rolling{Window: window, Days: []string{}, Values: []*float64{}},
	}
	t.Figures = figuresOf(s.Returns, stats.MomentsOf(s.Returns), periodDay, t.PerYear)
	dayFigures(t.Figures, &s.Series)
	if t.Periods == 0 {
		return t
	}
	t.FirstDay, t.LastDay = &t.Days[0], &t.Days[t.Periods-1]
	growth := 1.0
	for i, r := range s.Returns {
		growth *= 1 + r
		if i+1 == t.Periods || t.Days[i+1][:7] != t.Days[i][:7] {
			t.Monthly, growth = append(t.Monthly, month{t.Days[i][:7], growth - 1}), 1
		}
	}
	for i, f := range stats.RollingSharpe(s.Returns, window) {
		t.RollingSharpe.Days = append(t.RollingSharpe.Days, t.Days[i+window-1])
		t.RollingSharpe.Values = append(t.RollingSharpe.Values, f.Value)
	}
	at := func(i int) string { return t.Days[max(0, i-1)] } // the equity before the first return is that of the first day
	for _, d := range stats.Drawdowns(s.Returns) {
		if len(t.Drawdowns) < mostDrawdowns {
			t.Drawdowns = append(t.Drawdowns, drawdown{d.Depth, at(d.Start), at(d.Trough), at(d.End), d.Length(), d.Finished})
		}
	}
	return t
}

// dayFigures adds the figures that only simulations have.
func dayFigures(figures map[string]stats.Figure, s *returns.Series) {
	why := stats.NoBars
	if s.BuyAndHold == nil && s.Basis == returns.Mark {
		why = stats.NoPrices
	}
	figures["buy_and_hold"] = numberOr(s.BuyAndHold, why)
	if len(s.Returns) == 0 {
		for _, name := range []string{"exposure", "turnover_per_day", "best_day", "worst_day"} {
			figures[name] = stats.None(stats.TooFewPeriods)
		}
		return
	}
	figures["exposure"], figures["turnover_per_day"] = stats.Of(s.Exposure), stats.Of(s.Turnover)
	figures["best_day"], figures["worst_day"] = stats.Of(slices.Max(s.Returns)), stats.Of(slices.Min(s.Returns))
}

// tradeFiguresOf are those of the trades of a simulation, in the order of their exits.
func tradeFiguresOf(rows []db.ListTradeReturnsRow) (t tradeFigures) {
	trades := make([]earning, 0, len(rows))
	for _, r := range rows {
		if r.Percent == r.Percent {
			trades = append(trades, earning{entry: r.Entered, exit: r.Exited, percent: r.Percent})
		} else if r.Exited == 0 {
			t.Open++
		}
	}
	list := make(stats.Trades, 0, len(trades))
	var held time.Duration
	for _, trade := range byExit(trades) {
		list = append(list, trade.percent/100)
		held += time.Duration(max(0, trade.exit-trade.entry)) * time.Microsecond
	}
	t.Count, t.Won, t.LosingStreak = len(list), list.Hits(), list.LosingStreak()
	low, high := stats.Wilson(t.Won, t.Count, 0.95)
	t.Figures = map[string]stats.Figure{
		"hit_rate": stats.Share(t.Won, t.Count, stats.NoTrades), "hit_rate_low": low, "hit_rate_high": high,
		"profit_factor": list.ProfitFactor(), "expectancy": list.Expectancy(), "payoff": list.Payoff(),
		"mean_hours_held": stats.None(stats.NoTrades),
	}
	if t.Count > 0 {
		t.Figures["mean_hours_held"] = stats.Of(held.Hours() / float64(t.Count))
	}
	return t
}

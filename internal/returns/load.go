package returns

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"foldbook/db"
	"foldbook/internal/series"
	"foldbook/internal/stats"
	"foldbook/questdb"
)

// mostTrades bounds the memory of a simulation's trades.
const mostTrades = 1_000_000

// Loader reads daily returns, and computes and stores those that are missing or were made from an earlier state.
type Loader struct {
	DB         *db.Queries
	QuestDB    *questdb.Client // nil: there is none
	WithTrades bool            // to return the trades, too
}

// Simulation is the returns of a simulation.
type Simulation struct {
	ID, RunID, DatasetID uuid.UUID
	Tested               Window
	Series
	Trades []db.ListTradeReturnsRow // in the order of their entries
}

// Load returns those of simulations, in the order of their ids; those that do not exist are left out.
func (l Loader) Load(ctx context.Context, ids []uuid.UUID) ([]Simulation, error) {
	rows, err := l.DB.ListSimulationReturns(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("list the returns of simulations: %w", err)
	}
	all, places := make([]Simulation, len(rows)), map[uuid.UUID]*bars{}
	for i := range rows {
		r := &rows[i]
		s := &all[i]
		*s = Simulation{ID: r.SimulationID, RunID: r.RunID, DatasetID: r.DatasetID, Tested: Window{r.TestedFrom * 1000, r.TestedTo * 1000}}
		if places[r.DatasetID] == nil {
			if places[r.DatasetID], err = l.open(ctx, r.DatasetID); err != nil {
				return nil, err
			}
		}
		b := places[r.DatasetID]
		from := fmt.Sprintf("%d/%d-%d/%s", r.Version, r.TestedFrom, r.TestedTo, b.state)
		made := b.state != "" && r.MadeFrom == from
		if made {
			s.Series = Series{Basis: r.Basis, Why: r.Why, Days: r.Days, Returns: r.Returns,
				Exposure: r.Exposure, Turnover: r.Turnover, BuyAndHold: r.BuyAndHold}
		}
		if made && !l.WithTrades {
			continue
		}
		s.Trades, err = l.DB.ListTradeReturns(ctx, db.ListTradeReturnsParams{SimulationID: s.ID, PageSize: mostTrades})
		if err != nil {
			return nil, fmt.Errorf("list the trades of simulation %s: %w", s.ID, err)
		}
		if !made {
			err = l.compute(ctx, s, b, from)
		}
		if err != nil {
			return nil, err
		}
		if !l.WithTrades {
			s.Trades = nil
		}
	}
	return all, nil
}

// compute makes the returns of a simulation of its trades, and stores them when it is known what they are made from.
func (l Loader) compute(ctx context.Context, s *Simulation, b *bars, from string) error {
	trades := make([]Trade, len(s.Trades))
	for i, t := range s.Trades {
		trades[i] = Trade{t.Entered, t.Exited, t.IsLong, t.EntryPrice, t.Percent}
	}
	prices, why, err := b.in(ctx, s.Tested.covering(trades))
	if err != nil {
		return err
	}
	s.Series = Of(trades, prices, s.Tested, why)
	if b.state == "" {
		return nil
	}
	var reason *string
	if s.Why != "" {
		reason = &s.Why
	}
	err = l.DB.StoreSimulationReturns(ctx, db.StoreSimulationReturnsParams{
		SimulationID: s.ID, MadeFrom: from, Basis: s.Basis, Why: reason, Days: s.Days, Returns: s.Returns,
		Exposure: s.Exposure, Turnover: s.Turnover, BuyAndHold: s.BuyAndHold,
	})
	if err != nil {
		return fmt.Errorf("store the returns of simulation %s: %w", s.ID, err)
	}
	return nil
}

// bars are the bars of a dataset. The days that were read are kept, because the simulations of a dataset have much the same ones.
type bars struct {
	series *series.Series
	state  string // of the rows; empty when it is not known
	why    string // there are none
	read   Window
	days   []Bar
}

// none are the bars that a dataset does not have; returns made without them are made anew once there are some. The state is empty while
// nobody can say whether there are.
func none(why stats.Why, state string) *bars { return &bars{why: string(why), state: state} }

func (l Loader) open(ctx context.Context, dataset uuid.UUID) (*bars, error) {
	row, err := l.DB.GetDatasetSeries(ctx, dataset)
	if err != nil {
		return nil, fmt.Errorf("find the bars of dataset %s: %w", dataset, err)
	}
	if l.QuestDB == nil {
		return none(stats.NoBars, "off"), nil
	}
	found, err := series.Open(ctx, l.QuestDB, series.Bars, row.OhlcvMeasurement, nil, row.QuestDBTag)
	switch {
	case errors.Is(err, questdb.ErrNoTable), errors.Is(err, questdb.ErrInvalidName), err == nil && found == nil:
		return none(stats.NoBars, "none"), nil
	case away(err):
		return none(stats.QuestDBAway, ""), nil
	case err != nil:
		return nil, err
	}
	if c, ok := found.Table.Column("close"); !ok || questdb.KindOf(c.Type) != questdb.Float {
		return none(stats.NoPrices, "none"), nil
	}
	state, err := l.QuestDB.State(ctx, found.Table) // before the rows, which are then of this state or a later one
	if away(err) {
		return none(stats.QuestDBAway, ""), nil
	}
	return &bars{series: found, state: state}, err
}

// away tells that QuestDB cannot be asked now.
func away(err error) bool {
	return errors.Is(err, questdb.ErrUnavailable) || errors.Is(err, questdb.ErrBusy) || errors.Is(err, questdb.ErrTimeout)
}

// in returns the bars of the days of a window, and why there are none.
func (b *bars) in(ctx context.Context, w Window) ([]Bar, string, error) {
	if b.series == nil || w.To == 0 {
		return nil, b.why, nil
	}
	if b.days != nil && w.From >= b.read.From && w.To <= b.read.To {
		return b.days, "", nil
	}
	b.read = Window{w.From / day * day, (w.To/day + 1) * day}
	table := b.series.Table
	candles := questdb.Candles{Step: 86400, Limit: -1, Close: "close",
		Selection: b.series.Selection(series.Range{From: time.UnixMicro(b.read.From), To: time.UnixMicro(b.read.To - 1)})}
	if c, ok := table.Column("open"); ok && questdb.KindOf(c.Type) == questdb.Float {
		candles.Open = c.Name
	}
	rows, err := b.series.Client.Candles(ctx, candles)
	if err != nil {
		return nil, "", fmt.Errorf("read the bars of %s: %w", table.Name, err)
	}
	defer rows.Close()
	b.days = []Bar{}
	for rows.Next() {
		at, _ := rows.Int(0)
		bar := Bar{Day: int32(at / day)} //nolint:gosec // days of 1970 and later fit
		if candles.Open != "" {
			bar.Open, _ = rows.Float(1)
			bar.Close, _ = rows.Float(2)
		} else {
			bar.Close, _ = rows.Float(1)
		}
		b.days = append(b.days, bar)
	}
	return b.days, "", rows.Err()
}

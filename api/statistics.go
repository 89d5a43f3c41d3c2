package api

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"foldbook/db"
	"foldbook/internal/returns"
	"foldbook/internal/stats"
)

// The periods of returns, and what returns are of when there is no simulation.
const (
	periodDay    = "day"
	periodFold   = "fold"
	basisFolds   = "folds"
	noSimulation = "no_simulation"
	dayMS        = 86_400_000
)

// record is a run with its returns, as the routes of the statistics look at it.
type record struct {
	db.ListComparedRunsRow
	fold        []foldCell
	series      returns.Series // of the newest simulation, or of the folds
	moments     stats.Moments  // of the series
	period      string
	perYear     *float64
	first, last *string
}

// foldCell is a fold as ListComparedRuns returns it.
type foldCell struct {
	Number     int64
	Start, End *int64 // milliseconds
	Running    *float64
	Metric     *float64
}

// UnmarshalJSONFrom reads the array of a fold. A comparison has thousands of them.
func (f *foldCell) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	_, err := dec.ReadToken()
	for _, into := range []any{&f.Number, &f.Start, &f.End, &f.Running, &f.Metric} {
		if err == nil {
			err = jsonv2.UnmarshalDecode(dec, into)
		}
	}
	if err == nil {
		_, err = dec.ReadToken()
	}
	return err
}

func foldCells(row *db.ListComparedRunsRow) (folds []foldCell, err error) {
	if err := jsonv2.Unmarshal([]byte(row.Folds), &folds); err != nil {
		return nil, fmt.Errorf("read the folds of run %s: %w", row.RunID, err)
	}
	return folds, nil
}

// loader reads daily returns.
func (s *Server) loader() returns.Loader { return returns.Loader{DB: s.DB.Queries, QuestDB: s.QuestDB} }

// records reads runs with their returns, in the order of the ids; it leaves out those that do not exist.
func (s *Server) records(ctx context.Context, ids []uuid.UUID, metric string, allFolds bool) ([]*record, error) {
	rows, err := s.DB.ListComparedRuns(ctx, db.ListComparedRunsParams{Metric: metric, AllFolds: allFolds, Ids: ids})
	if err != nil {
		return nil, fmt.Errorf("list the runs to compare: %w", err)
	}
	simulations := []uuid.UUID{}
	byID := make(map[uuid.UUID]*record, len(rows))
	for i := range rows {
		r := &record{ListComparedRunsRow: rows[i]}
		if r.fold, err = foldCells(&rows[i]); err != nil {
			return nil, err
		}
		byID[r.RunID] = r
		if r.SimulationID != nil {
			simulations = append(simulations, *r.SimulationID)
		}
	}
	daily, err := s.loader().Load(ctx, simulations)
	if err != nil {
		return nil, err
	}
	for i := range daily {
		if r := byID[daily[i].RunID]; r != nil {
			r.series = daily[i].Series
		}
	}
	var list []*record
	for _, id := range ids {
		if r := byID[id]; r != nil && !slices.Contains(list, r) {
			r.settle()
			r.moments = stats.MomentsOf(r.series.Returns)
			list = append(list, r)
		}
	}
	return list, nil
}

// settle decides what the returns of the run are of, and their span.
func (r *record) settle() {
	r.period = periodDay
	if r.SimulationID == nil {
		r.period = periodFold
		r.series = returns.Series{Basis: basisFolds, Why: noSimulation, Returns: foldReturns(r.fold)}
		if n := len(r.fold); n > 0 && r.fold[0].Start != nil && r.fold[n-1].End != nil {
			from, to := *r.fold[0].Start, *r.fold[n-1].End
			r.first, r.last = dayText(int32(from/dayMS)), dayText(int32(max(from, to-1)/dayMS)) //nolint:gosec // days fit
			if to > from {
				r.perYear = new(float64(len(r.series.Returns)) * 365.25 * dayMS / float64(to-from))
			}
		}
		return
	}
	if n := len(r.series.Days); n > 0 {
		r.first, r.last = dayText(r.series.Days[0]), dayText(r.series.Days[n-1])
	}
	r.perYear = periodsPerYear(r.series.Days)
}

// foldGains are what each fold added to the running sum, which is in percent; nil for folds without one.
func foldGains(folds []foldCell) []*float64 {
	list, before := make([]*float64, len(folds)), 0.0
	for i, f := range folds {
		if f.Running != nil {
			list[i], before = new((*f.Running-before)/100), *f.Running
		}
	}
	return list
}

// foldReturns are the gains of the folds that have one.
func foldReturns(folds []foldCell) []float64 {
	list := []float64{}
	for _, gain := range foldGains(folds) {
		if gain != nil {
			list = append(list, *gain)
		}
	}
	return list
}

// periodsPerYear is how many of the days there are in a year, by their span.
func periodsPerYear(days []int32) *float64 {
	if len(days) < 2 {
		return nil
	}
	return new(float64(len(days)-1) * 365.25 / float64(days[len(days)-1]-days[0]))
}

func dayText(day int32) *string {
	return new(time.Unix(int64(day)*86400, 0).UTC().Format(time.DateOnly))
}

func dayTexts(days []int32) []string {
	list := make([]string, len(days))
	for i, d := range days {
		list[i] = *dayText(d)
	}
	return list
}

// figuresOf are the figures of returns; docs/statistics.md has their formulas by these names.
func figuresOf(r []float64, m stats.Moments, period string, perYear *float64) map[string]stats.Figure {
	per, sharpe, sortino := "_per_"+period, m.Sharpe(), stats.Sortino(r, 0)
	yearly, year := func(f stats.Figure) stats.Figure { return f.Times(math.Sqrt(*perYear)) }, 0.0
	if perYear == nil {
		yearly = func(stats.Figure) stats.Figure { return stats.None(stats.TooFewPeriods) }
	} else {
		year = *perYear
	}
	moment := func(x float64) stats.Figure {
		if sharpe.Value == nil {
			return sharpe
		}
		return stats.Of(x)
	}
	return map[string]stats.Figure{
		"total_return":     stats.Total(r),
		"cagr":             stats.CAGR(r, year),
		"mean" + per:       moment(m.Mean),
		"sd" + per:         moment(m.SD),
		"skewness":         moment(m.Skew),
		"kurtosis":         moment(m.Kurtosis),
		"autocorrelation":  moment(m.Rho),
		"sharpe" + per:     sharpe,
		"sharpe_per_year":  yearly(sharpe),
		"psr":              m.PSR(0),
		"psr_ar1":          m.PSRAR1(0),
		"min_trl":          m.MinTRLAR1(0, 0.05),
		"sortino" + per:    sortino,
		"sortino_per_year": yearly(sortino),
		"max_drawdown":     stats.MaxDrawdown(r),
		"ulcer":            stats.Ulcer(r),
		"calmar":           stats.Calmar(r, year),
	}
}

// numberOr is a figure of a pointer, or why there is none.
func numberOr(x *float64, why stats.Why) stats.Figure {
	if x == nil {
		return stats.None(why)
	}
	return stats.Of(*x)
}

// textOrNull is null for an empty text.
func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

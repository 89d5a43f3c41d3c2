package api

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"foldbook/api/spec"
	"foldbook/internal/paging"
	"foldbook/internal/returns"
	"foldbook/internal/stats"
)

// mostCompared is how many runs are compared at a time.
const mostCompared = 100

// comparison is the answer of CompareRuns; lists of values have one for each run.
type comparison struct {
	Runs          []comparedRun    `json:"runs"`
	Count         int              `json:"count"`
	Baseline      *uuid.UUID       `json:"baseline"`
	Metrics       []comparedMetric `json:"metrics"`
	Configuration []setting        `json:"configuration"`
	Folds         foldTable        `json:"folds"`
	Differences   []difference     `json:"differences"`
	Equity        overlay          `json:"equity"`
	Warnings      []string         `json:"warnings"`
}

type comparedRun struct {
	RunID        uuid.UUID               `json:"run_id"`
	Name         *string                 `json:"name"`
	DatasetID    uuid.UUID               `json:"dataset_id"`
	DatasetSlug  string                  `json:"dataset_slug"`
	TargetColumn string                  `json:"target_column"`
	SearchID     *string                 `json:"search_id"`
	Status       string                  `json:"status"`
	CreatedAt    time.Time               `json:"created_at"`
	SimulationID *uuid.UUID              `json:"simulation_id"`
	Basis        string                  `json:"basis"`
	Why          *string                 `json:"why"`
	Period       string                  `json:"period"`
	Periods      int                     `json:"periods"`
	PerYear      *float64                `json:"periods_per_year"`
	FirstDay     *string                 `json:"first_day"`
	LastDay      *string                 `json:"last_day"`
	Figures      map[string]stats.Figure `json:"figures"`
	Folds        stats.Stability         `json:"folds"`
}

type comparedMetric struct {
	Name   string     `json:"name"`
	Values []*float64 `json:"values"`
}

type difference struct {
	RunID   uuid.UUID        `json:"run_id"`
	Periods int              `json:"periods"`
	Sharpe  stats.Difference `json:"sharpe"`
}

type overlay struct {
	Days   []string     `json:"days"`
	Total  int          `json:"total"`
	Values [][]*float64 `json:"values"`
}

// CompareRuns serves GET /api/runs/compare: {"runs": […], "metrics": […], "configuration": […], "folds": {…}, …}.
func (s *Server) CompareRuns(c echo.Context, params spec.CompareRunsParams) error {
	points := orElse(params.Points, 500)
	if points < 2 || points > 5000 {
		return spec.InvalidParameter("points", "is not from 2 to 5000")
	}
	ctx := c.Request().Context()
	ids, err := s.comparedIDs(ctx, params)
	if err != nil {
		return err
	}
	list, err := s.records(ctx, ids, orElse(params.FoldMetric, ""), true)
	if err != nil {
		return err
	}
	base, err := baseline(list, params.Baseline)
	if err != nil {
		return err
	}
	if params.Ids != nil {
		for _, id := range ids {
			if !slices.ContainsFunc(list, func(r *record) bool { return r.RunID == id }) {
				return spec.NoSuch("run", id)
			}
		}
	}
	answer := comparison{
		Runs: []comparedRun{}, Count: len(list), Metrics: metricsOf(list), Configuration: configurationOf(list),
		Folds: foldTableOf(list, params.FoldMetric), Differences: differencesOf(list, base), Equity: overlayOf(list, int(points)),
		Warnings: comparability(list),
	}
	for _, r := range list {
		answer.Runs = append(answer.Runs, r.compared())
	}
	if base != nil {
		answer.Baseline = &base.RunID
	}
	return c.JSON(http.StatusOK, answer)
}

// comparedIDs are the ids that the request names, or those of the first runs that its filters find.
func (s *Server) comparedIDs(ctx context.Context, p spec.CompareRunsParams) ([]uuid.UUID, error) {
	if p.Ids != nil {
		ids, err := queryIDs("ids", p.Ids)
		if err == nil && len(ids) > mostCompared {
			err = spec.InvalidParameter("ids", fmt.Sprintf("names more than %d runs", mostCompared))
		}
		return ids, err
	}
	q, err := s.runSearchOf(ctx, spec.ListRunsParams{
		DatasetID: p.DatasetID, DatasetSlug: p.DatasetSlug, Symbol: p.Symbol, Status: p.Status, Measurement: p.Measurement,
		TargetColumn: p.TargetColumn, RequestedBy: p.RequestedBy, Name: p.Name, Tags: p.Tags, SearchID: p.SearchID,
		ParentRunID: p.ParentRunID, Metric: p.Metric, Sort: p.Sort, Search: p.Search,
	})
	if err != nil {
		return nil, err
	}
	size := orElse(p.Limit, mostCompared)
	if size < 1 || size > mostCompared {
		return nil, spec.InvalidParameter("limit", fmt.Sprintf("is not from 1 to %d", mostCompared))
	}
	found, err := runFinder(ctx, s, q).page(nil, paging.Page{Limit: int32(size)})
	if err != nil {
		return nil, fmt.Errorf("find the runs to compare: %w", err)
	}
	ids := []uuid.UUID{}
	for i := range found.rows {
		ids = append(ids, found.rows[i].RunID)
	}
	return ids, nil
}

// baseline is the run that the others are compared with; nil of none.
func baseline(list []*record, named *string) (*record, error) {
	if named == nil {
		if len(list) == 0 {
			return nil, nil
		}
		return list[0], nil
	}
	id, err := spec.ParseUUID(*named)
	for _, r := range list {
		if err == nil && r.RunID == id {
			return r, nil
		}
	}
	return nil, spec.InvalidParameter("baseline", "is none of the runs")
}

func (r *record) compared() comparedRun {
	figures := figuresOf(r.series.Returns, r.moments, r.period, r.perYear)
	if r.period == periodDay {
		dayFigures(figures, &r.series)
	}
	return comparedRun{
		RunID: r.RunID, Name: r.Name, DatasetID: r.DatasetID, DatasetSlug: r.DatasetSlug, TargetColumn: r.TargetColumn,
		SearchID: r.SearchID, Status: r.Status, CreatedAt: r.CreatedAt.UTC(), SimulationID: r.SimulationID, Basis: r.series.Basis,
		Why: textOrNull(r.series.Why), Period: r.period, Periods: len(r.series.Returns), PerYear: r.perYear,
		FirstDay: r.first, LastDay: r.last, Figures: figures, Folds: stats.StabilityOf(foldReturns(r.fold)),
	}
}

// metricsOf are the numbers of the runs' summaries.
func metricsOf(list []*record) []comparedMetric {
	byName := map[string][]*float64{}
	for i, r := range list {
		var summary map[string]json.RawMessage
		if json.Unmarshal(r.SummaryMetrics, &summary) != nil {
			continue
		}
		for name, text := range summary {
			var x *float64
			if json.Unmarshal(text, &x) != nil || x == nil {
				continue
			}
			if byName[name] == nil {
				byName[name] = make([]*float64, len(list))
			}
			byName[name][i] = x
		}
	}
	table := []comparedMetric{}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		table = append(table, comparedMetric{"summary_metrics." + name, byName[name]})
	}
	return table
}

// differencesOf compares each run with the baseline on the days that both have.
func differencesOf(list []*record, base *record) []difference {
	list = slices.DeleteFunc(slices.Clone(list), func(r *record) bool { return r == base })
	all := make([]difference, len(list))
	var workers errgroup.Group
	workers.SetLimit(runtime.GOMAXPROCS(0)) // each difference is a bootstrap, and together they are half of the time of a comparison
	for i, r := range list {
		workers.Go(func() error {
			all[i] = differenceOf(r, base)
			return nil
		})
	}
	_ = workers.Wait() // none fails
	return all
}

func differenceOf(r, base *record) difference {
	a, b := common(&r.series, &base.series)
	d := difference{RunID: r.RunID, Periods: len(a)}
	if len(a) == 0 {
		d.Sharpe = stats.NoDifference(stats.NoCommonPeriods)
	} else {
		d.Sharpe = stats.SharpeDifference(a, b, stats.BlockLength(len(a), max(r.holding(), base.holding())))
	}
	return d
}

// common are the returns of two series on the days that both have.
func common(a, b *returns.Series) (x, y []float64) {
	j := 0
	for i, day := range a.Days {
		for j < len(b.Days) && b.Days[j] < day {
			j++
		}
		if j < len(b.Days) && b.Days[j] == day {
			x, y = append(x, a.Returns[i]), append(y, b.Returns[j])
		}
	}
	return x, y
}

// overlayOf is the growth of 1 in each run, on the same days.
func overlayOf(list []*record, points int) overlay {
	var days []int32
	curves := make([][]float64, len(list))
	for i, r := range list {
		days = append(days, r.series.Days...)
		curves[i] = stats.Equity(r.series.Returns[:len(r.series.Days)])[1:] // folds have no days
	}
	slices.Sort(days)
	days = slices.Compact(days)
	o := overlay{Total: len(days), Values: make([][]*float64, len(list))}
	if len(days) > points {
		days = thinned(list, curves, days, points)
	}
	o.Days = dayTexts(days)
	for i, r := range list {
		o.Values[i] = make([]*float64, len(days))
		for j, day := range days {
			if at, ok := slices.BinarySearch(r.series.Days, day); ok {
				o.Values[i][j] = &curves[i][at]
			}
		}
	}
	return o
}

// thinned keeps at most so many days: half of them evenly, the first and the last among them, and of equal spans of each run the lowest and
// the highest, so that no peak or trough is lost.
func thinned(list []*record, curves [][]float64, days []int32, points int) (kept []int32) {
	spans := points / (4 * len(list))
	for i, curve := range curves {
		for span := range spans {
			first := span * len(curve) / spans
			part := curve[first : (span+1)*len(curve)/spans]
			if len(part) > 0 {
				low, high := slices.Index(part, slices.Min(part)), slices.Index(part, slices.Max(part))
				kept = append(kept, list[i].series.Days[first+low], list[i].series.Days[first+high])
			}
		}
	}
	even := points - 2*spans*len(list)
	for i := range even {
		kept = append(kept, days[i*(len(days)-1)/(even-1)])
	}
	slices.Sort(kept)
	return slices.Compact(kept)
}

// holding is how many days a return of the run's target spans.
func (r *record) holding() float64 {
	bar := r.BarIntervalMS
	if bar <= 0 || r.TargetHorizonBars == nil {
		return 1
	}
	return float64(*r.TargetHorizonBars) * float64(bar) / dayMS
}

// alike are what comparable runs have in common, by its name.
func (r *record) alike() map[string]string {
	costs, _ := json.Marshal(flatten(r.CostModel))
	return map[string]string{
		"dataset": r.DatasetSlug, "target": r.TargetColumn, "bar size": r.Granularity, "period": r.period, "basis": r.series.Basis,
		"out-of-sample window": orElse(r.first, "unknown") + " to " + orElse(r.last, "unknown"), "cost model": string(costs),
	}
}

// comparability says in what runs differ that comparable ones have in common.
func comparability(list []*record) []string {
	warnings := []string{}
	values := map[string][]string{}
	for _, r := range list {
		for what, text := range r.alike() {
			if !slices.Contains(values[what], text) {
				values[what] = append(values[what], text)
			}
		}
	}
	for _, what := range slices.Sorted(maps.Keys(values)) {
		if n := len(values[what]); n > 1 {
			warnings = append(warnings, fmt.Sprintf("the runs have %d different values of %s, so that they do not compare", n, what))
		}
	}
	return warnings
}

package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/returns"
	"foldbook/internal/stats"
)

// mostRanked bounds the runs of a leaderboard, and the deleted ones among its trials.
const mostRanked = 1000

// leaderboard is the answer of GetLeaderboard.
type leaderboard struct {
	Search         searchedFor    `json:"search"`
	Metric         string         `json:"metric"`
	Period         *string        `json:"period"`
	Periods        int            `json:"periods"`
	PerYear        *float64       `json:"periods_per_year"`
	FirstDay       *string        `json:"first_day"`
	LastDay        *string        `json:"last_day"`
	BlockLength    float64        `json:"block_length"`
	Trials         trials         `json:"trials"`
	ExpectedMax    stats.Figure   `json:"expected_max_sharpe"`
	Overfit        stats.Overfit  `json:"overfit"`
	Rows           []ranked       `json:"rows"`
	Count          int            `json:"count"`
	Incomparable   []incomparable `json:"incomparable"`
	WithoutReturns []unranked     `json:"without_returns"`
	Warnings       []string       `json:"warnings"`
}

type searchedFor struct {
	SearchID  *string    `json:"search_id"`
	DatasetID *uuid.UUID `json:"dataset_id"`
	Target    *string    `json:"target"`
}

type trials struct {
	Recorded  int64        `json:"recorded"`
	Returns   int          `json:"with_returns"`
	Deleted   int          `json:"deleted_with_returns"`
	Effective stats.Figure `json:"effective"`
}

type ranked struct {
	Rank         int                     `json:"rank"`
	RunID        uuid.UUID               `json:"run_id"`
	Name         *string                 `json:"name"`
	Status       string                  `json:"status"`
	CreatedAt    time.Time               `json:"created_at"`
	SimulationID *uuid.UUID              `json:"simulation_id"`
	Simulations  int64                   `json:"simulations"`
	Basis        string                  `json:"basis"`
	Figures      map[string]stats.Figure `json:"figures"`
}

type incomparable struct {
	RunID   uuid.UUID `json:"run_id"`
	Name    *string   `json:"name"`
	Reasons []string  `json:"reasons"`
}

type unranked struct {
	RunID  uuid.UUID `json:"run_id"`
	Name   *string   `json:"name"`
	Status string    `json:"status"`
}

// GetLeaderboard serves GET /api/leaderboard: {"search": {…}, "trials": {…}, "overfit": {…}, "rows": [{"rank": 1, …}], …}.
func (s *Server) GetLeaderboard(c echo.Context, params spec.GetLeaderboardParams) error {
	if params.SearchID == nil && params.Dataset == nil {
		return spec.InvalidParameter("search_id", "or dataset is needed: they say which runs are trials of one search")
	}
	if params.Target != nil && params.Dataset == nil {
		return spec.InvalidParameter("target", "goes with dataset")
	}
	if params.Metric != nil && !isRankedBy(*params.Metric) {
		return errMetric
	}
	b := &leaderboard{
		Search: searchedFor{SearchID: params.SearchID, Target: params.Target}, Metric: orElse(params.Metric, "sharpe"),
		ExpectedMax: stats.None(stats.NoReturns), Rows: []ranked{}, Incomparable: []incomparable{}, WithoutReturns: []unranked{},
		Warnings: []string{},
	}
	if params.Dataset != nil {
		id, err := s.datasetID(c, *params.Dataset)
		if err != nil {
			return err
		}
		b.Search.DatasetID = &id
	}
	ctx := c.Request().Context()
	list, err := s.family(ctx, b)
	if err != nil {
		return err
	}
	deleted, err := s.DB.ListDeletedReturns(ctx, db.ListDeletedReturnsParams{
		SearchID: b.Search.SearchID, DatasetID: b.Search.DatasetID, TargetColumn: b.Search.Target, PageSize: mostRanked,
	})
	if err != nil {
		return fmt.Errorf("list the returns of deleted trials: %w", err)
	}
	if err := b.rank(list, deleted); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, b)
}

// figuresOfEvidence are those of a run among the trials of its search.
var figuresOfEvidence = []string{"sharpe", "t", "p_value", "dsr", "periods_missing"}

var errMetric = spec.InvalidParameter("metric", "is no figure of the rows, nor summary_metrics. and a name")

// isRankedBy tells that some run may have the figure.
func isRankedBy(metric string) bool {
	for _, period := range []string{periodDay, periodFold} {
		figures := figuresOf(nil, stats.Moments{}, period, nil)
		dayFigures(figures, &returns.Series{})
		if _, ok := figures[metric]; ok {
			return true
		}
	}
	return strings.HasPrefix(metric, "summary_metrics.") || slices.Contains(figuresOfEvidence, metric)
}

// family reads the runs of a search, and how many configurations were ever stored in it.
func (s *Server) family(ctx context.Context, b *leaderboard) ([]*record, error) {
	ids, err := s.DB.ListFamilyRuns(ctx, db.ListFamilyRunsParams{
		SearchID: b.Search.SearchID, DatasetID: b.Search.DatasetID, TargetColumn: b.Search.Target, PageSize: mostRanked + 1,
	})
	if err != nil {
		return nil, fmt.Errorf("list the runs of a search: %w", err)
	}
	if len(ids) > mostRanked {
		ids = ids[:mostRanked]
		b.Warnings = append(b.Warnings,
			fmt.Sprintf("the search has more than %d runs: only the newest are ranked, all count as trials", mostRanked))
	}
	b.Trials.Recorded, err = s.DB.CountTrials(ctx, db.CountTrialsParams{
		SearchID: b.Search.SearchID, DatasetID: b.Search.DatasetID, TargetColumn: b.Search.Target,
	})
	if err != nil {
		return nil, fmt.Errorf("count the trials of a search: %w", err)
	}
	return s.records(ctx, ids, "", false)
}

// rank ranks the runs that compare with most of the others, and lists those that do not.
func (b *leaderboard) rank(list []*record, deleted []db.ListDeletedReturnsRow) error {
	group := b.split(list)
	if len(group) == 0 {
		if len(list) == 0 && b.Trials.Recorded == 0 {
			b.Warnings = append(b.Warnings, "nothing was ever stored in this search")
		}
		b.Overfit = stats.PBO(nil)
		b.Trials.Effective = stats.None(stats.NoReturns)
		return nil
	}
	first := group[0]
	b.Period, b.Periods, b.PerYear, b.FirstDay, b.LastDay = &first.period, len(first.series.Returns), first.perYear, first.first, first.last
	var all [][]float64
	var moments []stats.Moments
	holding := 1.0
	for _, r := range group {
		all, moments, holding = append(all, r.series.Returns), append(moments, r.moments), max(holding, r.holding())
	}
	for i := range deleted {
		if d := &deleted[i]; first.period == periodDay && d.Basis == first.series.Basis && slices.Equal(d.Days, first.series.Days) {
			all, moments = append(all, d.Returns), append(moments, stats.MomentsOf(d.Returns))
			b.Trials.Deleted++
		}
	}
	b.Trials.Returns = len(all)
	b.Trials.Recorded = max(b.Trials.Recorded, int64(len(all)))
	b.BlockLength = stats.BlockLength(b.Periods, holding)
	if n := b.Trials.Recorded - int64(len(all)); n > 0 {
		b.Warnings = append(b.Warnings, fmt.Sprintf("%d of %d trials have no returns that are compared here (they failed, are not comparable, "+
			"or are earlier simulations of a run): they count as if they were like the others", n, b.Trials.Recorded))
	}
	evidence := b.evidence(all, moments)
	for i, r := range group {
		row := ranked{
			RunID: r.RunID, Name: r.Name, Status: r.Status, CreatedAt: r.CreatedAt.UTC(), SimulationID: r.SimulationID,
			Simulations: r.Simulations, Basis: r.series.Basis, Figures: r.compared().Figures,
		}
		row.Figures["sharpe"] = row.Figures["sharpe_per_"+r.period]
		evidence(i, row.Figures)
		b.Rows = append(b.Rows, row)
	}
	return b.sort(group)
}

// evidence computes what is left of the evidence of trials after so many of them, and returns what adds it to the figures of one.
func (b *leaderboard) evidence(all [][]float64, moments []stats.Moments) func(i int, figures map[string]stats.Figure) {
	var sharpes []float64
	blocks, count := make([][]stats.Block, len(all)), blocksFor(len(all))
	for i, r := range all {
		blocks[i] = stats.BlocksOf(r, count)
		if s := moments[i].Sharpe(); s.Value != nil {
			sharpes = append(sharpes, *s.Value)
		}
	}
	n, spread := int(b.Trials.Recorded), stats.Spread(sharpes)
	b.Overfit, b.Trials.Effective = stats.PBO(blocks), stats.EffectiveTrials(all)
	b.ExpectedMax = stats.Of(stats.ExpectedMax(spread, n))
	survivors := stats.MaxT(all, b.BlockLength, n-len(all))
	return func(i int, figures map[string]stats.Figure) {
		m := moments[i]
		figures["t"], figures["p_value"] = m.Sharpe(), m.Sharpe()
		if figures["t"].Value != nil && survivors != nil {
			figures["t"], figures["p_value"] = stats.Of(survivors[i].T), stats.Of(survivors[i].P)
		}
		figures["dsr"] = m.DSR(spread, n)
		figures["periods_missing"] = figures["min_trl"]
		if need := figures["min_trl"].Value; need != nil {
			figures["periods_missing"] = stats.Of(max(0, *need-float64(m.N)))
		}
	}
}

// blocksFor keeps the time for the probability of overfitting within a second: 16 blocks have 12870 halves, 12 have 924.
func blocksFor(trials int) int {
	if trials <= 200 {
		return 16
	}
	return 12
}

// split returns the largest group of runs that compare with each other; the others have the reasons why they do not.
func (b *leaderboard) split(list []*record) []*record {
	groups, largest := map[string][]*record{}, ""
	for _, r := range list {
		if len(r.series.Returns) == 0 {
			b.WithoutReturns = append(b.WithoutReturns, unranked{r.RunID, r.Name, r.Status})
			continue
		}
		text, _ := json.Marshal([]any{r.alike(), r.series.Days, len(r.series.Returns)})
		key := string(text)
		groups[key] = append(groups[key], r)
		if len(groups[key]) > len(groups[largest]) {
			largest = key
		}
	}
	main := groups[largest]
	for _, r := range list {
		if len(r.series.Returns) == 0 || slices.Contains(main, r) {
			continue
		}
		i := incomparable{r.RunID, r.Name, []string{}}
		theirs := main[0].alike()
		for what, text := range r.alike() {
			if text != theirs[what] {
				i.Reasons = append(i.Reasons, fmt.Sprintf("%s is %s, not %s", what, text, theirs[what]))
			}
		}
		if slices.Sort(i.Reasons); len(i.Reasons) == 0 {
			i.Reasons = append(i.Reasons, "its returns are of other "+r.period+"s")
		}
		b.Incomparable = append(b.Incomparable, i)
	}
	return main
}

// lowest are the figures of which the lowest is the best.
var lowest = []string{"p_value", "min_trl", "periods_missing", "ulcer", "sd_per_day", "sd_per_fold"}

// sort ranks the rows by the metric, the best first; those without it are the last.
func (b *leaderboard) sort(group []*record) error {
	value := map[uuid.UUID]stats.Figure{}
	name, summary := strings.CutPrefix(b.Metric, "summary_metrics.")
	for i, r := range group {
		f, ok := b.Rows[i].Figures[b.Metric]
		if summary {
			f, ok = summaryFigure(r.SummaryMetrics, name), true
			b.Rows[i].Figures[b.Metric] = f
		}
		if !ok { // of the other period
			return errMetric
		}
		if slices.Contains(lowest, b.Metric) {
			f = f.Times(-1)
		}
		value[r.RunID] = f
	}
	slices.SortStableFunc(b.Rows, func(x, y ranked) int {
		p, q := value[x.RunID], value[y.RunID]
		switch {
		case p.Value == nil && q.Value == nil, p.Value != nil && q.Value != nil && *p.Value == *q.Value:
			return strings.Compare(x.RunID.String(), y.RunID.String())
		case p.Value == nil || q.Value != nil && *p.Value < *q.Value:
			return 1
		}
		return -1
	})
	for i := range b.Rows {
		b.Rows[i].Rank = i + 1
	}
	b.Count = len(b.Rows)
	return nil
}

// summaryFigure is a number of the summary of a run.
func summaryFigure(summary json.RawMessage, name string) stats.Figure {
	var metrics map[string]json.RawMessage
	var x *float64
	if json.Unmarshal(summary, &metrics) != nil || json.Unmarshal(metrics[name], &x) != nil {
		return stats.None(stats.NoSuchNumber)
	}
	return numberOr(x, stats.NoSuchNumber)
}

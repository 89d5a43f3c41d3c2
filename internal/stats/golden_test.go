package stats

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"
)

// What other libraries say of the same returns; testdata/golden.py made it.
func TestGoldenFigures(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Returns          [][]float64
		Skfolio, JSharpe map[string]float64
		FFN              struct {
			PBO    float64
			Logits []float64
		}
		Arch struct {
			SPA   float64 `json:"spa_upper"`
			StepM []int   `json:"step_m"`
		}
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	r := want.Returns[3]
	m := MomentsOf(r)
	var sharpes []float64
	var blocks [][]Block
	for _, x := range want.Returns {
		sharpes, blocks = append(sharpes, *MomentsOf(x).Sharpe().Value), append(blocks, BlocksOf(x, 16))
	}
	expected := ExpectedMax(Spread(sharpes), len(sharpes))
	paper := Moments{N: 24, Mean: 0.036, SD: 0.079, Skew: -2.448, Kurtosis: 10.164}
	for name, c := range map[string]struct {
		got  Figure
		want float64
	}{
		"skfolio sharpe":       {m.Sharpe(), want.Skfolio["sharpe"]},
		"skfolio skew":         {Of(m.Skew), want.Skfolio["skew"]},
		"skfolio kurtosis":     {Of(m.Kurtosis), want.Skfolio["kurtosis"]},
		"skfolio PSR(0)":       {m.PSR(0), want.Skfolio["psr0"]},
		"skfolio PSR(0.05)":    {m.PSR(0.05), want.Skfolio["psr05"]},
		"skfolio E[max]":       {Of(expected), want.Skfolio["expected_max"]},
		"skfolio DSR":          {m.PSR(expected), want.Skfolio["dsr2014"]},
		"skfolio max drawdown": {MaxDrawdown(r), want.Skfolio["max_drawdown"]},
		"skfolio ulcer":        {Ulcer(r), want.Skfolio["ulcer"]},
		"jsharpe PSR(0)":       {paper.psrAR1(0, 0.2), want.JSharpe["psr0"]},
		"jsharpe PSR(0.1)":     {paper.psrAR1(0.1, 0.2), want.JSharpe["psr1"]},
		"jsharpe MinTRL":       {paper.minTRLAR1(0, 0.05, 0.2), want.JSharpe["min_trl"]},
		"jsharpe sd":           {Of(math.Sqrt(paper.varianceAR1(0.036/0.079, 0.2) / 24)), want.JSharpe["sd"]},
		"ffn PBO":              {PBO(blocks).PBO, want.FFN.PBO},
		"ffn least logit":      {Of(PBO(blocks).Logits[0]), want.FFN.Logits[0]},
		"ffn median logit":     {Of(PBO(blocks).Logits[3]), want.FFN.Logits[1]},
		"paper sd":             {Of(math.Round(1e4*math.Sqrt(paper.varianceAR1(0.036/0.079, 0)/24)) / 1e4), 0.3286},
		"paper MinTRL":         {Of(math.Round(1e4*paper.minTRLAR1(0, 0.05, 0).Or(0)) / 1e4), 13.0288},
		"paper PSR(0)":         {Of(math.Round(1e5*paper.psrAR1(0, 0).Or(0)) / 1e5), 0.98721},
		"paper PSR(0.1)":       {Of(math.Round(1e5*paper.psrAR1(0.1, 0).Or(0)) / 1e5), 0.93915},
	} {
		if c.got.Value == nil || math.Abs(*c.got.Value-c.want) > 1e-9 {
			t.Errorf("%s = %v, want %v", name, c.got.Or(math.NaN()), c.want)
		}
	}
	// The bootstraps draw other numbers, so that p-values are near each other.
	var rejected []int
	least := 1.0
	for i, s := range MaxT(want.Returns, 22, 0) {
		if least = min(least, s.P); s.P <= 0.05 {
			rejected = append(rejected, i)
		}
	}
	if math.Abs(least-want.Arch.SPA) > 0.01 || !slices.Equal(rejected, want.Arch.StepM) {
		t.Errorf("max-t: p = %v, rejected %v; arch has %v and %v", least, rejected, want.Arch.SPA, want.Arch.StepM)
	}
}

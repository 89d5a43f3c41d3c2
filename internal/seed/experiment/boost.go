package experiment

import (
	"slices"

	"gonum.org/v1/gonum/stat"
)

// boosting is how boosted trees are fitted: each corrects what those before it left over, until the last fifth of the rows,
// which no tree is fitted to, is predicted no better.
var boosting = Hyperparameters{
	Model: "gradient_boosting", Objective: "squared_error", Score: "rmse_test_pct", ThresholdMethod: "train_t_statistic",
	LearningRate: 0.05, MaxDepth: 2, MaxRounds: 200, MinRounds: 10, MinBoostRounds: 10, EarlyStoppingRounds: 20,
}

const (
	treeBins    = 16 // places per feature where a tree may cut
	minLeafRows = 40
)

// boostedTrees predict their base and the sum of their values.
type boostedTrees struct {
	base  float64
	trees []*node
}

// node is a cut of the rows, or, without low, a leaf.
type node struct {
	feature    int
	cut, value float64
	low, high  *node // rows below the cut, and the others
}

func (n *node) predict(row []float64) float64 {
	for n.low != nil {
		if row[n.feature] < n.cut {
			n = n.low
		} else {
			n = n.high
		}
	}
	return n.value
}

// predict returns the predicted targets of rows.
func (m boostedTrees) predict(rows [][]float64) []float64 {
	out := make([]float64, len(rows))
	for r, row := range rows {
		out[r] = m.base
		for _, tree := range m.trees {
			out[r] += tree.predict(row)
		}
	}
	return out
}

// fitBoosted fits trees to the first four fifths of the rows and keeps those up to the best round.
func fitBoosted(rows [][]float64, target []float64, h Hyperparameters) boostedTrees {
	fitted := len(rows) * 4 / 5
	m := boostedTrees{base: stat.Mean(target[:fitted], nil)}
	residual := make([]float64, len(target))
	for r, value := range target {
		residual[r] = value - m.base
	}
	g := grower{rows: rows[:fitted], residual: residual, cuts: cutsOf(rows[:fitted]), rate: h.LearningRate}
	all := make([]int, fitted)
	for r := range all {
		all[r] = r
	}
	best, lowest := 0, squares(residual[fitted:])
	for round := 1; round <= h.MaxRounds && (round <= h.MinRounds || round-best <= h.EarlyStoppingRounds); round++ {
		tree := g.grow(all, h.MaxDepth)
		m.trees = append(m.trees, tree)
		for r, row := range rows {
			residual[r] -= tree.predict(row)
		}
		if left := squares(residual[fitted:]); left < lowest {
			best, lowest = round, left
		}
	}
	m.trees = m.trees[:max(best, h.MinRounds)]
	return m
}

func squares(values []float64) (sum float64) {
	for _, v := range values {
		sum += v * v
	}
	return sum
}

// cutsOf are the quantiles of each feature, where trees may cut.
func cutsOf(rows [][]float64) [][]float64 {
	cuts := make([][]float64, len(rows[0]))
	column := make([]float64, len(rows))
	for k := range cuts {
		for r, row := range rows {
			column[r] = row[k]
		}
		slices.Sort(column)
		for b := 1; b < treeBins; b++ {
			cuts[k] = append(cuts[k], column[len(column)*b/treeBins])
		}
	}
	return cuts
}

type grower struct {
	rows     [][]float64
	residual []float64
	cuts     [][]float64
	rate     float64
}

// grow makes a tree of the rows with these numbers: each cut is the one that leaves the smallest squares.
func (g grower) grow(numbers []int, depth int) *node {
	sum := 0.0
	for _, r := range numbers {
		sum += g.residual[r]
	}
	leaf := &node{value: g.rate * sum / float64(len(numbers))}
	best, gain := node{}, sum*sum/float64(len(numbers))
	for k, cuts := range g.cuts {
		for _, cut := range cuts {
			below, count := 0.0, 0
			for _, r := range numbers {
				if g.rows[r][k] < cut {
					below += g.residual[r]
					count++
				}
			}
			if count < minLeafRows || len(numbers)-count < minLeafRows {
				continue
			}
			if got := below*below/float64(count) + (sum-below)*(sum-below)/float64(len(numbers)-count); got > gain {
				best, gain = node{feature: k, cut: cut}, got
			}
		}
	}
	if depth == 0 || best == (node{}) {
		return leaf
	}
	var low, high []int
	for _, r := range numbers {
		if g.rows[r][best.feature] < best.cut {
			low = append(low, r)
		} else {
			high = append(high, r)
		}
	}
	best.low, best.high = g.grow(low, depth-1), g.grow(high, depth-1)
	return &best
}

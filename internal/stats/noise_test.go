package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// search makes the returns of trials that have no skill: rho of each one's variance is common to all, and each return is the mean of
// so many days, as that of trades which overlap.
func search(rng *rand.Rand, trials, periods int, rho float64, overlap int) [][]float64 {
	all, common := make([][]float64, trials), make([]float64, periods+overlap)
	for t := range common {
		common[t] = rng.NormFloat64()
	}
	for i := range all {
		all[i] = make([]float64, periods)
		single := make([]float64, periods+overlap)
		for t := range single {
			single[t] = math.Sqrt(rho)*common[t] + math.Sqrt(1-rho)*rng.NormFloat64()
		}
		for t := range all[i] {
			for h := range overlap {
				all[i][t] += 0.01 * single[t+h] / math.Sqrt(float64(overlap))
			}
		}
	}
	return all
}

// declared is how often the best of a search is declared to be real, by the two figures of the leaderboard.
func declared(rng *rand.Rand, searches, trials, periods int, rho float64, overlap int, block, planted float64) (byMaxT, byDSR float64) {
	for range searches {
		all := search(rng, trials, periods, rho, overlap)
		sharpes := make([]float64, trials)
		for t := range all[0] {
			all[0][t] += planted * 0.01
		}
		best := 0
		for i, r := range all {
			sharpes[i] = MomentsOf(r).Sharpe().Or(0)
			if sharpes[i] > sharpes[best] {
				best = i
			}
		}
		survivors := MaxT(all, block, 0)
		if planted > 0 {
			best = 0
		}
		if survivors[best].P <= 0.05 {
			byMaxT += 1 / float64(searches)
		}
		if MomentsOf(all[best]).DSR(Spread(sharpes), trials).Or(0) >= 0.95 {
			byDSR += 1 / float64(searches)
		}
	}
	return byMaxT, byDSR
}

func TestNoiseIsNotDeclaredReal(t *testing.T) {
	if testing.Short() {
		t.Skip("hundreds of searches, by one goroutine")
	}
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name    string
		rho     float64
		overlap int
		block   float64
		most    float64
	}{
		{"independent", 0, 1, 22, 0.08},
		{"half of it common", 0.5, 1, 22, 0.08},
		{"nearly the same", 0.9, 1, 22, 0.08},
		{"overlapping returns", 0, 5, 25, 0.10},
	} {
		maxT, dsr := declared(rng, 250, 50, 500, c.rho, c.overlap, c.block, 0)
		t.Logf("%s: max-t %.3f, DSR with AR(1) %.3f", c.name, maxT, dsr)
		if maxT > c.most || dsr > c.most {
			t.Errorf("%s: pure noise is declared real in %.3f (max-t) and %.3f (DSR) of the searches, at most %.2f expected",
				c.name, maxT, dsr, c.most)
		}
	}
}

// A true yearly Sharpe ratio of 2.5 and 3.5 among 49 trials without skill.
func TestPlantedSkillIsFound(t *testing.T) {
	if testing.Short() {
		t.Skip("hundreds of searches, by one goroutine")
	}
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct{ yearly, maxT, dsr float64 }{{2.5, 0.70, 0.25}, {3.5, 0.97, 0.85}} {
		maxT, dsr := declared(rng, 25, 50, 1000, 0, 1, 32, c.yearly/math.Sqrt(252))
		t.Logf("a Sharpe ratio of %v a year: max-t %.2f, DSR with AR(1) %.2f", c.yearly, maxT, dsr)
		if maxT < c.maxT || dsr < c.dsr {
			t.Errorf("a Sharpe ratio of %v a year is found in %.2f (max-t) and %.2f (DSR) of the searches", c.yearly, maxT, dsr)
		}
	}
}

// The interval of a difference holds the true one in about 95 of 100 cases.
func TestSharpeDifferenceCovers(t *testing.T) {
	if testing.Short() {
		t.Skip("hundreds of searches, by one goroutine")
	}
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	const cases = 100
	held := 0
	for range cases {
		r := search(rng, 2, 500, 0.6, 1)
		d := SharpeDifference(r[0], r[1], 10)
		if d.Low.Or(1) <= 0 && d.High.Or(-1) >= 0 {
			held++
		}
	}
	if held < 88 {
		t.Errorf("the interval holds the true difference in %d of %d cases", held, cases)
	}
}

// Trials whose returns are gone raise the bar.
func TestLostTrialsCount(t *testing.T) {
	if testing.Short() {
		t.Skip("hundreds of searches, by one goroutine")
	}
	t.Parallel()
	all := search(rand.New(rand.NewPCG(7, 8)), 20, 300, 0, 1)
	for i := range all[0] {
		all[0][i] += 0.002
	}
	few, many := MaxT(all, 17, 0)[0].P, MaxT(all, 17, 80)[0].P
	if !(few < many) {
		t.Errorf("p = %v with 20 trials, %v with 80 more that are gone", few, many)
	}
	if p, q := MomentsOf(all[0]).DSR(0.05, 20), MomentsOf(all[0]).DSR(0.05, 100); !(*q.Value < *p.Value) {
		t.Errorf("DSR = %v of 20 trials, %v of 100", *p.Value, *q.Value)
	}
}

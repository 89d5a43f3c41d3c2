package stats

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// The resamples of the bootstraps. Their random numbers begin with the same seed, so that equal returns have equal answers.
const (
	resamples = 1000
	seed      = 20251
)

func random() *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) } //nolint:gosec // nothing here is secret

// BlockLength is the mean length of blocks for so many periods, which keeps what follows on each other together.
func BlockLength(periods int, holding float64) float64 {
	return max(1, holding, math.Sqrt(float64(periods)))
}

// span is a piece of a resample: so many periods from a first one on.
type span struct{ first, length int }

// stationary resamples periods in blocks of random lengths (Politis & Romano 1994), as their pieces.
func stationary(rng *rand.Rand, periods int, block float64, into []span) []span {
	into = into[:0]
	for left := periods; left > 0; {
		length := 1
		if block > 1 {
			length += int(math.Log(1-rng.Float64()) / math.Log(1-1/block))
		}
		s := span{rng.IntN(periods), min(length, left)}
		into = append(into, s)
		left -= s.length
	}
	return into
}

// prefix has the sums of the first numbers of a series that goes around once more, so that the sum of each piece is one subtraction.
type prefix []float64

func prefixOf(r []float64) prefix {
	p := make(prefix, 2*len(r)+1)
	for i := range 2 * len(r) {
		p[i+1] = p[i] + r[i%len(r)]
	}
	return p
}

func (p prefix) sum(s span) float64 { return p[s.first+s.length] - p[s.first] }

// Survivor is a trial after the search for the best was accounted for.
type Survivor struct {
	T float64 // the mean by its standard error, with the autocorrelation of AR(1)
	P float64 // of the hypothesis that the mean is not above 0, adjusted for all trials
}

// MaxT adjusts the p-values of trials for their number by the distribution of the largest studentised mean (White 2000), stepwise
// (Romano & Wolf 2005, 2016): the trials that are rejected do not count for the next. trials[i] are the returns of trial i in the same
// periods, block the mean length of blocks. lost counts trials whose returns are gone: they count as the others do on average.
func MaxT(trials [][]float64, block float64, lost int) []Survivor {
	all := make([]Survivor, len(trials))
	if len(trials) == 0 || len(trials[0]) < fewest {
		return nil
	}
	draws := bootstrapMeans(trials, block)
	order := make([]int, len(trials))
	for i, d := range draws {
		order[i] = i
		m := MomentsOf(trials[i])
		if m.why() != "" { // it does not vary, and is no evidence
			clear(d)
			continue
		}
		mean, se := m.Mean, m.SD*math.Sqrt((1+m.rho())/(1-m.rho())/float64(m.N))
		shrunk := math.Sqrt(1 - min(0.5, (2*block-1)/float64(m.N))) // blocks take their mean from the same few returns
		all[i].T = mean / se
		for b := range d {
			d[b] = (d[b] - mean) / (se * shrunk)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(all[a].T, all[b].T) })
	largest := slices.Repeat([]float64{math.Inf(-1)}, resamples)
	for _, i := range order { // from the worst, so that the maximum is of it and those below
		above := 1
		for b, t := range draws[i] {
			largest[b] = max(largest[b], t)
			if largest[b] >= all[i].T {
				above++
			}
		}
		all[i].P = float64(above) / (resamples + 1)
	}
	least := 0.0
	for _, i := range slices.Backward(order) {
		least = max(least, all[i].P)
		all[i].P = 1 - math.Pow(1-least, 1+float64(lost)/float64(len(trials)))
	}
	return all
}

// bootstrapMeans are the means of each trial in each resample, which is the same for all trials.
func bootstrapMeans(trials [][]float64, block float64) [][]float64 {
	sums, draws := make([]prefix, len(trials)), make([][]float64, len(trials))
	for i, r := range trials {
		sums[i], draws[i] = prefixOf(r), make([]float64, resamples)
	}
	rng, periods := random(), len(trials[0])
	var pieces []span
	for b := range resamples {
		pieces = stationary(rng, periods, block, pieces)
		for i := range sums {
			sum := 0.0
			for _, s := range pieces {
				sum += sums[i].sum(s)
			}
			draws[i][b] = sum / float64(periods)
		}
	}
	return draws
}

// Difference is the difference between two Sharpe ratios per period with its interval of 95 %.
type Difference struct {
	Value Figure `json:"value"`
	Low   Figure `json:"low"`
	High  Figure `json:"high"`
}

func (d *Difference) undefined(why Why) Difference { return Difference{d.Value, None(why), None(why)} }

// SharpeDifference is that of a over b in the same periods (Ledoit & Wolf 2008): a studentised circular block bootstrap.
func SharpeDifference(a, b []float64, block float64) Difference {
	ma, mb := MomentsOf(a), MomentsOf(b)
	length := min(max(1, int(block)), max(1, len(a)))
	var d Difference
	for _, m := range []Moments{ma, mb} {
		if why := m.why(); why != "" {
			d.Value = None(why)
			return d.undefined(why)
		}
	}
	value := ma.Mean/ma.SD - mb.Mean/mb.SD
	d.Value = Of(value)
	if len(a) < 2*length || len(a) < 10 {
		return d.undefined(TooFewPeriods)
	}
	pair := newPair(a, b)
	whole, se := pair.difference(pair.blocks(len(a), length, nil))
	if se == 0 {
		return d.undefined(NoVariation)
	}
	rng, distances := random(), make([]float64, 0, resamples)
	var pieces []span
	for range resamples {
		pieces = pair.blocks(len(a), length, rng)
		if x, e := pair.difference(pieces); e > 0 {
			distances = append(distances, math.Abs(x-whole)/e)
		}
	}
	slices.Sort(distances)
	half := se * distances[int(0.95*float64(len(distances)-1))]
	d.Low, d.High = Of(value-half), Of(value+half)
	return d
}

// pair is two series and their squares, as sums of pieces.
type pair [4]prefix

func newPair(a, b []float64) *pair {
	square := func(r []float64) []float64 {
		q := make([]float64, len(r))
		for i, x := range r {
			q[i] = x * x
		}
		return q
	}
	return &pair{prefixOf(a), prefixOf(b), prefixOf(square(a)), prefixOf(square(b))}
}

// blocks are those of a resample, or without random numbers those of the series itself.
func (*pair) blocks(periods, length int, rng *rand.Rand) []span {
	list := make([]span, periods/length)
	for i := range list {
		list[i] = span{i * length, length}
		if rng != nil {
			list[i].first = rng.IntN(periods)
		}
	}
	return list
}

// difference is that of the Sharpe ratios in the blocks, and its standard error by the delta method.
func (p *pair) difference(blocks []span) (value, se float64) {
	var v [4]float64
	n := float64(len(blocks) * blocks[0].length)
	for _, s := range blocks {
		for k := range v {
			v[k] += p[k].sum(s) / n
		}
	}
	va, vb := v[2]-v[0]*v[0], v[3]-v[1]*v[1]
	if va <= 0 || vb <= 0 {
		return 0, 0
	}
	sa, sb := math.Pow(va, 1.5), math.Pow(vb, 1.5)
	gradient := [4]float64{v[2] / sa, -v[3] / sb, -v[0] / (2 * sa), v[1] / (2 * sb)}
	sum := 0.0
	for _, s := range blocks {
		y := 0.0
		for k, g := range gradient {
			y += g * (p[k].sum(s) - v[k]*float64(s.length))
		}
		sum += y * y
	}
	return v[0]/math.Sqrt(va) - v[1]/math.Sqrt(vb), math.Sqrt(sum) / n
}

// EffectiveTrials is how many independent trials would vary as much as these do together: the squared sum of the eigenvalues of
// their correlations by the sum of the squares. It is for information: no figure here uses it.
func EffectiveTrials(trials [][]float64) Figure {
	var rows [][]float64
	for _, r := range trials {
		m := MomentsOf(r)
		if m.why() != "" {
			continue
		}
		z := make([]float64, len(r))
		for i, x := range r {
			z[i] = (x - m.Mean) / (m.SD * math.Sqrt(float64(m.N-1)))
		}
		rows = append(rows, z)
	}
	if len(rows) == 0 {
		return None(NoReturns)
	}
	squares := 0.0
	for i, a := range rows {
		for j, b := range rows[:i+1] {
			dot := 0.0
			for t := range a {
				dot += a[t] * b[t]
			}
			if i == j {
				squares += dot * dot
			} else {
				squares += 2 * dot * dot
			}
		}
	}
	return Of(float64(len(rows)*len(rows)) / squares)
}

// NoDifference is that of series which do not compare.
func NoDifference(why Why) Difference { return Difference{None(why), None(why), None(why)} }

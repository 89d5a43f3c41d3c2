package stats

import (
	"math"
	"math/bits"
	"slices"
)

// Block is what the Sharpe ratio of some consecutive returns is made of.
type Block struct{ N, Sum, Squares float64 }

func (b Block) plus(c Block) Block { return Block{b.N + c.N, b.Sum + c.Sum, b.Squares + c.Squares} }

func (b Block) minus(c Block) Block { return Block{b.N - c.N, b.Sum - c.Sum, b.Squares - c.Squares} }

// sharpe is the Sharpe ratio, and 0 of returns that do not vary.
func (b Block) sharpe() float64 {
	v := (b.Squares - b.Sum*b.Sum/b.N) / (b.N - 1)
	if !(v > flat*b.Squares/b.N) {
		return 0
	}
	return b.Sum / b.N / math.Sqrt(v)
}

// BlocksOf sums returns up in equal blocks; those that do not divide are left out at the start, so that the newest stay.
func BlocksOf(r []float64, count int) []Block {
	blocks, length := make([]Block, count), len(r)/count
	r = r[len(r)-count*length:]
	for i, x := range r {
		b := &blocks[i/length]
		*b = b.plus(Block{1, x, x * x})
	}
	return blocks
}

// Overfit is the probability of backtest overfitting, with the distribution that it is from.
type Overfit struct {
	PBO    Figure    `json:"pbo"`
	Logits Quantiles `json:"logits"`
	Splits int       `json:"splits"`
	Blocks int       `json:"blocks"`
	Trials int       `json:"trials"`
}

// Quantiles describe a distribution: its minimum, 5 %, 25 %, 50 %, 75 %, 95 % and its maximum.
type Quantiles []float64

// fewestTrials have a probability of backtest overfitting.
const fewestTrials = 10

// PBO splits the blocks of trials into all halves, takes the trial that is best in one, and looks how it ranks in the other
// (Bailey, Borwein, López de Prado & Zhu 2015). trials[i] are the blocks of trial i, as many of each, an even number.
func PBO(trials [][]Block) Overfit {
	o := Overfit{PBO: None(TooFewTrials), Logits: Quantiles{}, Trials: len(trials)}
	if len(trials) < fewestTrials {
		return o
	}
	o.Blocks = len(trials[0])
	for _, t := range trials {
		if t[0].N < 2 {
			o.PBO = None(TooFewPeriods)
			return o
		}
	}
	logits := logits(trials, o.Blocks)
	o.Splits = len(logits)
	below := 0
	for _, l := range logits {
		if l <= 0 {
			below++
		}
	}
	o.PBO = Share(below, len(logits), TooFewPeriods)
	slices.Sort(logits)
	for _, q := range []float64{0, 0.05, 0.25, 0.5, 0.75, 0.95, 1} {
		o.Logits = append(o.Logits, logits[int(math.Round(q*float64(len(logits)-1)))])
	}
	return o
}

func logits(trials [][]Block, count int) (list []float64) {
	whole := make([]Block, len(trials))
	for i, t := range trials {
		for _, b := range t {
			whole[i] = whole[i].plus(b)
		}
	}
	outside := make([]float64, len(trials))
	for half := range uint(1) << count {
		if bits.OnesCount(half) != count/2 {
			continue
		}
		best, top := 0, math.Inf(-1)
		for i, t := range trials {
			var in Block
			for m := half; m != 0; m &= m - 1 {
				in = in.plus(t[bits.TrailingZeros(m)])
			}
			if s := in.sharpe(); s > top {
				best, top = i, s
			}
			outside[i] = whole[i].minus(in).sharpe()
		}
		w := rank(outside, best) / float64(len(trials)+1)
		list = append(list, math.Log(w/(1-w)))
	}
	return list
}

// rank is the place of a number among others, 1 for the lowest; equal ones have the average of their places.
func rank(x []float64, i int) float64 {
	r := 0.5
	for _, y := range x {
		switch {
		case y < x[i]:
			r++
		case y == x[i]:
			r += 0.5
		}
	}
	return r
}

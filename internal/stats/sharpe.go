package stats

import "math"

// Moments describe the returns of equal periods.
type Moments struct {
	N              int
	Mean, SD       float64 // SD divides by N-1
	Skew, Kurtosis float64 // population moments; the kurtosis of a normal distribution is 3
	Rho            float64 // autocorrelation at lag 1
}

const (
	fewest     = 3     // returns that have a Sharpe ratio and moments
	flat       = 1e-12 // a standard deviation below this part of the mean is rounding
	eulerGamma = 0.57721566490153286
	most       = 0.99 // bound of the autocorrelation, whose variance grows without one
)

// MomentsOf computes the moments of returns.
func MomentsOf(r []float64) Moments {
	m := Moments{N: len(r), Skew: math.NaN(), Kurtosis: math.NaN(), Rho: math.NaN(), SD: math.NaN()}
	n := float64(m.N)
	if m.N == 0 {
		return m
	}
	for _, x := range r {
		m.Mean += x / n
	}
	var s2, s3, s4, lagged float64
	before := 0.0
	for _, x := range r {
		d := x - m.Mean
		s2, s3, s4, lagged = s2+d*d, s3+d*d*d, s4+d*d*d*d, lagged+d*before
		before = d
	}
	if m.N > 1 {
		m.SD = math.Sqrt(s2 / (n - 1))
	}
	if m.SD > flat*math.Abs(m.Mean) {
		v := s2 / n
		m.Skew, m.Kurtosis, m.Rho = s3/n/math.Pow(v, 1.5), s4/n/(v*v), lagged/s2
	}
	return m
}

// why tells why there is no Sharpe ratio; "" when there is one.
func (m Moments) why() Why {
	if m.N < fewest {
		return TooFewPeriods
	}
	if math.IsNaN(m.Rho) {
		return NoVariation
	}
	return ""
}

// Sharpe is the Sharpe ratio per period.
func (m Moments) Sharpe() Figure {
	if why := m.why(); why != "" {
		return None(why)
	}
	return Of(m.Mean / m.SD)
}

// variance1 is N-1 times the variance of the Sharpe ratio (Mertens 2002).
func (m Moments) variance1(s float64) float64 {
	return 1 - m.Skew*s + (m.Kurtosis-1)/4*s*s
}

// PSR is the probabilistic Sharpe ratio (Bailey & López de Prado 2012): how likely the true one is above s0, per period.
func (m Moments) PSR(s0 float64) Figure {
	s := m.Sharpe()
	if s.Value == nil {
		return s
	}
	return Of(cdf((*s.Value - s0) / math.Sqrt(m.variance1(*s.Value)/float64(m.N-1))))
}

// MinTRL is the shortest track record, in periods, that shows a Sharpe ratio above s0 at a level such as 0.05.
func (m Moments) MinTRL(s0, level float64) Figure {
	s := m.Sharpe()
	if s.Value == nil {
		return s
	}
	if *s.Value <= s0 {
		return None(NotPositive)
	}
	return Of(m.variance1(*s.Value) * math.Pow(quantile(1-level)/(*s.Value-s0), 2))
}

// varianceAR1 is N times the variance of the Sharpe ratio when the true one is s0 and returns follow on each other with the
// autocorrelation rho (López de Prado, Lipton & Zoonekynd 2025).
func (m Moments) varianceAR1(s0, rho float64) float64 {
	a := (1 + rho) / (1 - rho)
	b := 1 + rho/(1-rho) + rho*rho/(1-rho*rho)
	c := 1 + 2*rho*rho/(1-rho*rho)
	return a - b*m.Skew*s0 + c*(m.Kurtosis-1)/4*s0*s0
}

// rho bounds the autocorrelation. A negative one would make the variance smaller, which overlapping returns never do.
func (m Moments) rho() float64 { return max(0, min(m.Rho, most)) }

// PSRAR1 is PSR with the variance at the null and autocorrelation.
func (m Moments) PSRAR1(s0 float64) Figure { return m.psrAR1(s0, m.rho()) }

func (m Moments) psrAR1(s0, rho float64) Figure {
	s := m.Sharpe()
	if s.Value == nil {
		return s
	}
	v := m.varianceAR1(s0, rho)
	if v <= 0 {
		return None(OutOfRange)
	}
	return Of(cdf((*s.Value - s0) / math.Sqrt(v/float64(m.N))))
}

// MinTRLAR1 is MinTRL with the variance at the null and autocorrelation.
func (m Moments) MinTRLAR1(s0, level float64) Figure { return m.minTRLAR1(s0, level, m.rho()) }

func (m Moments) minTRLAR1(s0, level, rho float64) Figure {
	s := m.Sharpe()
	if s.Value == nil {
		return s
	}
	if *s.Value <= s0 {
		return None(NotPositive)
	}
	return Of(m.varianceAR1(s0, rho) * math.Pow(quantile(1-level)/(*s.Value-s0), 2))
}

// ExpectedMax is the Sharpe ratio that the best of trials is expected to have by luck alone, when those of trials without any
// skill spread with a standard deviation.
func ExpectedMax(sd float64, trials int) float64 {
	if trials < 2 {
		return 0
	}
	n := float64(trials)
	return sd * ((1-eulerGamma)*quantile(1-1/n) + eulerGamma*quantile(1-1/(n*math.E)))
}

// DSR is the deflated Sharpe ratio (Bailey & López de Prado 2014) with the variance of PSRAR1: how likely the true Sharpe ratio
// is above what the best of so many trials has by luck.
func (m Moments) DSR(sd float64, trials int) Figure { return m.PSRAR1(ExpectedMax(sd, trials)) }

// Spread is the standard deviation of numbers, 0 of fewer than two.
func Spread(x []float64) float64 {
	if len(x) < 2 {
		return 0
	}
	return MomentsOf(x).SD
}

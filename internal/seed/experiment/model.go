package experiment

import (
	"errors"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// ridge is a linear model on standardised features, fitted by ridge regression.
type ridge struct {
	mean, scale []float64
	weight      *mat.VecDense
	intercept   float64
}

// fitRidge solves (X'X + lambda n I) w = X'y on features standardised over the rows given.
func fitRidge(rows [][]float64, target []float64, lambda float64) (ridge, error) {
	n, width := len(rows), len(rows[0])
	m := ridge{mean: make([]float64, width), scale: make([]float64, width), weight: mat.NewVecDense(width, nil)}
	column := make([]float64, n)
	for k := range width {
		for r, row := range rows {
			column[r] = row[k]
		}
		if m.mean[k], m.scale[k] = stat.PopMeanStdDev(column, nil); m.scale[k] == 0 {
			m.scale[k] = 1 // a constant column is 0 after centring, whatever it is divided by
		}
	}
	m.intercept = stat.Mean(target, nil)

	x, y := m.standardise(rows), mat.NewVecDense(n, nil)
	for r, value := range target {
		y.SetVec(r, value-m.intercept)
	}
	gram := mat.NewSymDense(width, nil)
	gram.SymOuterK(1, x.T())
	for k := range width {
		gram.SetSym(k, k, gram.At(k, k)+lambda*float64(n))
	}
	var moment mat.VecDense
	moment.MulVec(x.T(), y)
	var factor mat.Cholesky
	if !factor.Factorize(gram) {
		return ridge{}, errors.New("solve normal equations: matrix is not positive definite")
	}
	if err := factor.SolveVecTo(m.weight, &moment); err != nil {
		return ridge{}, err
	}
	return m, nil
}

// predict returns the predicted targets of rows.
func (m ridge) predict(rows [][]float64) []float64 {
	var out mat.VecDense
	out.MulVec(m.standardise(rows), m.weight)
	for r := range out.Len() {
		out.SetVec(r, out.AtVec(r)+m.intercept)
	}
	return out.RawVector().Data
}

func (m ridge) standardise(rows [][]float64) *mat.Dense {
	x := mat.NewDense(len(rows), len(m.mean), nil)
	for r, row := range rows {
		for k, value := range row {
			x.Set(r, k, (value-m.mean[k])/m.scale[k])
		}
	}
	return x
}

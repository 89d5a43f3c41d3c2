package seed

import (
	"errors"
	"math"
)

// ridge is a linear model on standardised features, fitted by ridge regression.
type ridge struct {
	mean, scale, weight []float64
	intercept           float64
}

// fitRidge solves (X'X + lambda n I) w = X'y on features standardised over the rows given.
func fitRidge(rows [][]float64, target []float64, lambda float64) (ridge, error) {
	n, width := len(rows), len(rows[0])
	m := ridge{mean: make([]float64, width), scale: make([]float64, width)}
	column := make([]float64, n)
	for k := range width {
		for r, row := range rows {
			column[r] = row[k]
		}
		if m.mean[k], m.scale[k] = meanStd(column); m.scale[k] == 0 {
			m.scale[k] = 1 // a constant column is 0 after centring, whatever it is divided by
		}
	}
	m.intercept, _ = meanStd(target)

	gram, moment := make([][]float64, width), make([]float64, width)
	for k := range gram {
		gram[k] = make([]float64, width)
		gram[k][k] = lambda * float64(n)
	}
	for r, row := range rows {
		x := m.standardise(row)
		for k := range x {
			moment[k] += x[k] * (target[r] - m.intercept)
			for l := range k + 1 {
				gram[k][l] += x[k] * x[l]
			}
		}
	}
	var err error
	m.weight, err = solveCholesky(gram, moment)
	return m, err
}

// predict returns the predicted target of one row.
func (m ridge) predict(row []float64) float64 {
	sum := m.intercept
	for k, x := range m.standardise(row) {
		sum += m.weight[k] * x
	}
	return sum
}

// predictAll returns the predicted targets of rows.
func (m ridge) predictAll(rows [][]float64) []float64 {
	out := make([]float64, len(rows))
	for r, row := range rows {
		out[r] = m.predict(row)
	}
	return out
}

func (m ridge) standardise(row []float64) []float64 {
	x := make([]float64, len(row))
	for k := range row {
		x[k] = (row[k] - m.mean[k]) / m.scale[k]
	}
	return x
}

// solveCholesky solves A x = b for a symmetric positive definite A, of which the lower triangle is read
// and overwritten by its Cholesky factor.
func solveCholesky(a [][]float64, b []float64) ([]float64, error) {
	n := len(b)
	for i := range n {
		for j := range i + 1 {
			sum := a[i][j]
			for k := range j {
				sum -= a[i][k] * a[j][k]
			}
			switch {
			case i != j:
				a[i][j] = sum / a[j][j]
			case sum <= 0:
				return nil, errors.New("solve normal equations: matrix is not positive definite")
			default:
				a[i][i] = math.Sqrt(sum)
			}
		}
	}
	x := append([]float64(nil), b...)
	for i := range n {
		for k := range i {
			x[i] -= a[i][k] * x[k]
		}
		x[i] /= a[i][i]
	}
	for i := n - 1; i >= 0; i-- {
		for k := i + 1; k < n; k++ {
			x[i] -= a[k][i] * x[k]
		}
		x[i] /= a[i][i]
	}
	return x, nil
}

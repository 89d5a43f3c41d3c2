package rowread

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Number is a number as it is written: a whole one keeps all its digits.
type Number struct {
	Whole bool // it is written as a whole number, which Int is
	Exact bool // a float gives its digits back
	Int   int64
	Float float64
}

// maxExact is up to where every whole number is a float.
const maxExact = 1 << 53

func wholeNumber(v int64) Number {
	n := Number{Whole: true, Int: v, Float: float64(v)}
	n.Exact = (v <= maxExact && v >= -maxExact) || strconv.FormatFloat(n.Float, 'f', -1, 64) == strconv.FormatInt(v, 10)
	return n
}

func (n Number) String() string {
	if n.Whole {
		return strconv.FormatInt(n.Int, 10)
	}
	return strconv.FormatFloat(n.Float, 'g', -1, 64)
}

// ReadNumber reads a number as other programs write it, not as Go's source code would. Error: strconv.ErrRange or ErrSyntax.
func ReadNumber(text string) (Number, error) {
	fraction := strings.ContainsAny(text, ".eE")
	if !fraction {
		if v, err := strconv.ParseInt(text, 10, 64); err == nil {
			return wholeNumber(v), nil
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return Number{}, strconv.ErrRange
	case err != nil, strings.ContainsAny(text, "xX_"):
		return Number{}, strconv.ErrSyntax
	}
	return Number{Float: v, Exact: fraction || v-v != 0 || strconv.FormatFloat(v, 'f', -1, 64) == strings.TrimPrefix(text, "+")}, nil
}

// thousands are numbers whose digits are grouped by commas.
var thousands = regexp.MustCompile(`^[-+]?\d{1,3}(,\d{3})+(\.\d+)?$`)

// ReadCell reads a cell of CSV. It is missing when it is empty, when it says so in one of the ways that programs have for that,
// and when it is a number that is not finite; a number may have its thousands grouped. What is no number is a text.
func ReadCell(cell string) (n Number, missing bool, err error) {
	switch strings.ToLower(cell) {
	case "", "null", "none", "na", "n/a", "nan", "<na>", "-":
		return n, true, nil
	}
	if strings.IndexByte(cell, ',') > 0 && thousands.MatchString(cell) {
		cell = strings.ReplaceAll(cell, ",", "")
	}
	n, err = ReadNumber(cell)
	return n, err == nil && (math.IsNaN(n.Float) || math.IsInf(n.Float, 0)), err
}

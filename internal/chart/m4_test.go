package chart_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"foldbook/internal/chart"
	"foldbook/internal/rowstream"
	"foldbook/questdb"
)

// rows are a time, a Float and an Int, of which nil is NULL, and a text.
type rows struct {
	at   int
	rows []sample
}

type sample struct {
	t    int64
	x    *float64
	n    *int64
	text string
}

func (r *rows) Next() bool { r.at++; return r.at <= len(r.rows) }
func (r *rows) Err() error { return nil }
func (r *rows) Close()     {}

func (r *rows) Int(i int) (int64, bool) {
	row := r.rows[r.at-1]
	if i == 0 {
		return row.t, true
	}
	if row.n == nil {
		return 0, false
	}
	return *row.n, true
}

func (r *rows) Float(int) (float64, bool) {
	if x := r.rows[r.at-1].x; x != nil {
		return *x, true
	}
	return 0, false
}

func (r *rows) Text(int) ([]byte, bool) { return []byte(r.rows[r.at-1].text), true }

// kept are the numbers of the rows that are to be kept, found by looking at all rows of a pixel column.
func kept(list []sample, g chart.Grid) (numbers []int) {
	for from := 0; from < len(list); {
		to := from
		for to < len(list) && (list[to].t-g.Start)/g.Step == (list[from].t-g.Start)/g.Step {
			to++
		}
		for _, value := range []func(sample) *float64{
			func(s sample) *float64 { return s.x },
			func(s sample) *float64 {
				if s.n == nil {
					return nil
				}
				return new(float64(*s.n))
			},
		} {
			first, low, high, last := -1, -1, -1, -1
			for i := from; i < to; i++ {
				v := value(list[i])
				if v == nil {
					continue
				}
				if first < 0 {
					first, low, high = i, i, i
				}
				if *v < *value(list[low]) {
					low = i
				}
				if *v > *value(list[high]) {
					high = i
				}
				last = i
			}
			if first < 0 { // a series without a value keeps the first row
				first, low, high, last = from, from, from, from
			}
			numbers = append(numbers, first, low, high, last)
		}
		from = to
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

func TestM4(t *testing.T) {
	t.Parallel()
	fields := []rowstream.Field{
		{Name: "timestamp_ms", Kind: questdb.Time, Millis: true}, {Name: "x", Kind: questdb.Float}, {Name: "n", Kind: questdb.Int}, {Name: "text", Kind: questdb.Text},
	}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var list []sample
		at := int64(1000)
		for i := range r.IntN(400) {
			s := sample{t: at, text: string(rune('a' + i%26))}
			if r.IntN(4) > 0 {
				s.x = new(float64(r.IntN(20)))
			}
			if r.IntN(4) > 0 {
				s.n = new(r.Int64N(20))
			}
			list = append(list, s)
			at += r.Int64N(20)
		}
		grid := chart.NewGrid(1000, at, 1+r.Int64N(40))
		m := chart.NewM4(&rows{rows: list}, fields, grid)
		var got []sample
		for m.Next() {
			var s sample
			s.t, _ = m.Int(0)
			if x, ok := m.Float(1); ok {
				s.x = &x
			}
			if n, ok := m.Int(2); ok {
				s.n = &n
			}
			text, _ := m.Text(3)
			s.text = string(text)
			got = append(got, s)
		}
		want := kept(list, grid)
		if len(got) != len(want) || m.Total() != int64(len(list)) {
			t.Fatalf("seed %d: %d rows of %d are kept, want %d of %d", seed, len(got), m.Total(), len(want), len(list))
		}
		for i, n := range want {
			w := list[n]
			if got[i].t != w.t || got[i].text != w.text || (got[i].x == nil) != (w.x == nil) || w.x != nil && *got[i].x != *w.x ||
				(got[i].n == nil) != (w.n == nil) || w.n != nil && *got[i].n != *w.n {
				t.Fatalf("seed %d: row %d is %+v, want row %d, %+v", seed, i, got[i], n, w)
			}
		}
	}
}

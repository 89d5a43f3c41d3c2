package questdb_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foldbook/questdb"
)

func TestExtremes(t *testing.T) {
	t.Parallel()
	onBothPaths(t, func(t *testing.T, c *questdb.Client) {
		table := ensure(t, c, questdb.Spec{Name: name(t), PartitionBy: "MONTH", Columns: []questdb.Column{
			{Name: "s", Type: "SYMBOL"}, {Name: "d", Type: "DOUBLE"}, {Name: "f", Type: "DOUBLE"}, {Name: "n", Type: "LONG"}, {Name: "i", Type: "LONG"}, {Name: "gaps", Type: "DOUBLE"},
		}})
		// Buckets of eight hours: in each d is lowest in the second row (and later ones), highest in the third; n is lowest in the fifth. There is none from 16 to 23.
		fill(t, c, table, 32, func(w *questdb.Writer, i int) {
			if i >= 16 && i < 24 {
				return
			}
			w.Symbol("s", []string{"a", "b"}[i%2])
			w.Float("d", []float64{1, 0, 9, 2, 3, 4, 5, 6}[i%8]-float64(i))
			w.Float("f", float64(i))
			w.Int("n", []int64{5, 6, 7, 8, -1, 9, 10, 11}[i%8])
			w.Int("i", int64(i))
			if i%8 != 0 {
				w.Float("gaps", 1)
			}
		})
		all := questdb.Selection{Table: table}
		search := func(s questdb.Selection, series ...string) questdb.Extremes {
			return questdb.Extremes{Selection: s, Series: series, Start: hour(0), Step: 8 * 3600e6}
		}
		for _, test := range []struct {
			name string
			questdb.Extremes
			want []int // hours
		}{
			// The row of no cells at all between 16 and 23 is NULL in every series.
			{"rising", search(questdb.Selection{Table: table, To: time.UnixMicro(hour(15))}, "f", "i"), []int{0, 7, 8, 15}},
			{"from the inside", search(questdb.Selection{Table: table, To: time.UnixMicro(hour(15))}, "d"), []int{0, 1, 2, 7, 8, 9, 10, 15}},
			{"two series", search(questdb.Selection{Table: table, From: time.UnixMicro(hour(24))}, "f", "n"), []int{24, 28, 31}},
			{"of a symbol", search(questdb.Selection{Table: table, Where: []questdb.Match{{Column: "s", Values: []string{"b"}}}}, "f"), []int{1, 7, 9, 15, 25, 31}},
			{"nothing", search(questdb.Selection{Table: table, From: time.UnixMicro(hour(99))}, "f"), nil},
		} {
			times, ok, err := c.Extremes(t.Context(), test.Extremes)
			if err != nil || !ok {
				t.Errorf("%s: %v, %v", test.name, ok, err)
			}
			var got []int
			for _, at := range times {
				got = append(got, int((at-hour(0))/3600e6))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.name, diff)
			}
		}
		for _, series := range [][]string{{"gaps"}, {"f", "gaps"}, {"d"}, nil} { // d is NULL from 16 to 23
			if times, ok, err := c.Extremes(t.Context(), search(all, series...)); ok || err != nil || times != nil {
				t.Errorf("%v, with a NULL: %v, %v, %v", series, times, ok, err)
			}
		}
		if _, _, err := c.Extremes(t.Context(), search(all, `f" from tables() --`)); err == nil {
			t.Error("a column that is none is looked at")
		}
	})
}

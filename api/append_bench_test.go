package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// BenchmarkAppendRows stores 10,000 rows of 60 columns behind those that are there, in their place, and half of their columns, which
// keeps the other half.
func BenchmarkAppendRows(b *testing.B) {
	h := appendHarness(b)
	name := slug(b)
	h.newSet(name, ownTables(name))
	body := func(first, columns int) string {
		var t strings.Builder
		t.WriteString("timestamp")
		for c := range columns {
			fmt.Fprintf(&t, ",feature_%d", c)
		}
		for i := range 10_000 {
			fmt.Fprintf(&t, "\n%d", 1104537600000+int64(first+i)*60000)
			for c := range columns {
				fmt.Fprintf(&t, ",%v", float64(i*c+first)/7)
			}
		}
		return t.String()
	}
	send := func(b *testing.B, query, body string) {
		if status, a := h.send(http.MethodPost, indicatorsPath()+query, body, "Content-Type", "text/csv"); status != 200 {
			b.Fatal(status, a)
		}
	}
	send(b, "", body(0, 60))
	next := 10_000
	for _, c := range []struct {
		name, query string
		columns     int
		beyond      bool
	}{{"beyond", "", 60, true}, {"beyond, replace", "?replace=true", 60, true}, {"replace", "?replace=true", 60, false}, {"merge 60", "", 60, false}, {"merge 30", "", 30, false}, {"replace by 30", "?replace=true", 30, false}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				first := 0
				if c.beyond {
					first, next = next, next+10_000
				}
				text := body(first, c.columns)
				b.StartTimer()
				send(b, c.query, text)
			}
		})
	}
}

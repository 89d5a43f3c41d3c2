package api_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkSeries answers rows of a million without a network in between.
func BenchmarkSeries(b *testing.B) {
	h := newSeries(b)
	h.sql(`create table $_big as (select timestamp_sequence('2021-01-01', 60000000L) timestamp, rnd_symbol('btc', 'eth') s, rnd_double() * 100 c0,
		rnd_double() c1, rnd_double() c2, rnd_double() c3, rnd_double() c4, rnd_double() c5, rnd_double() c6, rnd_long() l from long_sequence(1000000)) timestamp(timestamp) partition by month wal`)
	base := "/api/datasets/" + h.dataset(h.prefix, h.table("big"), nil).String()
	for _, route := range []struct{ name, path string }{
		{"100Rows", "/indicators?start_ts=2022-03-01T00:00:00Z&end_ts=2022-03-01T01:39:00Z"},
		{"Points1000", "/series?columns=c0&points=1000"},
		{"CSV", "/indicators?format=csv"},
		{"Arrow", "/indicators?format=arrow"},
	} {
		b.Run(route.name, func(b *testing.B) {
			w := &sink{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				w.status, w.bytes = 0, 0
				h.http.ServeHTTP(w, httptest.NewRequest(http.MethodGet, base+route.path, nil))
				if w.status != http.StatusOK {
					b.Fatalf("%s answers %d", route.path, w.status)
				}
			}
			b.SetBytes(w.bytes)
		})
	}
}

func BenchmarkSeriesParallel(b *testing.B) {
	h := newSeries(b)
	h.sql(`create table $_big as (select timestamp_sequence('2021-01-01', 60000000L) timestamp, rnd_symbol('btc', 'eth') s, rnd_double() * 100 c0,
		rnd_double() c1, rnd_double() c2, rnd_double() c3, rnd_double() c4, rnd_double() c5, rnd_double() c6, rnd_long() l from long_sequence(1000000)) timestamp(timestamp) partition by month wal`)
	base := "/api/datasets/" + h.dataset(h.prefix, h.table("big"), nil).String()
	b.ResetTimer()
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		w := &sink{header: http.Header{}}
		for pb.Next() {
			clear(w.header)
			h.http.ServeHTTP(w, httptest.NewRequest(http.MethodGet, base+"/indicators?start_ts=2022-03-01T00:00:00Z&end_ts=2022-03-01T01:39:00Z", nil))
		}
	})
}

package api

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"

	"foldbook/db"
)

// allocated runs f and returns the bytes that it allocated; nothing else may run.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// peak is the most memory that f held at a time, nearly: a collection runs whenever 5 % more are in use.
//
//nolint:paralleltest // it measures what the whole process allocates
func peak(t *testing.T, f func()) uint64 {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	runtime.GC()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	read := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	before := read()
	var most atomic.Uint64
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-done:
				return
			default:
				most.Store(max(most.Load(), read()))
				runtime.Gosched()
			}
		}
	}()
	f()
	close(done)
	<-stopped
	return most.Load() - min(before, most.Load())
}

func TestBodyMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("slow, and -short is given")
	}
	const limit = testLimit
	var b strings.Builder
	b.WriteString(`{"run":{` + runHead + `},"folds":[`)
	for n := 0; b.Len() < limit-4096; n++ {
		if n > 0 {
			b.WriteByte(',')
		}
		b.WriteString(fold(n, numbersOf(n)))
	}
	b.WriteString(`]}`)
	folds := b.String()
	one := `{` + runHead + `,"walk_config":{"text":"` + strings.Repeat("x", limit-4096) + `"}}`
	for name, body := range map[string]string{"folds": folds, "one text": one} {
		var err error
		n := allocated(func() { _, err = readRun(post(body)) })
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes, %.2f of it allocated", name, len(body), float64(n)/float64(len(body)))
		if float64(n) > 2.2*float64(len(body)) {
			t.Errorf("%s: a body of %d bytes allocated %d", name, len(body), n)
		}
	}

	// What a list of short rows becomes is much longer than its JSON: here the peak counts, until the last is stored.
	for name, row := range map[string]string{
		"trades":         trade("2f6b0000-0000-4000-8000-%012d"),
		"minimal trades": `{"side":"long","size":1,"entry_price":1,"entry_timestamp":1735%09d}`,
	} {
		var b strings.Builder
		b.Grow(limit)
		b.WriteString(`{` + simHead + `,"trades":[`)
		n := 0
		for ; b.Len() < limit/4; n++ {
			if n > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, row, n+1)
		}
		b.WriteString(`]}`)
		body, stored := b.String(), 0
		used := peak(t, func() {
			u, err := readSimulation(post(body))
			if err != nil {
				t.Fatal(err)
			}
			if err := u.Trades.store(u.Simulation.SimulationID, func(rows []db.CopyTradesParams) error { stored += len(rows); return nil }); err != nil {
				t.Fatal(err)
			}
		})
		t.Logf("%s: %d bytes, %d rows, %.2f of it at the peak", name, len(body), n, float64(used)/float64(len(body)))
		if float64(used) > 2.2*float64(len(body)) || stored != n {
			t.Errorf("%s: a body of %d bytes took %d; %d rows of %d", name, len(body), used, stored, n)
		}
	}
}

package api_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	ilp "github.com/questdb/go-questdb-client/v4"

	"foldbook/internal/testdb"
	"foldbook/questdb"
)

const appendedRows, appendedColumns = 10_000, 60

// BenchmarkAppend stores 10,000 rows of 60 columns as JSON over HTTP, and the same rows with QuestDB's own client, in
// turns and on the same server. Either way ends when the rows can be read. ratio is the service's rate over the client's.
func BenchmarkAppend(b *testing.B) {
	h := appendHarness(b)
	server := httptest.NewServer(h.http)
	b.Cleanup(server.Close)
	name := slug(b)
	h.newSet(name, ownTables(name))
	names := make([]string, appendedColumns)
	for i := range names {
		names[i] = fmt.Sprintf("feature_%d", i)
	}
	direct, err := h.opts.QuestDB.Ensure(b.Context(), questdb.IndicatorsSpec(name+"_direct", time.Hour, names...))
	if err != nil {
		b.Fatal(err)
	}
	var theirs, ours []time.Duration
	r := rand.New(rand.NewPCG(1, 2))
	for round := 0; b.Loop(); round++ {
		values := make([]float64, appendedRows*appendedColumns)
		for i := range values {
			values[i] = r.NormFloat64()
		}
		first := 1104537600000 + int64(round)*appendedRows*hour/60 // a minute apart
		theirs = append(theirs, sendDirectly(b, h, direct, names, values, first))
		ours = append(ours, sendAsJSON(b, server.URL, names, values, first))
	}
	slices.Sort(theirs)
	slices.Sort(ours)
	b.ReportMetric(appendedRows/theirs[len(theirs)/2].Seconds(), "client_rows/s")
	b.ReportMetric(appendedRows/ours[len(ours)/2].Seconds(), "http_rows/s")
	b.ReportMetric(theirs[len(theirs)/2].Seconds()/ours[len(ours)/2].Seconds(), "ratio")
	b.ReportMetric(0, "ns/op")
}

func sendDirectly(b *testing.B, h *harness, table *questdb.Table, names []string, values []float64, first int64) time.Duration {
	b.Helper()
	ctx := b.Context()
	sender, err := ilp.NewLineSender(ctx, ilp.WithHttp(), ilp.WithAddress(strings.TrimPrefix(testdb.QuestDB(b).HTTPURL(), "http://")),
		ilp.WithProtocolVersion(ilp.ProtocolVersion2), ilp.WithAutoFlushDisabled(), ilp.WithMaxBufferSize(1<<30))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = sender.Close(context.Background()) }()
	began := time.Now()
	for row := range appendedRows {
		sender.Table(table.Name)
		for i, name := range names {
			sender.Float64Column(name, values[row*appendedColumns+i])
		}
		if err := sender.At(ctx, time.UnixMilli(first+int64(row)*hour/60)); err != nil {
			b.Fatal(err)
		}
	}
	if err := sender.Flush(ctx); err != nil {
		b.Fatal(err)
	}
	selection := questdb.Selection{Table: table, From: time.UnixMilli(first)}
	for seen := int64(0); seen < appendedRows; {
		if seen, err = h.opts.QuestDB.Count(ctx, selection); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(began)
}

func sendAsJSON(b *testing.B, url string, names []string, values []float64, first int64) time.Duration {
	b.Helper()
	var body strings.Builder
	body.WriteString(`{"rows": [`)
	for row := range appendedRows {
		if row > 0 {
			body.WriteString(", ")
		}
		fmt.Fprintf(&body, `{"timestamp": %d`, first+int64(row)*hour/60)
		for i, name := range names {
			fmt.Fprintf(&body, `, "%s": %v`, name, values[row*appendedColumns+i])
		}
		body.WriteByte('}')
	}
	body.WriteString("]}")
	text := body.String()
	b.SetBytes(int64(len(text)))
	began := time.Now()
	res, err := http.Post(url+indicatorsPath(), "application/json", strings.NewReader(text))
	if err != nil {
		b.Fatal(err)
	}
	answer, err := io.ReadAll(res.Body)
	took := time.Since(began)
	_ = res.Body.Close()
	if err != nil || res.StatusCode != http.StatusOK {
		b.Fatalf("%d %s %v", res.StatusCode, answer, err)
	}
	return took
}

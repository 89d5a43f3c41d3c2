package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	ilp "github.com/questdb/go-questdb-client/v4"

	"foldbook/questdb"
)

const (
	appendedRows, appendedColumns = 10_000, 60
	appendDataset                 = "6f0e0c3a-52a7-4c1c-9d58-3f1f0e6f9afe"
)

// appender adds rows at times that were not there, each time later ones.
type appender struct {
	client  *questdb.Client
	columns []string
	rows    [][]float64
	next    time.Time
}

// appends compares rows that are posted as JSON with the same rows sent by QuestDB's own client.
func (s *stack) appends(ctx context.Context, v *service) (*contest, error) {
	if err := v.newDataset(ctx, appendDataset, "bench_append"); err != nil {
		return nil, err
	}
	client, err := questdb.New(questdb.Config{HTTPURL: s.questdb.HTTPURL(), PGURL: s.questdb.PGURL()})
	if err != nil {
		return nil, err
	}
	a := &appender{client: client, next: time.Date(2005, 1, 1, 0, 0, 0, 0, time.UTC), rows: make([][]float64, appendedRows)}
	for i := range appendedColumns {
		a.columns = append(a.columns, fmt.Sprintf("feature_%d", i))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range a.rows {
		for range a.columns {
			a.rows[i] = append(a.rows[i], r.NormFloat64())
		}
	}
	direct, err := client.Ensure(ctx, questdb.IndicatorsSpec("bench_append_direct", time.Minute, a.columns...))
	if err != nil {
		return nil, err
	}
	return &contest{
		name: "10,000 rows × 60 added as JSON, to its client", asTime: true, atLeast: 0.6,
		ours:   func(ctx context.Context) (sample, error) { return a.post(ctx, v) },
		theirs: func(ctx context.Context) (sample, error) { return a.send(ctx, s.questDBAddress(), direct) },
	}, nil
}

// time is that of the next row.
func (a *appender) time() time.Time {
	a.next = a.next.Add(time.Minute)
	return a.next
}

// post sends the rows to the service, which answers when they can be read.
func (a *appender) post(ctx context.Context, v *service) (sample, error) {
	objects := make([]map[string]any, len(a.rows))
	for i, row := range a.rows {
		objects[i] = map[string]any{"timestamp": a.time().UnixMilli()}
		for k, name := range a.columns {
			objects[i][name] = row[k]
		}
	}
	body, err := json.Marshal(map[string]any{"rows": objects})
	if err != nil {
		return sample{}, err
	}
	began := time.Now()
	if _, _, err := v.do(ctx, http.MethodPost, "/api/datasets/"+appendDataset+"/indicators/append", body, http.StatusOK); err != nil {
		return sample{}, err
	}
	got := timed(time.Since(began))
	got.bytes = int64(len(body))
	return got, nil
}

// send sends the rows with QuestDB's client and waits until they can be read.
func (a *appender) send(ctx context.Context, address string, table *questdb.Table) (got sample, err error) {
	sender, err := ilp.NewLineSender(ctx, ilp.WithHttp(), ilp.WithAddress(address),
		ilp.WithProtocolVersion(ilp.ProtocolVersion2), ilp.WithAutoFlushDisabled(), ilp.WithMaxBufferSize(1<<30))
	if err != nil {
		return sample{}, err
	}
	defer func() { err = errors.Join(err, sender.Close(ctx)) }()
	first := a.next.Add(time.Minute)
	began := time.Now()
	for _, row := range a.rows {
		sender.Table(table.Name)
		for k, name := range a.columns {
			sender.Float64Column(name, row[k])
		}
		if err := sender.At(ctx, a.time()); err != nil {
			return sample{}, err
		}
	}
	if err := sender.Flush(ctx); err != nil {
		return sample{}, err
	}
	for seen := int64(0); seen < appendedRows; {
		if seen, err = a.client.Count(ctx, questdb.Selection{Table: table, From: first}); err != nil {
			return sample{}, err
		}
	}
	return timed(time.Since(began)), nil
}

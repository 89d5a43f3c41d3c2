package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
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
	values  []float64
	next    int64 // ms
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
	ours := &appender{client: client, next: 1104537600000}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range appendedColumns {
		ours.columns = append(ours.columns, fmt.Sprintf("feature_%d", i))
	}
	for range appendedRows * appendedColumns {
		ours.values = append(ours.values, r.NormFloat64())
	}
	theirs := *ours
	direct, err := client.Ensure(ctx, questdb.IndicatorsSpec("bench_append_direct", time.Minute, ours.columns...))
	if err != nil {
		return nil, err
	}
	return &contest{
		name: "10,000 rows × 60 added as JSON, to its client", asTime: true, atLeast: 0.6,
		ours:   func(ctx context.Context) (sample, error) { return ours.post(ctx, v) },
		theirs: func(ctx context.Context) (sample, error) { return theirs.send(ctx, s.questdb.HTTPURL(), direct) },
	}, nil
}

// post sends the rows to the service, which answers when they can be read.
func (a *appender) post(ctx context.Context, v *service) (sample, error) {
	var body bytes.Buffer
	body.WriteString(`{"rows": [`)
	for row := range appendedRows {
		if row > 0 {
			body.WriteString(", ")
		}
		fmt.Fprintf(&body, `{"timestamp": %d`, a.next)
		for i, name := range a.columns {
			body.WriteString(`, "` + name + `": ` + strconv.FormatFloat(a.values[row*appendedColumns+i], 'g', -1, 64))
		}
		body.WriteByte('}')
		a.next += time.Minute.Milliseconds()
	}
	body.WriteString("]}")
	began := time.Now()
	if _, _, err := v.do(ctx, http.MethodPost, "/api/datasets/"+appendDataset+"/indicators/append", body.Bytes(), http.StatusOK); err != nil {
		return sample{}, err
	}
	got := timed(time.Since(began))
	got.bytes = int64(body.Len())
	return got, nil
}

// send sends the rows with QuestDB's client and waits until they can be read.
func (a *appender) send(ctx context.Context, address string, table *questdb.Table) (got sample, err error) {
	sender, err := ilp.NewLineSender(ctx, ilp.WithHttp(), ilp.WithAddress(strings.TrimPrefix(address, "http://")),
		ilp.WithProtocolVersion(ilp.ProtocolVersion2), ilp.WithAutoFlushDisabled(), ilp.WithMaxBufferSize(1<<30))
	if err != nil {
		return sample{}, err
	}
	defer func() { err = errors.Join(err, sender.Close(ctx)) }()
	first := time.UnixMilli(a.next)
	began := time.Now()
	for row := range appendedRows {
		sender.Table(table.Name)
		for i, name := range a.columns {
			sender.Float64Column(name, a.values[row*appendedColumns+i])
		}
		if err := sender.At(ctx, time.UnixMilli(a.next)); err != nil {
			return sample{}, err
		}
		a.next += time.Minute.Milliseconds()
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

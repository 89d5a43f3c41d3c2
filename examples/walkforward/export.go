package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"foldbook/internal/seed/experiment"
)

// batch is the number of rows of one request.
const batch = 10_000

// exporter sends an experiment and reads it back.
type exporter struct {
	*client
	*experiment.Experiment
	report *report
}

// export sends an experiment piece by piece, in the order in which the pieces refer to each other. Each is read back and
// compared before the next one. All of it may be repeated, after any failure.
func export(ctx context.Context, c *client, e *experiment.Experiment, r *report) error {
	x := exporter{c, e, r}
	dataset, run, simulation := "/api/datasets/"+e.Dataset.ID.String(), "/api/runs/"+e.Run.ID.String(),
		"/api/simulations/"+e.Simulation.ID.String()
	known, err := x.known(ctx, dataset)
	if err != nil {
		return err
	}
	r.begin(c.base, known)
	for _, step := range []struct {
		what  string
		count int
		send  func() error
		check func() (string, error)
	}{
		{"dataset", 1, x.sending(ctx, "/api/datasets", e.Dataset), x.checking(ctx, dataset, e.Dataset)},
		{"bars", e.Bars.Len, x.appending(ctx, dataset+"/ohlcv/append", e.Bars), x.checkingRows(ctx, dataset+"/ohlcv", e.Bars)},
		{"indicators", e.Indicators.Len, x.appending(ctx, dataset+"/indicators/append", e.Indicators),
			x.checkingRows(ctx, dataset+"/indicators", e.Indicators)},
		{"folds of the run", len(e.Folds), x.sending(ctx, "/api/runs", map[string]any{"run": e.Run, "folds": e.Folds}),
			x.checking(ctx, run, x.runAnswer())},
		{"predictions", e.Predictions.Len, x.appending(ctx, run+"/predictions", e.Predictions), x.checkingPredictions(ctx, run)},
		{"buckets of the simulation", len(e.Simulation.Buckets), x.sending(ctx, "/api/simulations", e.Simulation),
			x.checking(ctx, simulation, x.simulationAnswer())},
		{"trades", len(e.Simulation.Trades), func() error { return nil }, x.checkingTrades(ctx, simulation)},
		{"trace", e.Trace.Len, x.appending(ctx, simulation+"/trace", e.Trace), x.checkingRows(ctx, simulation+"/trace", e.Trace)},
		// The counts and bounds that the service has taken from the rows are those that the manifest told.
		{"counts and bounds", 6, func() error { return nil }, x.checking(ctx, dataset, x.datasetAnswer())},
	} {
		if err := c.settle(ctx, step.send, step.check); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		r.stored(step.what, step.count)
	}
	return nil
}

// known asks whether the dataset is there already.
func (x exporter) known(ctx context.Context, dataset string) (known bool, err error) {
	err = x.settle(ctx, func() error {
		_, err := x.get(ctx, dataset)
		refused := new(refusal)
		if errors.As(err, &refused) && refused.status == http.StatusNotFound {
			return nil
		}
		known = err == nil
		return err
	}, func() (string, error) { return "", nil })
	return known, err
}

func (x exporter) sending(ctx context.Context, path string, body any) func() error {
	return func() error {
		_, err := x.post(ctx, path, body)
		return err
	}
}

// appending sends the rows of a series in batches.
func (x exporter) appending(ctx context.Context, path string, s experiment.Series) func() error {
	return func() error {
		rows := make([]json.RawMessage, 0, min(batch, s.Len))
		send := func() error {
			if len(rows) == 0 {
				return nil
			}
			_, err := x.post(ctx, path, map[string]any{"rows": rows})
			rows = rows[:0]
			return err
		}
		for row := range s.Rows {
			object, err := rowObject(s.Columns, row)
			if err != nil {
				return err
			}
			if rows = append(rows, object); len(rows) == batch {
				if err := send(); err != nil {
					return err
				}
			}
		}
		return send()
	}
}

// rowObject is a row as it is posted. Its members are in the order of the columns, because the table is made with the
// columns in the order in which they come.
func rowObject(columns []experiment.Column, row experiment.Row) (json.RawMessage, error) {
	object := fmt.Appendf(nil, `{"timestamp":%d`, row.TimestampMS)
	for k, c := range columns {
		value, err := json.Marshal(row.Cells[k])
		if err != nil {
			return nil, fmt.Errorf("encode %s at %d: %w", c.Name, row.TimestampMS, err)
		}
		object = append(fmt.Appendf(object, ",%q:", c.Name), value...)
	}
	return append(object, '}'), nil
}

// checking reads a record and compares it with what it has to hold.
func (x exporter) checking(ctx context.Context, path string, want any) func() (string, error) {
	return func() (string, error) {
		answer, err := x.get(ctx, path)
		if err != nil {
			return "", err
		}
		sent, err := asSent(want)
		if err != nil {
			return "", err
		}
		return missing(sent, answer, path), nil
	}
}

// asSent is a value as it looks after a way over JSON.
func asSent(v any) (sent any, err error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return sent, d.Decode(&sent)
}

// checkingRows reads a series, of which each row is an object.
func (x exporter) checkingRows(ctx context.Context, path string, s experiment.Series) func() (string, error) {
	return func() (string, error) {
		var rows []map[string]any
		for row := range s.Rows {
			object := map[string]any{"timestamp_ms": row.TimestampMS}
			for k, c := range s.Columns {
				object[c.Name] = row.Cells[k]
			}
			rows = append(rows, object)
		}
		return x.checking(ctx, path, map[string]any{"measurement": s.Measurement, "total": s.Len, "rows": rows})()
	}
}

// checkingPredictions reads the predictions of the run, in which two columns have shorter names and each row is a list.
func (x exporter) checkingPredictions(ctx context.Context, run string) func() (string, error) {
	return func() (string, error) {
		answer, err := x.get(ctx, run+"/predictions?format=json")
		if err != nil {
			return "", err
		}
		place := map[string]int{}
		columns, _ := answer["columns"].([]any)
		for k, name := range columns {
			place[fmt.Sprint(name)] = k
		}
		names := map[string]string{"target_value": "target", "fold_score": "score"}
		var want, got []any
		for row := range x.Predictions.Rows {
			cells := []any{row.TimestampMS}
			for k, c := range x.Predictions.Columns {
				if _, ok := place[orSame(names, c.Name)]; ok {
					cells = append(cells, row.Cells[k])
				}
			}
			want = append(want, cells)
		}
		rows, _ := answer["dataset"].([]any)
		for _, row := range rows {
			read, _ := row.([]any)
			if len(read) != len(columns) {
				return "a row of predictions has not one cell for each column", nil
			}
			cells := []any{read[place["timestamp_ms"]]}
			for _, c := range x.Predictions.Columns {
				if k, ok := place[orSame(names, c.Name)]; ok {
					cells = append(cells, read[k])
				}
			}
			got = append(got, cells)
		}
		for _, name := range []string{"timestamp_ms", "bar_index", "fold_number", "prediction", "target", "long_threshold", "short_threshold",
			"score"} {
			if _, ok := place[name]; !ok {
				return "the predictions have no column " + name, nil
			}
		}
		sent, err := asSent(want)
		if err != nil {
			return "", err
		}
		return missing(sent, got, run+"/predictions"), nil
	}
}

func orSame(names map[string]string, name string) string {
	if other, ok := names[name]; ok {
		return other
	}
	return name
}

// checkingTrades reads the trades, of which the time is a text and what is not a column is in the metadata.
func (x exporter) checkingTrades(ctx context.Context, simulation string) func() (string, error) {
	return func() (string, error) {
		answer, err := x.get(ctx, simulation+"/trades?limit=50000")
		if err != nil {
			return "", err
		}
		found := map[string]any{}
		trades, _ := answer["trades"].([]any)
		for _, t := range trades {
			trade, _ := t.(map[string]any)
			found[fmt.Sprint(trade["trade_id"])] = t
		}
		want := map[string]any{}
		for _, t := range x.Simulation.Trades {
			want[t.ID.String()] = map[string]any{
				"bar_timestamp_ms": t.EntryMS, "side": t.Side, "size": t.Size, "entry_price": t.Entry, "exit_price": t.Exit, "pnl": t.Pnl,
				"return_pct": t.ReturnPct,
				"metadata": map[string]any{"fold_index": t.Fold, "entry_signal": t.EntrySignal, "exit_signal": t.ExitSignal,
					"exit_timestamp": t.ExitMS},
			}
		}
		if len(found) != len(want) {
			return fmt.Sprintf("there are %d trades, not %d", len(found), len(want)), nil
		}
		sent, err := asSent(want)
		if err != nil {
			return "", err
		}
		return missing(sent, found, simulation+"/trades"), nil
	}
}

// runAnswer is what has to be read of the run: its fields, with the folds among them.
func (x exporter) runAnswer() any {
	return struct {
		experiment.Run
		Folds []experiment.Fold `json:"folds"`
	}{x.Run, x.Folds}
}

// simulationAnswer is what has to be read of the simulation: the trades have a route of their own.
func (x exporter) simulationAnswer() any {
	return struct {
		experiment.Simulation
		Trades     any `json:"trades,omitempty"`
		TradeCount int `json:"trade_count"`
	}{x.Simulation, nil, len(x.Simulation.Trades)}
}

// datasetAnswer has the counts and bounds that the service makes from the rows.
func (x exporter) datasetAnswer() any {
	m := x.Dataset.Metadata
	return struct {
		experiment.Dataset
		OHLCVRows      int   `json:"ohlcv_row_count"`
		IndicatorRows  int   `json:"indicator_row_count"`
		FirstOHLCV     int64 `json:"ohlcv_first_ts"`
		LastOHLCV      int64 `json:"ohlcv_last_ts"`
		FirstIndicator int64 `json:"indicator_first_ts"`
		LastIndicator  int64 `json:"indicator_last_ts"`
	}{x.Dataset, m.OHLCVRows, m.IndicatorRows, m.FirstOHLCVTimestamp, m.LastOHLCVTimestamp, m.FirstIndicatorTimestamp,
		m.LastIndicatorTimestamp}
}

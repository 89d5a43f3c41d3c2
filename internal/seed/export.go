package seed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"foldbook/internal/seed/experiment"
)

// piece is a part of an experiment.
type piece struct {
	what   string
	count  int
	series bool // is kept in QuestDB
	path   string
	body   any                                               // is posted there
	check  func(context.Context) (differs string, err error) // reads it back and compares
}

// Export stores an experiment piece by piece, in the order in which the pieces refer to each other. It compares each piece with
// what the service has, sends it if that differs, and reads it back. So it may be repeated after any failure, and a second time it
// sends nothing. done is told of each piece that is there.
func Export(ctx context.Context, url string, e *experiment.Experiment, done func(what string, count int)) error {
	return newClient(url).export(ctx, e, true, done)
}

func (c *client) export(ctx context.Context, e *experiment.Experiment, series bool, done func(what string, count int)) error {
	dataset, run := "/api/datasets/"+e.Dataset.ID.String(), "/api/runs/"+e.Run.ID.String()
	simulation := "/api/simulations/" + e.Simulation.ID.String()
	posted := map[string]any{"run": e.Run, "folds": e.Folds}
	rows := func(what, path, appendPath string, s experiment.Series) piece {
		return piece{what, len(s.Rows), true, appendPath, json.RawMessage(rowsBody(s)), func(ctx context.Context) (string, error) {
			return c.missingRows(ctx, path, s)
		}}
	}
	for _, p := range []piece{
		{"dataset", 1, false, "/api/datasets", e.Dataset, func(ctx context.Context) (string, error) {
			return c.missing(ctx, dataset, struct { // without what the service takes from the rows
				experiment.Dataset
				FirstBar any `json:"first_ohlcv_ts,omitempty"`
				FirstRow any `json:"first_indicator_ts,omitempty"`
			}{Dataset: e.Dataset})
		}},
		rows("bars", dataset+"/ohlcv", dataset+"/ohlcv/append", e.Bars),
		rows("rows of indicators", dataset+"/indicators", dataset+"/indicators/append", e.Indicators),
		{"folds of the run", len(e.Folds), false, "/api/runs?replace=true", posted, func(ctx context.Context) (string, error) {
			return c.missing(ctx, run, struct {
				experiment.Run
				Folds []experiment.Fold `json:"folds"`
			}{e.Run, e.Folds})
		}},
		rows("predictions", run+"/predictions", run+"/predictions", e.Predictions),
		{"trades", len(e.Simulation.Trades), false, "/api/simulations?replace=true", e.Simulation, func(ctx context.Context) (string, error) {
			return c.missingSimulation(ctx, simulation, e.Simulation)
		}},
		rows("rows of the trace", simulation+"/trace", simulation+"/trace", e.Trace),
	} {
		if p.series && !series {
			continue
		}
		if err := c.settle(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", p.what, err)
		}
		done(p.what, p.count)
	}
	return nil
}

// rowsBody is a series as it is posted. The members of a row are in the order of the columns, because the service makes the
// table with the columns in the order in which they come.
func rowsBody(s experiment.Series) []byte {
	body := []byte(`{"rows":[`)
	for i, row := range s.Rows {
		if i > 0 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, `{"timestamp":%d`, row.TimestampMS)
		for k, c := range s.Columns {
			value, _ := json.Marshal(row.Cells[k]) // a number, a text or nothing
			body = append(fmt.Appendf(body, ",%q:", c.Name), value...)
		}
		body = append(body, '}')
	}
	return append(body, "]}"...)
}

// missing reads a record and says what it lacks of the one that was sent.
func (c *client) missing(ctx context.Context, path string, sent any) (differs string, err error) {
	var answer any
	err = c.call(ctx, http.MethodGet, path, nil, func(d *json.Decoder) error { return d.Decode(&answer) })
	if err != nil {
		return "", err
	}
	return missing(asRead(sent), answer, path), nil
}

// missingSimulation reads the trades too, which have a route of their own and most of their members in metadata.
func (c *client) missingSimulation(ctx context.Context, path string, sent experiment.Simulation) (differs string, err error) {
	differs, err = c.missing(ctx, path, struct {
		experiment.Simulation
		Trades     any `json:"trades,omitempty"`
		TradeCount int `json:"trade_count"`
	}{sent, nil, len(sent.Trades)})
	if err != nil || differs != "" {
		return differs, err
	}
	var answer struct{ Trades []map[string]any }
	path += "/trades?limit=50000"
	if err := c.call(ctx, http.MethodGet, path, nil, func(d *json.Decoder) error { return d.Decode(&answer) }); err != nil {
		return "", err
	}
	found := map[string]any{}
	for _, t := range answer.Trades {
		found[fmt.Sprint(t["trade_id"])] = t
	}
	want := map[string]any{}
	for _, t := range sent.Trades {
		want[t.ID.String()] = map[string]any{
			"bar_timestamp_ms": t.EntryMS, "side": t.Side, "size": t.Size, "entry_price": t.Entry, "exit_price": t.Exit,
			"pnl": t.Pnl, "return_pct": t.ReturnPct,
			"metadata": map[string]any{"fold_index": t.Fold, "entry_signal": t.EntrySignal, "exit_signal": t.ExitSignal, "exit_timestamp": t.ExitMS},
		}
	}
	return missing(asRead(want), found, path), nil
}

// readNames are the columns of predictions that have another name, or none, when they are read.
var readNames = map[string]string{"target_value": "target", "fold_score": "score", "fold_profit_factor": ""}

// missingRows reads a series and says which of its rows is not there. Other rows may be there too.
func (c *client) missingRows(ctx context.Context, path string, s experiment.Series) (differs string, err error) {
	names := make([]string, len(s.Columns))
	for k, column := range s.Columns {
		if other, ok := readNames[column.Name]; ok {
			names[k] = other
		} else {
			names[k] = column.Name
		}
	}
	found := map[string]bool{}
	if err := c.call(ctx, http.MethodGet, path+"?format=ndjson", nil, func(d *json.Decoder) error {
		for {
			var row map[string]any
			if err := d.Decode(&row); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			found[rowText(row["timestamp_ms"], names, func(k int) any { return row[names[k]] })] = true
		}
	}); err != nil {
		return "", err
	}
	for _, row := range s.Rows {
		if text := rowText(row.TimestampMS, names, func(k int) any { return row.Cells[k] }); !found[text] {
			return fmt.Sprintf("%s: there is no row %s", path, text), nil
		}
	}
	return "", nil
}

// rowText is a row to compare: numbers that are equal look the same in it, whether they were read or computed.
func rowText(timeMS any, names []string, cell func(k int) any) string {
	cells := []any{timeMS}
	for k, name := range names {
		if name != "" {
			cells = append(cells, cell(k))
		}
	}
	text, _ := json.Marshal(cells) // of what is JSON already
	return string(text)
}

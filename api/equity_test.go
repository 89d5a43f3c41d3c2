package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// traded stores a simulation of a dataset with these trades and returns its path.
func (h *seriesHarness) traded(dataset, run uuid.UUID, trades string) string {
	h.t.Helper()
	id := uuid.New().String()
	h.store("/api/simulations", fmt.Sprintf(`{"simulation_id": %q, "run_id": %q, "dataset_id": %q, "mode": "dual", "status": "COMPLETED", "questdb_namespace": %q, "trades": [%s]}`,
		id, run, dataset, h.table("nothing"), trades), 201)
	return "/api/simulations/" + id
}

type equityAnswer struct {
	Rows []map[string]any
	Columns,
	Warnings []string
	Count, Total int
	Source       string
	Return       float64  `json:"total_return_pct"`
	Drawdown     float64  `json:"max_drawdown_pct"`
	Marked       *float64 `json:"max_marked_drawdown_pct"`
}

func (h *seriesHarness) equity(path string) (a equityAnswer) {
	h.t.Helper()
	if text := readBody(h.t, h.get(path)); json.Unmarshal([]byte(text), &a) != nil || a.Columns == nil {
		h.t.Fatalf("%s: %s", path, text)
	}
	return a
}

func tradeOf(side string, percent, price float64, entry, exit int64, more string) string {
	return fmt.Sprintf(`{"side": %s, "size": 1, "entry_price": %v, "exit_price": 110, "return_pct": %v, "entry_timestamp": %d, "exit_timestamp": %d%s}`,
		side, price, percent, entry, exit, more)
}

const midnight, hourMS = 1704067200000, 3600000

// data-rules.md, Trades and equity: trades of one time stay in the order in which they were sent, or numbered.
func TestTradesOfOneTime(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	dataset := h.dataset(h.prefix, "nowhere", nil)
	run := h.run(dataset, "nowhere", "")
	for _, numbered := range []bool{false, true} {
		var trades []string
		for i := range 6 {
			more, percent := "", []float64{1, -1}[i/3]
			if numbered { // sent backwards
				more, percent = fmt.Sprintf(`, "trade_index": %d`, 5-i), -percent
			}
			trades = append(trades, tradeOf(`"long"`, percent, 100, midnight, midnight+hourMS, more))
		}
		for range 4 { // ids are made of that of the simulation, so each has another order of them
			path := h.traded(dataset, run, strings.Join(trades, ","))
			if got := h.equity(path + "/equity"); got.Return != 0 || got.Drawdown != -3 || got.Count != 6 {
				t.Errorf("numbered: %t: %+v", numbered, got)
			}
			if got := h.equity(path + "/equity?order=entry"); got.Drawdown != -3 {
				t.Errorf("numbered: %t, by entry: %+v", numbered, got)
			}
			for i, next := 0, ""; i < 6; i += 2 {
				var page struct {
					Trades []struct {
						Index int64 `json:"trade_index"`
					}
					Next string
				}
				if err := json.Unmarshal([]byte(readBody(t, h.get(path+"/trades?limit=2"+next))), &page); err != nil || len(page.Trades) != 2 ||
					page.Trades[0].Index != int64(i) || page.Trades[1].Index != int64(i+1) {
					t.Fatalf("numbered: %t: the page from %d on: %v %+v", numbered, i, err, page)
				}
				next = "&cursor=" + page.Next
			}
		}
	}
}

// data-rules.md, Trades and equity: a trade counts at its exit.
func TestEquityOrders(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	dataset := h.dataset(h.prefix, "nowhere", nil)
	path := h.traded(dataset, h.run(dataset, "nowhere", ""), strings.Join([]string{
		tradeOf(`"long"`, -10, 100, midnight, midnight+10*hourMS, ""), tradeOf(`"long"`, 10, 100, midnight+hourMS, midnight+2*hourMS, ""),
		tradeOf(`"long"`, -10, 100, midnight+3*hourMS, midnight+4*hourMS, ""),
	}, ",")) + "/equity"
	for query, want := range map[string][2]float64{
		"": {-10, -20}, "?order=exit": {-10, -20}, "?order=entry": {-10, -10}, "?compounding=true": {-10.9, -19}, "?compounding=true&order=entry": {-10.9, -10.9},
	} {
		if got := h.equity(path + query); !close6(got.Return, want[0]) || !close6(got.Drawdown, want[1]) {
			t.Errorf("%s: %v and %v, want %v", query, got.Return, got.Drawdown, want)
		}
	}
	for query, message := range map[string]string{
		"order=size": "parameter order is not exit or entry", "basis=cost": "parameter basis is not closed or mark",
		"every=day":               "parameter every is not bar or day, or there is no basis=mark",
		"basis=mark&source=trace": "parameter basis mark cannot be combined with source=trace or with order: it goes by the bars",
	} {
		h.refused(path+"?"+query, 400, "invalid_parameter", message)
	}
}

func close6(a, b float64) bool { return a-b < 1e-6 && b-a < 1e-6 }

// data-rules.md, Trades and equity: a simulation without trades has an empty curve.
func TestEquityOfNoTrades(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	dataset := h.dataset(h.prefix, "nowhere", nil)
	path := h.traded(dataset, h.run(dataset, "nowhere", ""), "") + "/equity"
	for _, query := range []string{"", "?source=trades", "?basis=mark", "?basis=mark&every=day&compounding=true"} {
		if got := h.equity(path + query); got.Count != 0 || got.Total != 0 || got.Return != 0 || got.Drawdown != 0 || got.Source != "trades" {
			t.Errorf("%s: %+v", query, got)
		}
	}
	h.refused(path+"?source=trace", 404, "measurement_not_found", "QuestDB has no table "+h.table("nothing"))
}

// data-rules.md, Trades and equity: basis=mark values open trades at the close of each bar or day.
func TestMarkedEquity(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	hourBars(h, "2024-01-01T00:00:00Z", 10) // each closes at its number
	dataset := h.dataset("x"+h.prefix, "nowhere", new(h.table("ohlcv")))
	run := h.run(dataset, "nowhere", "")
	path := h.traded(dataset, run, tradeOf(`"long"`, -50, 4, midnight+4*hourMS, midnight+8*hourMS, "")) + "/equity?basis=mark"
	got := h.equity(path)
	var sums []any
	for _, r := range got.Rows {
		sums = append(sums, r["cumulative_return_pct"], r["open_trades"])
	}
	if fmt.Sprint(sums) != "[0 1 25 1 50 1 -50 0]" || got.Rows[0]["timestamp_ms"] != float64(midnight+4*hourMS) || got.Drawdown != -50 || got.Marked == nil || *got.Marked != -100 {
		t.Errorf("by bars: %v, %+v", sums, got)
	}
	if got := h.equity(path + "&every=day"); len(got.Rows) != 1 || got.Rows[0]["closed_return_pct"] != -50.0 || got.Rows[0]["timestamp_ms"] != float64(midnight) {
		t.Errorf("by days: %+v", got)
	}
	open := h.traded(dataset, run, fmt.Sprintf(`{"side": "short", "size": 1, "entry_price": 4, "entry_timestamp": %d}`, midnight+4*hourMS)) + "/equity?basis=mark&compounding=true"
	if got := h.equity(open); len(got.Rows) != 6 || got.Rows[5]["cumulative_return_pct"] != -100.0 || got.Return != 0 || got.Drawdown != 0 || *got.Marked != -100 {
		t.Errorf("a short trade that is still open while the price more than doubles: %+v", got)
	}
	lost := h.dataset("y"+h.prefix, "nowhere", nil)
	h.refused(h.traded(lost, h.run(lost, "nowhere", ""), tradeOf(`"long"`, 1, 4, midnight, midnight+hourMS, ""))+"/equity?basis=mark", 404, "measurement_not_found",
		"QuestDB has no table y"+h.prefix+"_ohlcv")
}

// data-rules.md, Trades and equity: sides and ids of other programs are taken, and kept as they were.
func TestForeignTrades(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	dataset := h.dataset(h.prefix, "nowhere", nil)
	var trades []string
	given := []string{`"buy"`, `"SELL"`, `"Long"`, `1`, `"-1"`, `"short"`}
	for i, side := range given {
		trades = append(trades, tradeOf(side, 1, 100, midnight+int64(i), midnight+hourMS, fmt.Sprintf(`, "trade_id": %d, "metadata": {"note": "n"}`, i+1)))
	}
	path := h.traded(dataset, h.run(dataset, "nowhere", ""), strings.Join(trades, ","))
	var list struct{ Trades []map[string]any }
	if err := json.Unmarshal([]byte(readBody(t, h.get(path+"/trades"))), &list); err != nil || len(list.Trades) != len(given) {
		t.Fatalf("%v %+v", err, list)
	}
	for i, want := range []string{"long buy", "short SELL", "long Long", "long 1", "short -1", "short <nil>"} {
		m := list.Trades[i]["metadata"].(map[string]any)
		if got := fmt.Sprint(list.Trades[i]["side"], " ", m["original_side"]); got != want || m["original_trade_id"] != float64(i+1) || m["note"] != "n" {
			t.Errorf("trade %d: %v", i, list.Trades[i])
		}
	}
	body := strings.ReplaceAll(strings.Join([]string{tradeOf(`"buy"`, 1, 1, midnight, midnight, `, "trade_id": "x"`), tradeOf(`"buy"`, 1, 1, midnight, midnight, `, "trade_id": "x"`)}, ","), "\n", "")
	status, answer := h.send("PUT", path, fmt.Sprintf(`{"simulation_id": %q, "run_id": %q, "dataset_id": %q, "mode": "dual", "trades": [%s]}`,
		strings.TrimPrefix(path, "/api/simulations/"), uuid.Nil, dataset, body))
	if text := fmt.Sprint(answer["message"]); status != 400 || !strings.HasPrefix(text, "trades[1].trade_id: ") {
		t.Errorf("an id twice: %d %v", status, answer)
	}
}

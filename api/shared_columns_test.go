package api_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foldbook/questdb"
)

// data-rules.md, Tables and names

// A dataset in a shared table has the columns in which it has a value, whatever others store there.
func TestSharedColumns(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	table := h.table("ib")
	h.sql(
		`create table $_ib (timestamp timestamp, dataset symbol, theirs double, regime symbol) timestamp(timestamp) partition by month wal dedup upsert keys(timestamp, dataset)`,
		`insert into $_ib values ('2024-01-01', 'theirs', 1, 'up')`)
	direct := "/api/datasets/" + h.dataset(h.table("direct"), table, nil).String() // its writer has stored no schema
	for i, id := range []string{newDataset, otherDataset} {
		h.store("/api/datasets", fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": "%s_%d", "indicator_measurement": %q}`, id, table, i, table), 201)
		h.store("/api/datasets/"+id+"/indicators/append", fmt.Sprintf(`{"rows": [{"timestamp": 1704067200000, "own_%d": 1, "TGT_%d": 2, "both": %d}]}`, i, i, i), 200)
	}
	h.sql(`insert into $_ib (timestamp, dataset, own_1, regime) values ('2024-01-01', '$_direct', 2, 'down')`)
	names := func(list any, key string) (names []string) {
		for _, v := range list.([]any) {
			if key != "" {
				v = v.(map[string]any)[key]
			}
			names = append(names, v.(string))
		}
		return names
	}
	path := "/api/datasets/" + otherDataset
	for what, c := range map[string]struct{ got, want []string }{
		"features":   {names(h.object(path + "/features")["features"], "name"), []string{"both", "own_1"}},
		"targets":    {names(h.object(path + "/targets")["targets"], "name"), []string{"TGT_1"}},
		"indicators": {names(h.object(path + "/indicators")["columns"], ""), []string{"timestamp_ms", "dataset", "both", "own_1", "TGT_1"}},
		"chart":      {names(h.object(path + "/series?points=8")["columns"], ""), []string{"timestamp_ms", "dataset", "both", "own_1", "TGT_1"}},
		"direct":     {names(h.object(direct + "/indicators")["columns"], ""), []string{"timestamp_ms", "dataset", "regime", "own_1"}},
		"schema":     {names(h.object(path)["column_schema"], "name"), []string{"timestamp", "dataset", "both", "own_1", "TGT_1"}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	if a := h.object(path + "/indicators?columns=theirs"); a["count"] != 1.0 { // what is named is read
		t.Errorf("a named column: %v", a)
	}
}

// A column of whole numbers that somebody else has made becomes one of doubles when it gets a fraction.
func TestWiden(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	table := h.table("ib")
	h.sql(`create table $_ib (timestamp timestamp, dataset symbol, n long, big long) timestamp(timestamp) partition by month wal dedup upsert keys(timestamp, dataset)`,
		`insert into $_ib values ('2024-01-01', 'theirs', 7, 9007199254740993)`)
	h.store("/api/datasets", fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": %q, "indicator_measurement": %q}`, newDataset, table, table), 201)
	for _, value := range []string{"3", "3.5"} {
		h.store(indicatorsPath(), `{"rows": [{"timestamp": 1704067200000, "n": `+value+`}]}`, 200)
		rows := h.object("/api/datasets/" + newDataset + "/indicators")["rows"].([]any)
		if got := fmt.Sprint(rows[0].(map[string]any)["n"]); got != value {
			t.Errorf("%s is read as %s", value, got)
		}
	}
	if rows := h.harness.table(table, questdb.Match{Column: "dataset", Values: []string{"theirs"}}); len(rows) != 1 || rows[0]["n"] != 7.0 || rows[0]["big"] != int64(9007199254740993) {
		t.Errorf("the other dataset: %v", rows)
	}
	if status, a := h.send(http.MethodPost, indicatorsPath(), `{"rows": [{"timestamp": 1704067200000, "big": 0.5}]}`); status != 409 || a["code"] != "conflict" {
		t.Errorf("what a double does not hold: %d %v", status, a)
	}
	if status, a := h.send(http.MethodPost, indicatorsPath(), `{"rows": [{"timestamp": 1704067200000, "n": "x"}]}`); status != 400 {
		t.Errorf("a text: %d %v", status, a)
	}
}

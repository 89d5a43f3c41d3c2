package api

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"foldbook/db"
)

// membersOf are the members of bodies whose names are not those of the columns.
var membersOf = map[string]string{
	"questdb_tag": "dataset_slug", "questdb_measurement": "indicator_measurement", "row_count": "indicator_row_count",
	"first_bar_ts": "indicator_first_ts", "last_bar_ts": "indicator_last_ts",
}

// particular values are those of columns that do not take any value of their type.
var particular = map[string]any{"status": "RUNNING", "mode": "dual", "column_schema": []any{map[string]any{"name": "a"}}, "feature_columns": []any{"a"}, "tags": []any{"a"}}

// bodyFor has a member for every parameter of a query.
func bodyFor(t *testing.T, params reflect.Type) string {
	t.Helper()
	body := map[string]any{}
	for i := range params.NumField() {
		column := params.Field(i).Tag.Get("json")
		name, ok := membersOf[column]
		if !ok {
			name = column
		}
		value, ok := particular[column]
		if !ok {
			value = map[reflect.Type]any{
				reflect.TypeFor[uuid.UUID](): datasetID, reflect.TypeFor[*uuid.UUID](): datasetID, reflect.TypeFor[string](): "a", reflect.TypeFor[*string](): "a", reflect.TypeFor[*int64](): 1,
				reflect.TypeFor[*float64](): 1, reflect.TypeFor[*bool](): true, reflect.TypeFor[*time.Time](): "2026-01-02T12:15:00Z",
				reflect.TypeFor[json.RawMessage](): map[string]any{"a": 1},
			}[params.Field(i).Type]
		}
		body[name] = value
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every parameter of the query that stores a body is read from it: a column that the query takes is not forgotten here.
func TestBodiesFillTheirQueries(t *testing.T) {
	t.Parallel()
	dataset, err := readDataset(post(bodyFor(t, reflect.TypeFor[db.MergeDatasetParams]())))
	if err != nil {
		t.Fatal(err)
	}
	filled(t, "api/upload_dataset.go", dataset.MergeDatasetParams, dataset.Warnings)
	run, err := readRun(post(bodyFor(t, reflect.TypeFor[db.UpsertRunParams]())))
	if err != nil {
		t.Fatal(err)
	}
	filled(t, "api/upload_run.go", run.Run, run.Warnings)
	simulation, err := readSimulation(post(bodyFor(t, reflect.TypeFor[db.UpsertSimulationParams]())))
	if err != nil {
		t.Fatal(err)
	}
	filled(t, "api/upload_simulation.go", simulation.Simulation, simulation.Warnings)
}

func filled(t *testing.T, file string, params any, warnings []string) {
	t.Helper()
	v := reflect.ValueOf(params)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s does not read %s from the body", file, v.Type().Field(i).Tag.Get("json"))
		}
	}
	for _, warning := range warnings {
		t.Errorf("%s: %s", file, warning)
	}
}

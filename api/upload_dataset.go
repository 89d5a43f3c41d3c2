package api

import (
	"strconv"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"foldbook/db"
	"foldbook/internal/httpbody"
	"foldbook/internal/series"
)

// datasetUpload is a posted dataset, checked and ready to be merged into the stored one; nil fields keep the stored values.
type datasetUpload struct {
	db.MergeDatasetParams
	Warnings []string
}

type datasetFields struct {
	DatasetID            *string          `json:"dataset_id"`
	DatasetSlug          *string          `json:"dataset_slug"`
	Symbol               *string          `json:"symbol"`
	Granularity          *string          `json:"granularity"`
	CreatedAt            *string          `json:"created_at"`
	Source               *string          `json:"source"`
	OhlcvMeasurement     *string          `json:"ohlcv_measurement"`
	IndicatorMeasurement *string          `json:"indicator_measurement"`
	OhlcvRowCount        *int64           `json:"ohlcv_row_count"`
	IndicatorRowCount    *int64           `json:"indicator_row_count"`
	BarIntervalMS        *int64           `json:"bar_interval_ms"`
	LookbackRows         *int64           `json:"lookback_rows"`
	OhlcvFirstTS         httpbody.Raw     `json:"ohlcv_first_ts"`
	FirstOhlcvTS         httpbody.Raw     `json:"first_ohlcv_ts"`
	OhlcvLastTS          httpbody.Raw     `json:"ohlcv_last_ts"`
	IndicatorFirstTS     httpbody.Raw     `json:"indicator_first_ts"`
	FirstIndicatorTS     httpbody.Raw     `json:"first_indicator_ts"`
	IndicatorLastTS      httpbody.Raw     `json:"indicator_last_ts"`
	ColumnSchema         httpbody.Raw     `json:"column_schema"`
	Metadata             httpbody.Raw     `json:"metadata"`
	Unknown              httpbody.Unknown `json:",embed"`
}

// readDataset reads a dataset. Fields that are missing at the top level are taken from metadata, the export manifest.
func readDataset(body *httpbody.Body) (*datasetUpload, error) {
	var b datasetFields
	if err := body.Decode(&b); err != nil {
		return nil, err
	}
	f := &httpbody.Fields{}
	metadata := metadataObject(f, b.Metadata)
	u := &datasetUpload{Warnings: append(body.Warnings(), b.Unknown.Warnings("")...), MergeDatasetParams: db.MergeDatasetParams{
		DatasetID:          f.RequiredID("dataset_id", b.DatasetID),
		QuestDBTag:         httpbody.Required(f, "dataset_slug", f.Name("dataset_slug", b.DatasetSlug)),
		Symbol:             f.Name("symbol", b.Symbol),
		Granularity:        f.Name("granularity", b.Granularity),
		CreatedAt:          f.Time("created_at", b.CreatedAt),
		Source:             f.Name("source", b.Source),
		OhlcvMeasurement:   f.Name("ohlcv_measurement", b.OhlcvMeasurement),
		QuestDBMeasurement: f.Name("indicator_measurement", b.IndicatorMeasurement),
		OhlcvRowCount:      f.Count("ohlcv_row_count", b.OhlcvRowCount),
		RowCount:           f.Count("indicator_row_count", b.IndicatorRowCount),
		BarIntervalMS:      known(f.Count("bar_interval_ms", b.BarIntervalMS)),
		LookbackRows:       f.Count("lookback_rows", b.LookbackRows),
		OhlcvFirstTS:       either(f.Moment("ohlcv_first_ts", b.OhlcvFirstTS, false), f.Moment("first_ohlcv_ts", b.FirstOhlcvTS, false)),
		OhlcvLastTS:        f.Moment("ohlcv_last_ts", b.OhlcvLastTS, false),
		FirstBarTS: either(f.Moment("indicator_first_ts", b.IndicatorFirstTS, false),
			f.Moment("first_indicator_ts", b.FirstIndicatorTS, false)),
		LastBarTS:    f.Moment("indicator_last_ts", b.IndicatorLastTS, false),
		ColumnSchema: f.Array("column_schema", b.ColumnSchema, jsontext.KindBeginObject, "objects"),
		Metadata:     metadata,
	}}
	if u.Granularity != nil {
		g := series.CanonicalGranularity(*u.Granularity)
		u.Granularity = &g
	}
	if before(u.OhlcvLastTS, u.OhlcvFirstTS) {
		f.Fail("ohlcv_last_ts", "must not be before ohlcv_first_ts")
	}
	if before(u.LastBarTS, u.FirstBarTS) {
		f.Fail("indicator_last_ts", "must not be before indicator_first_ts")
	}
	if f.Err() != nil {
		return nil, f.Err()
	}
	u.fill()
	return u, nil
}

// metadataObject takes an object, or a text that holds one.
func metadataObject(f *httpbody.Fields, v httpbody.Raw) []byte {
	if jsontext.Value(v).Kind() != jsontext.KindString {
		return f.Object("metadata", v)
	}
	text, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		f.Fail("metadata", "must be an object")
	}
	var object httpbody.Raw
	if len(text) == 0 {
		return nil
	}
	if wrong := httpbody.DecodeJSON(text, &object); wrong != nil {
		what := wrong.What
		if wrong.Path != "" {
			what = wrong.Error()
		}
		f.Fail("metadata", "the text in it "+what)
	}
	return f.Object("metadata", object)
}

// fill takes the fields that are missing beside metadata from it. Metadata belongs to the writer: a value that does not fit
// is not taken, and a warning says so.
func (u *datasetUpload) fill() {
	var m struct {
		Source               httpbody.Raw `json:"source"`
		OhlcvMeasurement     httpbody.Raw `json:"ohlcv_measurement"`
		IndicatorMeasurement httpbody.Raw `json:"indicator_measurement"`
		OhlcvRows            httpbody.Raw `json:"ohlcv_rows"`
		IndicatorRows        httpbody.Raw `json:"indicator_rows"`
		BarIntervalMS        httpbody.Raw `json:"bar_interval_ms"`
		LookbackRows         httpbody.Raw `json:"lookback_rows"`
		FirstOhlcv           httpbody.Raw `json:"first_ohlcv_timestamp_ms"`
		LastOhlcv            httpbody.Raw `json:"last_ohlcv_timestamp_ms"`
		FirstIndicator       httpbody.Raw `json:"first_indicator_timestamp_ms"`
		LastIndicator        httpbody.Raw `json:"last_indicator_timestamp_ms"`
	}
	if u.Metadata == nil || jsonv2.Unmarshal(u.Metadata, &m) != nil {
		return
	}
	take(u, &u.Source, "source", m.Source, nameOf)
	take(u, &u.OhlcvMeasurement, "ohlcv_measurement", m.OhlcvMeasurement, nameOf)
	take(u, &u.QuestDBMeasurement, "indicator_measurement", m.IndicatorMeasurement, nameOf)
	take(u, &u.OhlcvRowCount, "ohlcv_rows", m.OhlcvRows, countOf)
	take(u, &u.RowCount, "indicator_rows", m.IndicatorRows, countOf)
	take(u, &u.BarIntervalMS, "bar_interval_ms", m.BarIntervalMS, countOf)
	u.BarIntervalMS = known(u.BarIntervalMS)
	take(u, &u.LookbackRows, "lookback_rows", m.LookbackRows, countOf)
	take(u, &u.OhlcvFirstTS, "first_ohlcv_timestamp_ms", m.FirstOhlcv, momentIn(nil, u.OhlcvLastTS))
	take(u, &u.OhlcvLastTS, "last_ohlcv_timestamp_ms", m.LastOhlcv, momentIn(u.OhlcvFirstTS, nil))
	take(u, &u.FirstBarTS, "first_indicator_timestamp_ms", m.FirstIndicator, momentIn(nil, u.LastBarTS))
	take(u, &u.LastBarTS, "last_indicator_timestamp_ms", m.LastIndicator, momentIn(u.FirstBarTS, nil))
}

func take[T any](u *datasetUpload, into **T, name string, v httpbody.Raw, read func(*httpbody.Fields, string, httpbody.Raw) *T) {
	if *into != nil || v == nil {
		return
	}
	f := httpbody.Fields{Path: "metadata"}
	if got := read(&f, name, v); f.Err() == nil {
		*into = got
	} else {
		u.Warnings = append(u.Warnings, f.Err().Error()+"; it is not used")
	}
}

func nameOf(f *httpbody.Fields, name string, v httpbody.Raw) *string {
	var text string
	if jsonv2.Unmarshal(v, &text) != nil {
		f.Fail(name, "must be a text")
	}
	return f.Name(name, &text)
}

func countOf(f *httpbody.Fields, name string, v httpbody.Raw) *int64 {
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil {
		f.Fail(name, "must be a whole number")
	}
	return f.Count(name, &n)
}

// momentIn reads a time that is neither before first nor after last.
func momentIn(first, last *time.Time) func(*httpbody.Fields, string, httpbody.Raw) *time.Time {
	return func(f *httpbody.Fields, name string, v httpbody.Raw) *time.Time {
		t := f.Moment(name, v, false)
		switch {
		case before(last, t):
			f.Fail(name, "is after the last one")
		case before(t, first):
			f.Fail(name, "is before the first one")
		}
		return t
	}
}

func before(a, b *time.Time) bool { return a != nil && b != nil && a.Before(*b) }

func either(a, b *time.Time) *time.Time {
	if a != nil {
		return a
	}
	return b
}

// known returns nil for 0 where 0 stands for unknown.
func known(n *int64) *int64 {
	if n != nil && *n == 0 {
		return nil
	}
	return n
}

package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// datasetUpload is a data set as it was posted, checked and ready to be merged into what is stored; nil keeps that.
type datasetUpload struct {
	ID                                     uuid.UUID
	Slug                                   string
	Symbol, Granularity, Source            *string
	OhlcvMeasurement, IndicatorMeasurement *string
	OhlcvRowCount, IndicatorRowCount       *int64
	BarIntervalMS, LookbackRows            *int64
	OhlcvFirst, OhlcvLast                  *time.Time
	IndicatorFirst, IndicatorLast          *time.Time
	ColumnSchema                           json.RawMessage // an array
	Metadata                               json.RawMessage // an object, merged by key at the top
	Warnings                               []string
}

type datasetFields struct {
	DatasetID            *string `json:"dataset_id"`
	DatasetSlug          *string `json:"dataset_slug"`
	Symbol               *string `json:"symbol"`
	Granularity          *string `json:"granularity"`
	Source               *string `json:"source"`
	OhlcvMeasurement     *string `json:"ohlcv_measurement"`
	IndicatorMeasurement *string `json:"indicator_measurement"`
	OhlcvRowCount        *int64  `json:"ohlcv_row_count"`
	IndicatorRowCount    *int64  `json:"indicator_row_count"`
	BarIntervalMS        *int64  `json:"bar_interval_ms"`
	LookbackRows         *int64  `json:"lookback_rows"`
	OhlcvFirstTS         part    `json:"ohlcv_first_ts"`
	FirstOhlcvTS         part    `json:"first_ohlcv_ts"`
	OhlcvLastTS          part    `json:"ohlcv_last_ts"`
	IndicatorFirstTS     part    `json:"indicator_first_ts"`
	FirstIndicatorTS     part    `json:"first_indicator_ts"`
	IndicatorLastTS      part    `json:"indicator_last_ts"`
	ColumnSchema         part    `json:"column_schema"`
	Metadata             part    `json:"metadata"`
	Unknown              unknown `json:",embed"`
}

// readDataset reads a data set. What is not given at the top is taken from metadata, the export manifest.
func readDataset(w http.ResponseWriter, r *http.Request, limit int64) (*datasetUpload, error) {
	var b datasetFields
	if err := decodeBody(w, r, limit, &b); err != nil {
		return nil, err
	}
	f := &fields{}
	metadata, wrong := metadataObject(b.Metadata)
	if wrong != nil {
		return nil, wrong.answer()
	}
	u := &datasetUpload{
		ID:                   f.needID("dataset_id", b.DatasetID),
		Slug:                 need(f, "dataset_slug", f.name("dataset_slug", b.DatasetSlug)),
		Symbol:               f.name("symbol", b.Symbol),
		Granularity:          f.name("granularity", b.Granularity),
		Source:               f.name("source", b.Source),
		OhlcvMeasurement:     f.name("ohlcv_measurement", b.OhlcvMeasurement),
		IndicatorMeasurement: f.name("indicator_measurement", b.IndicatorMeasurement),
		OhlcvRowCount:        f.count("ohlcv_row_count", b.OhlcvRowCount),
		IndicatorRowCount:    f.count("indicator_row_count", b.IndicatorRowCount),
		BarIntervalMS:        known(f.count("bar_interval_ms", b.BarIntervalMS)),
		LookbackRows:         f.count("lookback_rows", b.LookbackRows),
		OhlcvFirst:           either(f.moment("ohlcv_first_ts", b.OhlcvFirstTS), f.moment("first_ohlcv_ts", b.FirstOhlcvTS)),
		OhlcvLast:            f.moment("ohlcv_last_ts", b.OhlcvLastTS),
		IndicatorFirst:       either(f.moment("indicator_first_ts", b.IndicatorFirstTS), f.moment("first_indicator_ts", b.FirstIndicatorTS)),
		IndicatorLast:        f.moment("indicator_last_ts", b.IndicatorLastTS),
		ColumnSchema:         f.array("column_schema", b.ColumnSchema),
		Metadata:             metadata,
		Warnings:             b.Unknown.warnings(""),
	}
	if u.Granularity != nil {
		g := canonicalGranularity(*u.Granularity)
		u.Granularity = &g
	}
	if before(u.OhlcvLast, u.OhlcvFirst) {
		f.fail("ohlcv_last_ts", "must not be before ohlcv_first_ts")
	}
	if before(u.IndicatorLast, u.IndicatorFirst) {
		f.fail("indicator_last_ts", "must not be before indicator_first_ts")
	}
	if f.fault != nil {
		return nil, f.fault.answer()
	}
	u.fill()
	return u, nil
}

// metadataObject takes an object, or a text that holds one.
func metadataObject(v part) ([]byte, *fault) {
	if jsontext.Value(v).Kind() != jsontext.KindString {
		if v == nil {
			return nil, nil
		}
		return v, checkKind("metadata", jsontext.Value(v), '{')
	}
	text, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return nil, invalidBody("metadata", "must be an object")
	}
	if len(text) == 0 {
		return nil, nil
	}
	var object part
	if wrong := decodeJSON(text, &object); wrong != nil {
		what := wrong.what
		if wrong.path != "" {
			what = wrong.Error()
		}
		return nil, invalidBody("metadata", "the text in it "+what)
	}
	return object, checkKind("metadata", jsontext.Value(object), '{')
}

// fill takes from metadata what is not given beside it. Metadata is the writer's own: what does not fit there is not
// taken, and said.
func (u *datasetUpload) fill() {
	var m struct {
		Source               part `json:"source"`
		OhlcvMeasurement     part `json:"ohlcv_measurement"`
		IndicatorMeasurement part `json:"indicator_measurement"`
		OhlcvRows            part `json:"ohlcv_rows"`
		IndicatorRows        part `json:"indicator_rows"`
		BarIntervalMS        part `json:"bar_interval_ms"`
		LookbackRows         part `json:"lookback_rows"`
		FirstOhlcv           part `json:"first_ohlcv_timestamp_ms"`
		LastOhlcv            part `json:"last_ohlcv_timestamp_ms"`
		FirstIndicator       part `json:"first_indicator_timestamp_ms"`
		LastIndicator        part `json:"last_indicator_timestamp_ms"`
	}
	if u.Metadata == nil || jsonv2.Unmarshal(u.Metadata, &m) != nil {
		return
	}
	take(u, &u.Source, "source", m.Source, (*fields).nameOf)
	take(u, &u.OhlcvMeasurement, "ohlcv_measurement", m.OhlcvMeasurement, (*fields).nameOf)
	take(u, &u.IndicatorMeasurement, "indicator_measurement", m.IndicatorMeasurement, (*fields).nameOf)
	take(u, &u.OhlcvRowCount, "ohlcv_rows", m.OhlcvRows, (*fields).countOf)
	take(u, &u.IndicatorRowCount, "indicator_rows", m.IndicatorRows, (*fields).countOf)
	take(u, &u.BarIntervalMS, "bar_interval_ms", m.BarIntervalMS, (*fields).countOf)
	u.BarIntervalMS = known(u.BarIntervalMS)
	take(u, &u.LookbackRows, "lookback_rows", m.LookbackRows, (*fields).countOf)
	take(u, &u.OhlcvFirst, "first_ohlcv_timestamp_ms", m.FirstOhlcv, func(f *fields, name string, v part) *time.Time {
		return f.notAfter(name, f.moment(name, v), u.OhlcvLast)
	})
	take(u, &u.OhlcvLast, "last_ohlcv_timestamp_ms", m.LastOhlcv, func(f *fields, name string, v part) *time.Time {
		return f.notBefore(name, f.moment(name, v), u.OhlcvFirst)
	})
	take(u, &u.IndicatorFirst, "first_indicator_timestamp_ms", m.FirstIndicator, func(f *fields, name string, v part) *time.Time {
		return f.notAfter(name, f.moment(name, v), u.IndicatorLast)
	})
	take(u, &u.IndicatorLast, "last_indicator_timestamp_ms", m.LastIndicator, func(f *fields, name string, v part) *time.Time {
		return f.notBefore(name, f.moment(name, v), u.IndicatorFirst)
	})
}

func take[T any](u *datasetUpload, into **T, name string, v part, read func(*fields, string, part) *T) {
	if *into != nil || v == nil {
		return
	}
	f := fields{path: "metadata"}
	if got := read(&f, name, v); f.fault == nil {
		*into = got
	} else {
		u.Warnings = append(u.Warnings, f.fault.Error()+"; it is not used")
	}
}

func (f *fields) nameOf(name string, v part) *string {
	var text string
	if jsonv2.Unmarshal(v, &text) != nil {
		f.fail(name, "must be a text")
	}
	return f.name(name, &text)
}

func (f *fields) countOf(name string, v part) *int64 {
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil {
		f.fail(name, "must be a whole number")
	}
	return f.count(name, &n)
}

func (f *fields) notAfter(name string, t, last *time.Time) *time.Time {
	if before(last, t) {
		f.fail(name, "is after the last one")
	}
	return t
}

func (f *fields) notBefore(name string, t, first *time.Time) *time.Time {
	if before(t, first) {
		f.fail(name, "is before the first one")
	}
	return t
}

func before(a, b *time.Time) bool { return a != nil && b != nil && a.Before(*b) }

func either(a, b *time.Time) *time.Time {
	if a != nil {
		return a
	}
	return b
}

// known makes nothing of 0 where 0 stands for unknown.
func known(n *int64) *int64 {
	if n != nil && *n == 0 {
		return nil
	}
	return n
}

var granularityUnits = []struct {
	name string
	ms   int64
}{{"ms", 1}, {"min", 60_000}, {"s", 1000}, {"m", 60_000}, {"h", 3_600_000}, {"d", 86_400_000}}

// canonicalGranularity writes a bar length in the largest unit that fits whole: 240m is 4h, 1440m is 1d. Lengths that
// are not whole minutes, and texts that are no lengths, stay as they are.
func canonicalGranularity(text string) string {
	for _, unit := range granularityUnits {
		digits, ok := strings.CutSuffix(text, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 31)
		if err != nil || n == 0 {
			return text
		}
		ms := int64(n) * unit.ms
		for _, to := range []struct {
			name string
			ms   int64
		}{{"d", 86_400_000}, {"h", 3_600_000}, {"m", 60_000}} {
			if ms%to.ms == 0 {
				return strconv.FormatInt(ms/to.ms, 10) + to.name
			}
		}
		return text
	}
	return text
}

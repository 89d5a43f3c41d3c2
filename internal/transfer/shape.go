package transfer

import (
	"errors"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// source is the answer that an export is made of. That of datasets is the older route, because it alone tells what is
// null and has times to the microsecond.
var source = map[Kind]string{
	Dataset:    "/api/indicators/datasets/",
	Run:        "/api/runs/",
	Simulation: "/api/simulations/",
}

// shape is what becomes of the members of an object on the way from an answer to an upload. Those that it does not name
// are copied, so that a field that is added later is not lost.
type shape map[string]member

type member struct {
	name  string // in the upload; empty: it is left out
	items shape  // of the objects in an array
}

func omit(names ...string) shape {
	s := shape{}
	for _, name := range names {
		s[name] = member{}
	}
	return s
}

func (s shape) with(name string, m member) shape {
	s[name] = m
	return s
}

var shapes = map[Kind]shape{
	Dataset: omit("updated_at", "version").
		with("questdb_tag", member{name: "dataset_slug"}).
		with("questdb_measurement", member{name: "indicator_measurement"}).
		with("row_count", member{name: "indicator_row_count"}).
		with("first_bar_ts", member{name: "indicator_first_ts"}).
		with("last_bar_ts", member{name: "indicator_last_ts"}),
	Run: omit("version", "dataset_slug", "fold_count", "total_folds", "fold_offset", "has_more_folds").
		with("folds", member{name: "folds", items: omit("run_id")}),
	Simulation: omit("version", "trade_count").
		with("buckets", member{name: "buckets", items: omit("simulation_id")}),
}

// tradeShape leaves out what an upload would take for a writer's own field, or says twice.
var tradeShape = omit("simulation_id", "bar_timestamp_ms", "created_at")

// copy copies an object but for its end, so that more members can follow. Values go over as the text that they are.
func (s shape) copy(enc *jsontext.Encoder, dec *jsontext.Decoder) error {
	if err := enc.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	return members(dec, func(name string) error {
		m, known := s[name]
		switch {
		case !known:
			m.name = name
		case m.name == "":
			return cutOff(dec.SkipValue())
		}
		if err := enc.WriteToken(jsontext.String(m.name)); err != nil {
			return err
		}
		if m.items == nil || dec.PeekKind() != jsontext.KindBeginArray {
			v, err := dec.ReadValue()
			if err != nil {
				return cutOff(err)
			}
			return enc.WriteValue(v)
		}
		if err := enc.WriteToken(jsontext.BeginArray); err != nil {
			return err
		}
		if err := elements(dec, func() error { return m.items.object(enc, dec) }); err != nil {
			return err
		}
		return enc.WriteToken(jsontext.EndArray)
	})
}

// object copies a whole object.
func (s shape) object(enc *jsontext.Encoder, dec *jsontext.Decoder) error {
	if err := s.copy(enc, dec); err != nil {
		return err
	}
	return enc.WriteToken(jsontext.EndObject)
}

var errNoFoldbook = &permanentError{errors.New("the answer is not what a foldbook server sends")}

// members calls f at the value of each member of an object.
func members(dec *jsontext.Decoder, f func(name string) error) error {
	t, err := dec.ReadToken()
	if err != nil {
		return cutOff(err)
	} else if t.Kind() != jsontext.KindBeginObject {
		return errNoFoldbook
	}
	for {
		t, err := dec.ReadToken()
		if err != nil {
			return cutOff(err)
		} else if t.Kind() == jsontext.KindEndObject {
			return nil
		}
		if err := f(t.String()); err != nil {
			return err
		}
	}
}

// elements calls f at each element of an array.
func elements(dec *jsontext.Decoder, f func() error) error {
	if _, err := dec.ReadToken(); err != nil {
		return cutOff(err)
	}
	for dec.PeekKind() != jsontext.KindEndArray {
		if err := f(); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return cutOff(err)
}

// cutOff keeps an answer that ends early, which may be whole the next time, apart from one that is not what was asked for.
func cutOff(err error) error {
	syntax, kind := new(jsontext.SyntacticError), new(json.SemanticError)
	if (errors.As(err, &syntax) && !errors.Is(err, io.ErrUnexpectedEOF)) || errors.As(err, &kind) {
		return errNoFoldbook
	}
	return err
}

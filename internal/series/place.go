// Package series finds the rows of a dataset, run or simulation in QuestDB, reads them, and keeps what the record in PostgreSQL
// says about them up to date.
package series

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"foldbook/questdb"
)

// Kind is what rows are.
type Kind uint8

// The kinds of rows.
const (
	Bars Kind = iota
	Indicators
	Predictions
	Trace
)

func (k Kind) String() string { return [...]string{"bars", "indicators", "predictions", "trace"}[k] }

// shared is the shared table of a kind, its symbol column with the owner of each row, and a column that only tables of a
// single owner have.
func (k Kind) shared() (table, key, own string) {
	switch k {
	case Predictions:
		return questdb.SharedPredictions, "run_id", ""
	case Trace:
		return questdb.SharedTraces, "simulation_id", "trade_index"
	}
	return questdb.SharedIndicators, "dataset", ""
}

// Place is where rows are.
type Place struct {
	Table  *questdb.Table // nil: there is none yet
	Name   string         // of the table
	Shared bool
	Where  []questdb.Match // in a shared table
}

// Selection is all the rows.
func (p *Place) Selection() questdb.Selection {
	return questdb.Selection{Table: p.Table, Where: p.Where}
}

// Find looks for the table of a measurement. In a shared table the rows are those with one of the names; empty names are
// ignored. A missing table, or an invalid name, is no error. Errors are those of a read.
func Find(ctx context.Context, client *questdb.Client, kind Kind, measurement string, names ...string) (*Place, error) {
	table, key, own := kind.shared()
	p := &Place{Name: strings.ToLower(measurement)}
	var err error
	p.Table, err = client.Table(ctx, measurement)
	if errors.Is(err, questdb.ErrNoTable) || errors.Is(err, questdb.ErrInvalidName) {
		p.Table = nil
	} else if err != nil {
		return nil, fmt.Errorf("look up table %s: %w", measurement, err)
	}
	p.Shared = p.Name == table && kind != Bars
	if p.Table != nil && !p.Shared {
		column, ok := p.Table.Column(key)
		_, alone := p.Table.Column(own)
		p.Shared = ok && column.Type == "SYMBOL" && !alone
	}
	if p.Shared {
		p.Where = []questdb.Match{{Column: key, Values: slices.DeleteFunc(names, func(name string) bool { return name == "" })}}
	}
	return p, nil
}

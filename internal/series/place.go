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

// own are the columns with values of the place's rows: all of a table that is its own. A shared one has the columns of all others too:
// they are those that every owner has, and those that the record lists. When it lists none, QuestDB is asked.
func (p *Place) own(ctx context.Context, client *questdb.Client, kind Kind, names []string) ([]questdb.Column, error) {
	if !p.Shared {
		return p.Table.Columns, nil
	}
	common := questdb.Table{Columns: kind.common()}
	var others []string
	columns := slices.DeleteFunc(slices.Clone(p.Table.Columns), func(c questdb.Column) bool {
		_, every := common.Column(c.Name)
		if every || c.Designated || c.Key || slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, c.Name) }) {
			return false
		}
		others = append(others, c.Name)
		return true
	})
	if len(names) > 0 || len(others) == 0 {
		return columns, nil
	}
	filled, err := client.Filled(ctx, p.Selection(), others)
	if err != nil {
		return nil, fmt.Errorf("look for the columns of %s: %w", p.Name, err)
	}
	return slices.DeleteFunc(slices.Clone(p.Table.Columns), func(c questdb.Column) bool {
		return slices.Contains(others, c.Name) && !slices.Contains(filled, c.Name)
	}), nil
}

// common are the columns that every owner of rows in the shared table has.
func (k Kind) common() []questdb.Column {
	switch k {
	case Bars:
		return questdb.BarsSpec("", 0).Columns
	case Predictions:
		return questdb.PredictionsSpec(questdb.SharedPredictions).Columns
	case Trace:
		return questdb.TracesSpec(questdb.SharedTraces).Columns
	}
	return questdb.IndicatorsSpec(questdb.SharedIndicators, 0).Columns
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

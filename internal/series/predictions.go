package series

import (
	"slices"
	"strconv"
	"strings"

	"foldbook/api/spec"
	"foldbook/internal/rowstream"
	"foldbook/questdb"
)

// predictionColumns are the columns of predictions, each with the names that tables use for it.
var predictionColumns = []struct {
	name    string
	sources []string
}{
	{"bar_index", []string{"bar_index"}},
	{"fold_number", []string{"fold_number", "fold"}},
	{"prediction", []string{"prediction", "prediction_value"}},
	{"target", []string{"target_value", "target"}},
	{"long_threshold", []string{"long_threshold"}},
	{"short_threshold", []string{"short_threshold"}},
	{"roc_threshold", []string{"roc_threshold"}},
	{"short_entry_threshold", []string{"short_entry_threshold"}},
	{"score", []string{"fold_score", "score", "best_score"}},
}

// PredictionColumns are the columns of predictions that the table has, or those named. The error is a *spec.Problem.
func (s *Series) PredictionColumns(named *string) ([]Column, error) {
	all := []Column{s.TimeColumn()}
	for _, p := range predictionColumns {
		column, ok := s.Table.First(p.sources...)
		if p.name == "target" && ok && questdb.KindOf(column.Type) == questdb.Text { // the shared table has the target's name there
			column, ok = s.Table.Column("target_value")
		}
		if !ok {
			continue
		}
		kind := questdb.KindOf(column.Type)
		if p.name == "fold_number" {
			kind = questdb.Int
		}
		all = append(all, Column{rowstream.Field{Name: p.name, Kind: kind}, column.Name})
	}
	if named == nil || *named == "" {
		return all, nil
	}
	columns := all[:1:1]
	for name := range strings.SplitSeq(*named, ",") {
		name = strings.TrimSpace(name)
		i := slices.IndexFunc(all, func(c Column) bool { return strings.EqualFold(c.Name, name) })
		var column Column
		if i >= 0 {
			column = all[i]
		} else if more, err := s.Columns(&name); err != nil {
			return nil, err
		} else if len(more) == 1 {
			continue
		} else {
			column = more[1]
		}
		if !slices.ContainsFunc(columns, func(have Column) bool { return have.Name == column.Name }) {
			columns = append(columns, column)
		}
	}
	return columns, nil
}

// OnlyFold narrows predictions to those of one fold, unless it is nil. The error is a *spec.Problem.
func (s *Series) OnlyFold(fold *int64) error {
	if fold == nil {
		return nil
	}
	if *fold < 0 {
		return spec.InvalidParameter("fold", "is below 0")
	}
	column, ok := s.Table.First(questdb.FoldColumns...)
	if !ok {
		return spec.InvalidParameter("fold", "needs a column fold_number or fold, which the table does not have")
	}
	s.Where = append(s.Where, questdb.Match{Column: column.Name, Values: []string{strconv.FormatInt(*fold, 10)}})
	return nil
}

// foldNumbers reads the numbers of folds, which some tables have as symbols, as integers.
type foldNumbers struct {
	*Scan
	column int
}

// FoldNumbers are the rows of a scan with the column fold_number, if there is one, as integers.
func FoldNumbers(scan *Scan, columns []Column) rowstream.Rows {
	i := slices.IndexFunc(columns, func(c Column) bool { return c.Name == "fold_number" })
	if i < 0 {
		return scan
	}
	return &foldNumbers{scan, i}
}

// Int is a cell of an Int, Bool or Time column, or the number of the fold.
func (f *foldNumbers) Int(i int) (int64, bool) {
	if i != f.column {
		return f.Scan.Int(i)
	}
	switch f.Fields[i].Kind {
	case questdb.Float:
		x, ok := f.Float(i)
		return int64(x), ok
	case questdb.Text:
		text, ok := f.Text(i)
		n, err := strconv.ParseInt(string(text), 10, 64)
		return n, ok && err == nil
	}
	return f.Scan.Int(i)
}

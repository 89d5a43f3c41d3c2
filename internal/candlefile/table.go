package candlefile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"foldbook/internal/rowread"
	"foldbook/questdb"
)

// table is the rows of a file as CSV, under names that columns can have. It is an io.Reader.
type table struct {
	from     records
	ahead    [][]string // read, and not yet written
	columns  []column
	times    []int // of columns: the time, or the date and the time of day
	timeName string
	layout   bool // the times have a layout that is given
	commas   bool // numbers have a comma for the point
	notes    []string
	rows     int64
	buf      bytes.Buffer
	out      *csv.Writer
}

// column is a column of the file.
type column struct {
	found string // its name there
	name  string // empty: it is left out
	only  string // the one value that it may have: rows of other symbols belong to other datasets
	one   bool   // it has only one value
}

// lookedAt is how many rows are read before the layout is decided.
const lookedAt = 5

func newTable(from records, o Options) (*table, error) {
	t := &table{from: from, layout: o.TimeFormat != ""}
	t.out = csv.NewWriter(&t.buf)
	for len(t.ahead) < lookedAt {
		record, err := from.next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		t.ahead = append(t.ahead, slices.Clone(record))
	}
	if len(t.ahead) > 1 && filled(t.ahead[0]) == 1 && filled(t.ahead[1]) > 1 && len(o.Columns) == 0 {
		t.notes = append(t.notes, fmt.Sprintf("the first line is left out: %s", t.ahead[0][0]))
		t.ahead = t.ahead[1:]
	}
	if len(t.ahead) == 0 {
		return nil, errors.New("is empty")
	}
	t.commas = from.decimals() == "," &&
		slices.ContainsFunc(t.ahead, func(row []string) bool { return slices.ContainsFunc(row, decimal.MatchString) })
	names, err := t.header(o)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		t.columns = append(t.columns, column{found: name})
	}
	if err := t.findTime(o); err != nil {
		return nil, err
	}
	t.name()
	header := []string{t.timeName}
	for _, c := range t.columns {
		if c.name != "" {
			header = append(header, c.name)
		}
	}
	return t, t.out.Write(header)
}

// filled counts the cells up to the last that is not empty.
func filled(record []string) int {
	n := len(record)
	for n > 0 && strings.TrimSpace(record[n-1]) == "" {
		n--
	}
	return n
}

// header returns the names of the columns.
func (t *table) header(o Options) ([]string, error) {
	first := t.ahead[0]
	data := slices.ContainsFunc(first, func(cell string) bool {
		n, _, err := rowread.ReadCell(strings.TrimSpace(cell))
		return err == nil && n.Float != 0 || dotted.MatchString(cell)
	})
	if !data {
		t.ahead = t.ahead[1:]
	}
	switch n := filled(first); {
	case len(o.Columns) > 0 && n > len(o.Columns):
		return nil, fmt.Errorf("has %d columns, and --columns names %d: %s", n, len(o.Columns), strings.Join(first, ","))
	case len(o.Columns) > 0:
		return o.Columns, nil
	case !data:
		return slices.Clone(first), nil
	default:
		for _, names := range headerless {
			if len(names) == n && t.isBars(names) {
				t.notes = append(t.notes, "there are no names of columns: they are taken for "+strings.Join(names, ", "))
				return names, nil
			}
		}
	}
	return nil, fmt.Errorf("has no names of columns, and begins with %s: name them in order with --columns, such as "+
		"timestamp,open,high,low,close,volume",
		shown(strings.Join(first, ",")))
}

// leftOut is the name of a column that is left out.
const leftOut = "-"

// headerless are the layouts of files without names: of MetaTrader, of most, of Kraken and of Binance.
var headerless = [][]string{
	{"date", "time", "open", "high", "low", "close", "volume"},
	{"timestamp", "open", "high", "low", "close", "volume"},
	{"timestamp", "open", "high", "low", "close", "volume", "trades"},
	{
		"timestamp", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "trades",
		"taker_buy_base_volume", "taker_buy_quote_volume", leftOut,
	},
}

// isBars checks that rows are bars: a high is not below the other prices, and a low not above them.
func (t *table) isBars(names []string) bool {
	at := slices.Index(names, "open")
	for _, row := range t.ahead {
		if len(row) < at+4 || (at == 2) != clockTime.MatchString(strings.TrimSpace(row[1])) {
			return false
		}
		var price [4]float64
		for i := range price {
			n, missing, err := rowread.ReadCell(t.number(strings.TrimSpace(row[at+i])))
			if price[i] = n.Float; missing || err != nil {
				return false
			}
		}
		if price[1] < max(price[0], price[2], price[3]) || price[2] > min(price[0], price[3]) {
			return false
		}
	}
	return true
}

// findTime finds the column of times, or those of the date and the time of day.
func (t *table) findTime(o Options) error {
	index := func(name string) int {
		return slices.IndexFunc(t.columns, func(c column) bool { return strings.EqualFold(plain(c.found), strings.TrimSpace(name)) })
	}
	if o.Time != "" {
		for name := range strings.SplitSeq(o.Time, ",") {
			at := index(name)
			if at < 0 {
				return fmt.Errorf("has no column %q: it has %s", name, t.found())
			}
			t.times = append(t.times, at)
		}
	}
	for _, name := range timeNames {
		if at := index(name); len(t.times) == 0 && at >= 0 {
			t.times = []int{at}
			if clock := index("time"); name == "date" && clock >= 0 && clockTime.MatchString(t.cell(clock)) {
				t.times = append(t.times, clock)
			}
		}
	}
	if len(t.times) == 0 && t.columns[0].found == "" && dotted.MatchString(t.cell(0)) { // an index of pandas
		t.times = []int{0}
	}
	if len(t.times) == 0 {
		return fmt.Errorf("has no column of times: it has %s; name it with --time", t.found())
	}
	t.timeName = name(plain(t.columns[t.times[0]].found))
	if t.timeName == "" {
		t.timeName = "timestamp"
	}
	return nil
}

// found lists the columns.
func (t *table) found() string {
	var names []string
	for _, c := range t.columns {
		names = append(names, strconv.Quote(c.found))
	}
	return "the columns " + strings.Join(names, ", ")
}

// cell is a cell of the first row, empty if it is not there.
func (t *table) cell(at int) string {
	if len(t.ahead) > 0 && at < len(t.ahead[0]) {
		return strings.TrimSpace(t.ahead[0][at])
	}
	return ""
}

// plain is a name as MetaTrader has it, without its brackets.
func plain(found string) string { return strings.Trim(strings.TrimSpace(found), "<>") }

// aliases are the names of others for the columns of bars.
var aliases = map[string]string{
	"price": "close", "close/last": "close", "last": "close", "vol": "volume", "vol.": "volume", "tickvol": "tick_volume",
	"adj close": "adj_close", "adj. close": "adj_close",
}

// name is a name that a column can have, as near as possible to the one that was found.
func name(found string) string {
	if other, ok := aliases[strings.ToLower(found)]; ok {
		return other
	}
	if questdb.ValidColumn(found) {
		return found
	}
	parts := strings.FieldsFunc(found, func(r rune) bool { return r == '_' || r != ' ' && !questdb.ValidColumn(string(r)) })
	return strings.Trim(strings.Join(parts, "_"), "_ ")
}

// name gives names to the columns, and leaves out those that are not for a dataset.
func (t *table) name() {
	taken := map[string]bool{strings.ToLower(t.timeName): true}
	has := func(name string) bool {
		return slices.ContainsFunc(t.columns, func(c column) bool { return strings.EqualFold(c.found, name) })
	}
	volume := has("volume") || has("vol") || has("vol.")
	for i := range t.columns {
		c := &t.columns[i]
		found := plain(c.found)
		lower := strings.ToLower(found)
		switch {
		case slices.Contains(t.times, i), rowread.IsIndex(found, i), found == "", found == leftOut:
			continue
		case slices.Contains([]string{"symbol", "ticker", "pair", "instrument"}, lower) && notNumber(t.cell(i)):
			c.one, c.only = true, t.cell(i)
			t.notes = append(t.notes, fmt.Sprintf("the column %q is left out: it is %s throughout", found, c.only))
			continue
		case slices.Contains(timeNames, lower) && (lower == "timestamp_ms" || lower == "timestamp" || dotted.MatchString(t.cell(i))):
			t.notes = append(t.notes, fmt.Sprintf("the column %q is left out: the time is %q", found, t.columns[t.times[0]].found))
			continue
		}
		c.name = name(found)
		if !volume && strings.HasPrefix(lower, "volume") {
			volume, c.name = true, "volume"
		}
		if c.name == "" {
			c.name = fmt.Sprintf("column_%d", i+1)
		}
		for base, n := c.name, 2; taken[strings.ToLower(c.name)]; n++ {
			c.name = fmt.Sprintf("%s_%d", base, n)
		}
		taken[strings.ToLower(c.name)] = true
		if !strings.EqualFold(c.name, found) {
			t.notes = append(t.notes, fmt.Sprintf("the column %q is %s", c.found, c.name))
		}
	}
}

func notNumber(cell string) bool {
	_, _, err := rowread.ReadCell(cell)
	return err != nil
}

// Read returns the rows as CSV.
func (t *table) Read(p []byte) (int, error) {
	for t.out.Flush(); t.buf.Len() == 0; t.out.Flush() {
		var record []string
		if len(t.ahead) > 0 {
			record, t.ahead = t.ahead[0], t.ahead[1:]
		} else {
			var err error
			if record, err = t.from.next(); err != nil {
				return 0, err
			}
		}
		if err := t.write(record); err != nil {
			return 0, err
		}
		t.rows++
	}
	return t.buf.Read(p)
}

func (t *table) write(record []string) error {
	if n := filled(record); n > len(t.columns) || len(record) < len(t.columns) && n < filledNames(t.columns) {
		what := fmt.Sprintf("has %d cells, and %d columns have names, in %s", len(record), len(t.columns), t.from.where())
		return &rowread.ValidationError{Row: t.rows, What: what}
	}
	row := []string{t.time(record)}
	for i, c := range t.columns {
		cell := ""
		if i < len(record) {
			cell = strings.TrimSpace(record[i])
		}
		switch {
		case c.one && cell != c.only:
			what := fmt.Sprintf("is %s, and %s above: a dataset has the rows of one symbol", cell, c.only)
			return &rowread.ValidationError{Row: t.rows, Column: c.found, What: what}
		case c.found == "" && i > 0 && cell != "":
			what := fmt.Sprintf("has the cell %s in a column without a name, in %s", shown(cell), t.from.where())
			return &rowread.ValidationError{Row: t.rows, What: what}
		case c.name != "":
			row = append(row, t.number(cell))
		}
	}
	return t.out.Write(row)
}

// filledNames counts the columns up to the last that has a name.
func filledNames(columns []column) int {
	n := len(columns)
	for n > 0 && columns[n-1].found == "" {
		n--
	}
	return n
}

var (
	dotted    = regexp.MustCompile(`^(\d{4})[-./](\d\d)[-./](\d\d)`)
	packed    = regexp.MustCompile(`^(\d{4})(\d\d)(\d\d)[ T](\d\d):?(\d\d):?(\d\d)?`)
	clockTime = regexp.MustCompile(`^(\d\d?:\d\d(:\d\d(\.\d+)?)?|\d{6})$`)
	bigNumber = regexp.MustCompile(`^([-+]?[\d.,]+)([KMB%])$`)
	decimal   = regexp.MustCompile(`^[-+]?[\d.]*,\d+$`)
	grouped   = regexp.MustCompile(`^[-+]?(\d+|\d{1,3}(\.\d{3})+)(,\d*)?$`)
)

// time is the time of a row: one cell, or the date and the time of day. 2024.01.02 and 20240102 093000 are dates too.
func (t *table) time(record []string) string {
	var text string
	for i, at := range t.times {
		if at >= len(record) {
			continue
		}
		cell := strings.TrimSpace(record[at])
		if i > 0 {
			if len(cell) == 6 && clockTime.MatchString(cell) && !t.layout {
				cell = cell[:2] + ":" + cell[2:4] + ":" + cell[4:]
			}
			text += " "
		}
		text += cell
	}
	if t.layout {
		return text
	}
	if parts := packed.FindStringSubmatch(text); parts != nil {
		return fmt.Sprintf("%s-%s-%s %s:%s:%s%s", parts[1], parts[2], parts[3], parts[4], parts[5], or(parts[6], "00"), text[len(parts[0]):])
	}
	return dotted.ReplaceAllString(text, "$1-$2-$3")
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// number writes a number as others do: with a point, and without a K for thousands.
func (t *table) number(cell string) string {
	power := ""
	if big := bigNumber.FindStringSubmatch(cell); big != nil {
		cell, power = big[1], map[string]string{"K": "e3", "M": "e6", "B": "e9"}[big[2]]
	}
	if t.commas && grouped.MatchString(cell) {
		cell = strings.Replace(strings.ReplaceAll(cell, ".", ""), ",", ".", 1)
	}
	if power != "" {
		cell = strings.ReplaceAll(cell, ",", "") + power
	}
	return cell
}

// shown is a text as a message shows it.
func shown(text string) string {
	const most = 60
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strconv.Quote(text)
}

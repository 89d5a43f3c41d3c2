package ingest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestReadPlans(t *testing.T) {
	t.Parallel()
	const ms = 1e6
	for name, tc := range map[string]struct {
		text string
		want Plan
	}{
		"seconds":            {"timestamp_unix,p\n1767225600,0.65\n", Plan{Rows: 1, Cells: 2, Time: 0, Unit: 1e9, Columns: []Column{{1, "p", false}}}},
		"milliseconds":       {"p,timestamp_ms\n0.65,1767225600000\n", Plan{Rows: 1, Cells: 2, Time: 1, Unit: ms, Columns: []Column{{0, "p", false}}}},
		"microseconds":       {"timestamp,p\n1767225600000000,1\n", Plan{Rows: 1, Cells: 2, Unit: 1e3, Columns: []Column{{1, "p", false}}}},
		"nanoseconds":        {"timestamp,p\n1767225600000000000,1\n", Plan{Rows: 1, Cells: 2, Unit: 1, Columns: []Column{{1, "p", false}}}},
		"text":               {"timestamp,p\n2026-01-01T00:00:00.000000Z,1\n", Plan{Rows: 1, Cells: 2, Unit: 0, Columns: []Column{{1, "p", false}}}},
		"unit of the first":  {"timestamp,p\n,1\nx,1\n1767225600,1\n1767225600000,1\n", Plan{Rows: 4, Cells: 2, Unit: 1e9, Columns: []Column{{1, "p", false}}}},
		"first time column":  {"Timestamp,timestamp_unix,TIMESTAMP_MS,p\n1,2,1767225600000,1\n", Plan{Rows: 1, Cells: 4, Time: 2, Unit: ms, Columns: []Column{{3, "p", false}}}},
		"kinds by the first": {"timestamp_ms,a,b,c,d,e\n1767225600000,,x,NaN,1e5,\n1767225600000,1,2,x,y,\n", Plan{Rows: 2, Cells: 6, Unit: ms, Columns: []Column{{1, "a", false}, {2, "b", true}, {3, "c", false}, {4, "d", false}, {5, "e", false}}}},
		"mark, CRLF, quotes": {"\ufefftimestamp_ms,\" side \"\r\n1767225600000,\"lo\"\"ng,\r\n\"\r\n", Plan{Rows: 1, Cells: 2, Unit: ms, Columns: []Column{{1, "side", true}}}},
		"no rows":            {"timestamp_ms,a\n", Plan{Cells: 2, Columns: []Column{{1, "a", false}}}},
		"no line end":        {"timestamp_ms,a\n1767225600000,1", Plan{Rows: 1, Cells: 2, Unit: ms, Columns: []Column{{1, "a", false}}}},
		"bad rows count":     {"timestamp_ms,a\n1767225600000\n\"x\"y,1\n1767225600000,1,2\n\n1767225600000,1\n", Plan{Rows: 4, Cells: 2, Unit: ms, Columns: []Column{{1, "a", false}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan, parts, err := ReadCSV("m", tc.text)
			if err != nil {
				t.Fatal(err)
			}
			tc.want.Table = "m"
			if diff := cmp.Diff(&tc.want, plan); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if (len(parts) > 0) != (plan.Rows > 0) {
				t.Errorf("%d parts", len(parts))
			}
		})
	}
}

func TestReadFaults(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                 "the file is empty: its first line has to name the columns",
		"\n\n":                             "the file is empty: its first line has to name the columns",
		"time,open\n1,2\n":                 "the first line names no column of times: one of timestamp_ms, timestamp_unix, timestamp has to be there",
		"timestamp_ms\n1\n":                "the first line names no column beside the time",
		"timestamp_ms,timestamp_unix\n1,1": "the first line names no column beside the time",
		"timestamp_ms,a,A\n1,2,3\n":        `the first line names the column "A" twice`,
		"timestamp_ms,timestamp_ms,a\n":    `the first line names the column "timestamp_ms" twice`,
		"timestamp_ms,\n":                  `the first line names a column "": letters, digits, _ and blanks inside are taken`,
		"timestamp_ms,a\"b\n":              `the first line is not CSV: bare " in non-quoted-field`,
		"timestamp_ms,a-b\n":               `the first line names a column "a-b": letters, digits, _ and blanks inside are taken`,
		"timestamp_ms," + strings.Repeat("x", 300) + "\n": `the first line names a column "` + strings.Repeat("x", 40) + `…": letters, digits, _ and blanks inside are taken`,
		"timestamp_ms" + strings.Repeat(",x", 4096):       "the file has 4097 columns, more than 4096",
	} {
		_, _, err := ReadCSV("m", text)
		if bad := new(FileError); !errors.As(err, &bad) || bad.What != want {
			t.Errorf("%.30q: %v, want %s", text, err, want)
		}
	}
}

func TestPartsAreTheFile(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	file.WriteString("timestamp_ms,name,v\n")
	for i := range 150_000 {
		switch i % 1000 {
		case 7:
			fmt.Fprintf(&file, "broken\"row,%d\n", i)
		case 8:
			fmt.Fprintf(&file, "%d,\"two\nlines\",%d\n", 1767225600000+i, i)
		default:
			fmt.Fprintf(&file, "%d,a,%d\n", 1767225600000+i, i)
		}
	}
	text := file.String()
	plan, parts, err := ReadCSV("m", text)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Rows != 150_000 || len(parts) < 3 {
		t.Errorf("%d rows in %d parts", plan.Rows, len(parts))
	}
	whole, next := "timestamp_ms,name,v\n", int64(1)
	for i, part := range parts {
		if part.First != next {
			t.Errorf("part %d begins with row %d, want %d", i, part.First, next)
		}
		for range records(part.Text) {
			next++
		}
		whole += part.Text
		if len(part.Text) > partSize+100 || i < len(parts)-1 && len(part.Text) < partSize {
			t.Errorf("part %d has %d bytes", i, len(part.Text))
		}
	}
	if whole != text || next != plan.Rows+1 {
		t.Errorf("the parts are %d bytes of %d, %d rows of %d", len(whole), len(text), next-1, plan.Rows)
	}
}

func TestReadRows(t *testing.T) {
	t.Parallel()
	target := &Target{
		plan:    &Plan{Cells: 5, Time: 0, Unit: 1e6},
		columns: []target{{Column{1, "s", true}, symbol}, {Column{2, "f", false}, float}, {Column{3, "w", false}, whole}, {Column{4, "t", true}, text}},
	}
	const at = 1767225600000000
	for cells, want := range map[string]struct {
		micros  int64
		values  []value
		problem string
	}{
		"1767225600000,a,1.5,7,b":       {at, []value{{there: true, text: "a"}, {there: true, float: 1.5}, {there: true, whole: 7}, {there: true, text: "b"}}, ""},
		"1767225600000 ,, 2 , 3 ,":      {at, []value{{}, {there: true, float: 2}, {there: true, whole: 3}, {}}, ""},
		"1767225600000.5,a,NaN,,":       {at + 500, []value{{there: true, text: "a"}, {}, {}, {}}, ""},
		"1.7672256e12,a,-Inf,,":         {at, []value{{there: true, text: "a"}, {}, {}, {}}, ""},
		"1767225600000,,,,":             {0, nil, "has no value beside its time"},
		",a,1,1,b":                      {0, nil, "has no time"},
		"yesterday,a,1,1,b":             {0, nil, `the time "yesterday" is not a number, as the first row's is`},
		"2026-01-01,a,1,1,b":            {0, nil, `the time "2026-01-01" is not a number, as the first row's is`},
		"1767225600,a,1,1,b":            {0, nil, `the time "1767225600" is not between 2001-09-09 and 2286-11-20`},
		"1767225600000000000,a,1,1,b":   {0, nil, `the time "1767225600000000000" is not between 2001-09-09 and 2286-11-20`},
		"-9223372036854775808,a,1,1,b":  {0, nil, `the time "-9223372036854775808" is not between 2001-09-09 and 2286-11-20`},
		"1e300,a,1,1,b":                 {0, nil, `the time "1e300" is not between 2001-09-09 and 2286-11-20`},
		"1767225600000,a,high,1,b":      {0, nil, `f: "high" is not a number`},
		"1767225600000,a,0x10,1,b":      {0, nil, `f: "0x10" is not a number`},
		"1767225600000,a,1e999,1,b":     {0, nil, `f: "1e999" is not a number`},
		"1767225600000,a,1,1.5,b":       {0, nil, `w: "1.5" is not a whole number`},
		"1767225600000,a\x00,1,1,b":     {0, nil, `s: "a\x00" has a zero byte`},
		"1767225600000,a,1,1":           {0, nil, "has 4 cells, and the first line 5"},
		"1767225600000,a,\"1\"2,1,b":    {0, nil, `is not CSV: extraneous or missing " in quoted-field`},
		"1767225600000,a,1,1,b,c,d,e,f": {0, nil, "has 9 cells, and the first line 5"},
	} {
		for r := range records(cells) {
			values := make([]value, 4)
			micros, problem := target.read(r, values)
			if problem != want.problem || micros != want.micros {
				t.Errorf("%q: %d %q, want %d %q", cells, micros, problem, want.micros, want.problem)
			}
			if diff := cmp.Diff(want.values, values, cmp.AllowUnexported(value{})); want.values != nil && diff != "" {
				t.Errorf("%q: -want +got:\n%s", cells, diff)
			}
		}
	}
}

func TestUnitsAndMoments(t *testing.T) {
	t.Parallel()
	const want = 1767225600000000
	for unit, cells := range map[int64][]string{
		1e9: {"1767225600", "1767225600.0", "1.7672256e9"}, 1e6: {"1767225600000"}, 1e3: {"1767225600000000"}, 1: {"1767225600000000000", "1767225600000000999"},
		0: {"2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-01 00:00:00", "2026-01-01T00:00:00.000000Z", "2026-01-01"},
	} {
		for _, cell := range cells {
			p := Plan{Unit: unit}
			if got, problem := p.micros(cell); got != want || problem != "" {
				t.Errorf("%s in %d ns is %d, %q", cell, unit, got, problem)
			}
			if q := (Plan{}); !q.learnUnit(cell) || q.Unit != unit {
				t.Errorf("%s has a unit of %d ns, want %d", cell, q.Unit, unit)
			}
		}
	}
	if p := (Plan{}); p.learnUnit("soon") || p.learnUnit("") {
		t.Error("a unit of nothing")
	}
}

func TestResult(t *testing.T) {
	t.Parallel()
	p := Plan{Table: "m", Rows: 25, Columns: []Column{{1, "a", false}}}
	var o Outcome
	for i := range int64(12) {
		o.reject(i+1, "bad")
	}
	r, err := p.Result(o)
	want := Result{Table: "m", Rows: 25, Imported: 13, Rejected: 12, Columns: []string{"a"}}
	if diff := cmp.Diff(want, r, cmpopts.IgnoreFields(Result{}, "Errors")); diff != "" || err != nil || len(r.Errors) != MaxErrors {
		t.Errorf("%v, %d errors: -want +got:\n%s", err, len(r.Errors), diff)
	}
	if r, err := p.Result(Outcome{}); err != nil || r.Errors == nil {
		t.Errorf("%v %v", r, err)
	}
	if _, err := (&Plan{Rows: 12}).Result(o); err == nil || err.Error() != "no row can be imported: row 1: bad" {
		t.Errorf("all rows are bad: %v", err)
	}
}

// FuzzRead requires that every row of a file is either in a part or nowhere, and that rows read again are the same ones.
func FuzzRead(f *testing.F) {
	f.Add("1767225600000,a,1\n1767225600001,\"b\",2\n")
	f.Add("\"\n,,\n\"x\"y\n\r\r\n")
	f.Fuzz(func(t *testing.T, body string) {
		plan, parts, err := ReadCSV("m", "timestamp_ms,s,f\n"+body)
		if err != nil {
			t.Fatal(err)
		}
		rows := int64(0)
		text := ""
		target := &Target{plan: plan, columns: []target{{Column{1, "s", true}, symbol}, {Column{2, "f", false}, float}}}
		for _, part := range parts {
			text += part.Text
			for r := range records(part.Text) {
				rows++
				if micros, problem := target.read(r, make([]value, 2)); problem == "" && (micros < firstMicros || micros >= lastMicros) {
					t.Errorf("%q is at %d", r.cells, micros)
				}
			}
		}
		if rows != plan.Rows || rows > 0 && text != body {
			t.Errorf("%d rows of %d", rows, plan.Rows)
		}
	})
}

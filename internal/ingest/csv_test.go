package ingest

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"foldbook/internal/moment"
	"foldbook/questdb"
)

func TestReadPlans(t *testing.T) {
	t.Parallel()
	const ms = 1e6
	for name, tc := range map[string]struct {
		text string
		want Plan
	}{
		"seconds":           {"timestamp_unix,p\n1767225600,0.65\n", Plan{Rows: 1, Cells: 2, Time: 0, Unit: 1e9, Columns: []Column{{Cell: 1, Name: "p"}}}},
		"milliseconds":      {"p,timestamp_ms\n0.65,1767225600000\n", Plan{Rows: 1, Cells: 2, Time: 1, Unit: ms, Columns: []Column{{Cell: 0, Name: "p"}}}},
		"microseconds":      {"timestamp,p\n1767225600000000,1\n", Plan{Rows: 1, Cells: 2, Unit: 1e3, Columns: []Column{{Cell: 1, Name: "p"}}}},
		"nanoseconds":       {"timestamp,p\n1767225600000000000,1\n", Plan{Rows: 1, Cells: 2, Unit: 1, Columns: []Column{{Cell: 1, Name: "p"}}}},
		"text":              {"timestamp,p\n2026-01-01T00:00:00.000000Z,1\n", Plan{Rows: 1, Cells: 2, Unit: 0, Columns: []Column{{Cell: 1, Name: "p"}}}},
		"unit of the first": {"timestamp,p\n,1\nx,1\n1767225600,1\n1767225600000,1\n", Plan{Rows: 4, Cells: 2, Unit: 1e9, Columns: []Column{{Cell: 1, Name: "p"}}}},
		"first time column": {"Timestamp,timestamp_unix,TIMESTAMP_MS,p\n1,2,1767225600000,1\n", Plan{Rows: 1, Cells: 4, Time: 2, Unit: ms, Columns: []Column{{Cell: 3, Name: "p"}}}},
		"kinds by all": {"timestamp_ms,a,b,c,d,e,f\n1767225600000,null,x,NaN,1e5,,\"1,234.5\"\n1767225600001,1,-,x,y,<NA>,None\n1767225600002,9007199254740993,N/A,z,9007199254740993,,2\n",
			Plan{Rows: 3, Cells: 7, Unit: ms, Columns: []Column{{Cell: 1, Name: "a", Long: true}, {Cell: 2, Name: "b", Symbol: true}, {Cell: 3, Name: "c", Symbol: true}, {Cell: 4, Name: "d"}, {Cell: 5, Name: "e"}, {Cell: 6, Name: "f"}}}},
		"repeats":               {"timestamp,a\n2024-11-03 01:00:00,1\n2024-11-03 02:00:00,1\n2024-11-03 01:00:00,2\n2024-11-03 01:00:00,x\n", Plan{Rows: 4, Cells: 2, Columns: []Column{{Cell: 1, Name: "a"}}, Repeats: Repeats{1, 3}}},
		"texts tell rows apart": {"timestamp,a,b\n2024-11-03,1,x\n2024-11-03,1,y\n2024-11-03,2,x\n", Plan{Rows: 3, Cells: 3, Columns: []Column{{Cell: 1, Name: "a"}, {Cell: 2, Name: "b", Symbol: true}}, Repeats: Repeats{1, 3}}},
		"mark, CRLF, quotes":    {"\ufefftimestamp_ms,\" side \"\r\n1767225600000,\"lo\"\"ng,\r\n\"\r\n", Plan{Rows: 1, Cells: 2, Unit: ms, Columns: []Column{{Cell: 1, Name: "side", Symbol: true}}}},
		"no rows":               {"timestamp_ms,a\n", Plan{Cells: 2, Columns: []Column{{Cell: 1, Name: "a"}}}},
		"no line end":           {"timestamp_ms,a\n1767225600000,1", Plan{Rows: 1, Cells: 2, Unit: ms, Columns: []Column{{Cell: 1, Name: "a"}}}},
		"bad rows count":        {"timestamp_ms,a\n1767225600000\n\"x\"y,1\n1767225600000,1,2\n\n1767225600000,1\n", Plan{Rows: 4, Cells: 2, Unit: ms, Columns: []Column{{Cell: 1, Name: "a"}}}},
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
		wide(4097): "the file has 4097 columns beside the time, more than 4096",
	} {
		_, _, err := ReadCSV("m", text)
		if bad := new(FileError); !errors.As(err, &bad) || bad.What != want {
			t.Errorf("%.30q: %v, want %s", text, err, want)
		}
	}
}

// wide is the header of a file with n columns beside the time.
func wide(n int) string {
	header := "timestamp_ms"
	for i := range n {
		header += ",c" + strconv.Itoa(i)
	}
	return header + "\n"
}

func TestReadsAsManyColumnsAsATableTakes(t *testing.T) {
	t.Parallel()
	if plan, _, err := ReadCSV("m", wide(4096)); err != nil || len(plan.Columns) != 4096 {
		t.Errorf("%d columns: %v", len(plan.Columns), err)
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
		clock:   moment.File(moment.Milliseconds),
		columns: []target{{Column{Cell: 1, Name: "s", Symbol: true}, "SYMBOL"}, {Column{Cell: 2, Name: "f"}, "DOUBLE"}, {Column{Cell: 3, Name: "w"}, "LONG"}, {Column{Cell: 4, Name: "t", Symbol: true}, "VARCHAR"}},
	}
	const at = 1767225600000000
	for cells, want := range map[string]struct {
		micros  int64
		values  []string
		problem string
	}{
		"1767225600000,a,1.5,7,b":       {at, []string{"a", "1.5", "7", "b"}, ""},
		"1767225600000 ,, 2 , 3 ,":      {at, []string{"", "2", "3", ""}, ""},
		"1767225600000.5,a,NaN,,":       {at + 500, []string{"a", "", "", ""}, ""},
		"1.7672256e12,a,-Inf,,":         {at, []string{"a", "", "", ""}, ""},
		"1767225600000,,,,":             {0, nil, "has no value beside its time"},
		",a,1,1,b":                      {0, nil, "has no time"},
		"yesterday,a,1,1,b":             {0, nil, `the time "yesterday" is not a time: write milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z`},
		"2026-01-01,a,1,1,b":            {at, nil, ""},
		"1971-02-05,a,1,1,b":            {34560000000000, nil, ""},
		"202401020930,a,1,1,b":          {0, nil, "the time 202401020930 reads as the date 2024-01-02 09:30, and in milliseconds since 1970 it is 1976-05-31T14:30:20.93Z: write milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z"},
		"1767225600,a,1,1,b":            {0, nil, "the time 1767225600 is in seconds (2026-01-01T00:00:00Z), but the times before it are in milliseconds: a file has one unit"},
		"1767225600000000000,a,1,1,b":   {0, nil, "the time 1767225600000000000 is in nanoseconds (2026-01-01T00:00:00Z), but the times before it are in milliseconds: a file has one unit"},
		"-9223372036854775808,a,1,1,b":  {0, nil, "the time -9223372036854775808 is no time between 1973 and 2262 in milliseconds (it is the year -292275055): write milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z"},
		"1e300,a,1,1,b":                 {0, nil, "the time 1e+300 is out of range: write milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z"},
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
			values := make([]cell, 4)
			micros, problem := target.read(r, values)
			if problem != want.problem || micros != want.micros {
				t.Errorf("%q: %d %q, want %d %q", cells, micros, problem, want.micros, want.problem)
			}
			var said []string
			for _, v := range values {
				switch {
				case !v.there:
					said = append(said, "")
				case v.kind == questdb.Text:
					said = append(said, v.text)
				default:
					said = append(said, fmt.Sprint(v.number()))
				}
			}
			if diff := cmp.Diff(want.values, said); want.values != nil && diff != "" {
				t.Errorf("%q: -want +got:\n%s", cells, diff)
			}
		}
	}
}

func TestResult(t *testing.T) {
	t.Parallel()
	p := Plan{Table: "m", Rows: 25, Columns: []Column{{Cell: 1, Name: "a"}}}
	var o Outcome
	for i := range int64(12) {
		o.reject(i+1, "bad")
	}
	r, err := p.Result(o)
	want := Result{Table: "m", Rows: 25, Imported: 13, Rejected: 12, Columns: []string{"a"}, Warnings: []string{}}
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
		if bad := new(FileError); err != nil && (!errors.As(err, &bad) || !strings.HasPrefix(bad.What, "no row can be imported: row 1: ")) {
			t.Fatal(err)
		}
		rows := int64(0)
		text := ""
		target := &Target{plan: plan, clock: moment.File(moment.Unit(plan.Unit)), columns: []target{{Column{Cell: 1, Name: "s", Symbol: true}, "SYMBOL"}, {Column{Cell: 2, Name: "f"}, "DOUBLE"}}}
		for _, part := range parts {
			text += part.Text
			for r := range records(part.Text) {
				rows++
				if micros, problem := target.read(r, make([]cell, 2)); problem == "" && (micros < 0 || micros > math.MaxInt64/1000) {
					t.Errorf("%q is at %d", r.cells, micros)
				}
			}
		}
		if rows != plan.Rows || rows > 0 && text != body {
			t.Errorf("%d rows of %d", rows, plan.Rows)
		}
	})
}

package httpbody

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"foldbook/api/spec"
)

// document is a body such as that of a run.
type document struct {
	Run *head `json:"run"`
	head
	Folds *folds `json:"folds"`
}

type head struct {
	RunID       *string `json:"run_id"`
	Status      *string `json:"status"`
	RequestedBy *string `json:"requested_by"`
	StartedAt   *string `json:"started_at"`
	DurationMS  *int64  `json:"duration_ms"`
	WalkConfig  Raw     `json:"walk_config"`
	Unknown     Unknown `json:",embed"`
}

type folds struct {
	List[foldFields, foldRow]
	numbers map[int32]int32
	parents Parents
}

type foldFields struct {
	RunID      *string  `json:"run_id"`
	FoldNumber *int32   `json:"fold_number"`
	BestScore  *float64 `json:"best_score"`
	Metrics    Raw      `json:"metrics"`
	Unknown    Unknown  `json:",embed"`
}

type foldRow struct {
	run     uuid.UUID
	number  int32
	metrics []byte
	_       [100]byte // which makes a row much longer than its JSON
}

// UnmarshalJSONFrom reads the folds.
func (l *folds) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	l.numbers = map[int32]int32{}
	return l.Read(dec, func(f *Fields, b *foldFields) foldRow {
		row := foldRow{run: f.ID("run_id", b.RunID), number: Required(f, "fold_number", b.FoldNumber), metrics: f.Object("metrics", b.Metrics)}
		f.Ignore(b.Unknown)
		*b = foldFields{}
		return row
	}, func(f *Fields, i int, row *foldRow) {
		l.parents.Note(f, "run_id", row.run)
		Unique(f, "fold_number", l.numbers, row.number, i)
	})
}

func fold(n int, more string) string { return fmt.Sprintf(`{"fold_number":%d%s}`, n, more) }

func runWith(folds ...string) string { return `{"run":{},"folds":[` + strings.Join(folds, ",") + `]}` }

// wantProblem checks the answer that an error becomes: its status, code and the begin of its message.
func wantProblem(t *testing.T, err error, status int, code, message string) {
	t.Helper()
	var answer *spec.Problem
	if !errors.As(err, &answer) {
		t.Fatalf("got %v, want %d %s %q", err, status, code, message)
	}
	if answer.Status != status || string(answer.Code) != code || !strings.HasPrefix(answer.Message, message) {
		t.Errorf("got %d %s %q, want %d %s %q…", answer.Status, answer.Code, answer.Message, status, code, message)
	}
	for _, word := range []string{"json:", "jsontext", "Go ", "int64", "string", "strconv", "httpbody.", "struct", "\n"} {
		if strings.Contains(answer.Message, word) {
			t.Errorf("%q says %q", answer.Message, word)
		}
	}
	if len(answer.Message) > 400 {
		t.Errorf("the message has %d bytes", len(answer.Message))
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 200_000)
	for _, tt := range []struct{ name, body, code, message string }{
		{"empty", ``, "invalid_json", "the body is empty"},
		{"blanks", " \n", "invalid_json", "the body is empty"},
		{"null", `null`, "invalid_body", "the body must be an object"},
		{"array", `[]`, "invalid_body", "the body must be an object"},
		{"text", `"x"`, "invalid_body", "the body must be an object"},
		{"two documents", `{"run_id":"x"} {}`, "invalid_json", "the body goes on after its JSON document, at byte 15"},
		{"garbage behind", `{} x`, "invalid_json", "the body goes on"},
		{"truncated at top", `{"run":`, "invalid_json", "run: is cut off: the body ends early, at byte 7"},
		{"truncated in metrics", `{"folds":[{"metrics":{"pf":1.`, "invalid_json", "folds[0].metrics.pf: is cut off"},
		{"syntax", `{"run":{"run_id":tru}}`, "invalid_json", "run.run_id: is not JSON: unexpected '}', at byte 20"},
		{"no comma", `{"a":1 "b":2}`, "invalid_json", "the body is not JSON: unexpected '\"', at byte 7"},
		{"name is no text", `{1:2}`, "invalid_json", "the body has a name that is not a text"},
		{"comment", `{/* */}`, "invalid_json", "the body is not JSON: unexpected '/'"},
		{"NaN", `{"folds":[` + fold(0, `,"best_score":NaN`) + `]}`, "invalid_json", "folds[0].best_score: is NaN, which JSON does not have"},
		{"-Infinity inside", runWith(fold(0, ``), fold(1, `,"metrics":{"pf":-Infinity}`)), "invalid_json", "folds[1].metrics.pf: is -Infinity, which JSON does not have"},
		{"duplicate key", `{"run":{"status":"FAILED","status":"FAILED"}}`, "invalid_json", "run.status: is there twice, at byte 26"},
		{"duplicate key inside", runWith(fold(0, `,"metrics":{"a":1,"\u0061":2}`)), "invalid_json", "folds[0].metrics.a: is there twice"},
		{"invalid UTF-8", `{"run":{"status":"` + "\xff" + `"}}`, "invalid_json", "run.status: is not UTF-8, at byte 18"},
		{"invalid UTF-8 inside", runWith(fold(0, `,"metrics":{"a":"`+"\xc3"+`"}`)), "invalid_json", "folds[0].metrics.a: is not UTF-8"},
		{"lone surrogate", `{"run":{"requested_by":"\ud800"}}`, "invalid_json", "run.requested_by: has a lone surrogate"},
		{"lone surrogate inside", runWith(fold(0, `,"metrics":{"a":["\udc00"]}`)), "invalid_json", "folds[0].metrics.a[0]: has a lone surrogate"},
		{"depth bomb", deep, "invalid_json", "[0][0]"},
		{"depth bomb inside", `{"run":{"walk_config":{"a":` + deep, "invalid_json", "run.walk_config.a[0][0]"},
		{"closed depth bomb", runWith(fold(0, `,"metrics":{"a":`+deep+strings.Repeat("]", 200_000)+`}`)), "invalid_json", "folds[0].metrics.a[0][0]"},
		{"wide object", `{"run":{"walk_config":{` + strings.Repeat(`"a":1,`, maxMembers) + `"b":1}}}`, "invalid_json", "run.walk_config.a: is there twice"},
		{"control character", "{\"run\":{\"status\":\"a\x00\"}}", "invalid_json", "run.status: is not JSON: unexpected '\\x00'"},
		{"NUL in a text", `{"run":{"requested_by":"a\u0000"}}`, "invalid_body", "run.requested_by: has the character U+0000"},
		{"NUL in a key inside", runWith(fold(0, `,"metrics":{"x":{"\u0000":1}}`)), "invalid_body", `folds[0].metrics.x."\x00": has the character U+0000`},
		{"1e999 inside", runWith(fold(0, ``), fold(1, ``), fold(2, `,"metrics":{"a b":[1,{"7":1e999}]}`)), "invalid_body", `folds[2].metrics."a b"[1]."7": is out of range`},
		{"1e999", runWith(fold(0, `,"best_score":1e999`)), "invalid_body", "folds[0].best_score: is out of range"},
		{"tiny number", `{"run":{"walk_config":{"x":1e-16000}}}`, "invalid_body", "run.walk_config.x: is out of range"},
		{"huge negative exponent", `{"run":{"walk_config":{"x":0e-99999999999999999999}}}`, "invalid_body", "run.walk_config.x: is out of range"},
		{"long number", `{"run":{"walk_config":{"x":0.` + strings.Repeat("0", 20_000) + `1}}}`, "invalid_body", "run.walk_config.x: is out of range"},
		{"half an exponent", `{"run":{"walk_config":{"x":1e}}}`, "invalid_json", "run.walk_config.x: is not JSON: unexpected '}'"},
		{"run is a text", `{"run":"{}"}`, "invalid_body", "run: must be an object"},
		{"id is a number", `{"run_id":7}`, "invalid_body", "run_id: must be a text"},
		{"time as a number", `{"started_at":1}`, "invalid_body", "started_at: must be a text"},
		{"duration with a fraction", `{"duration_ms":1.0}`, "invalid_body", "duration_ms: must be a whole number"},
		{"duration too long", `{"duration_ms":9223372036854775808}`, "invalid_body", "duration_ms: is out of range"},
		{"folds are an object", `{"folds":{}}`, "invalid_body", "folds: must be an array"},
		{"a fold is null", runWith(fold(0, ""), "null"), "invalid_body", "folds[1]: must be an object"},
		{"a fold is an array", runWith(fold(0, ""), "[]"), "invalid_body", "folds[1]: must be an object"},
		{"same fold twice", runWith(fold(3, ""), fold(4, ""), fold(3, "")), "invalid_body", "folds[2].fold_number: 3 is already folds[0]"},
		{"fold number too large", runWith(fold(1<<31, "")), "invalid_body", "folds[0].fold_number: is out of range"},
		{"fold number is null", runWith(`{"fold_number":null}`), "invalid_body", "folds[0].fold_number: is missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wantProblem(t, decode(tt.body), http.StatusBadRequest, tt.code, tt.message)
		})
	}
}

func decode(text string) error {
	if err := DecodeJSON([]byte(text), new(document)); err != nil {
		return err
	}
	return nil
}

// A document cut at any byte is refused.
func TestCutOff(t *testing.T) {
	t.Parallel()
	text := runWith(fold(0, `,"metrics":{"a":[1,true,null,"x\u00e9"]},"best_score":1.5e3`))
	for n := range len(text) {
		wantProblem(t, decode(text[:n]), http.StatusBadRequest, "invalid_json", "")
	}
}

func TestScan(t *testing.T) {
	t.Parallel()
	ok := strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth)
	if err := scan([]byte(ok)); err != nil {
		t.Error(err)
	}
	wantProblem(t, scan([]byte("["+ok+"]")), http.StatusBadRequest, "invalid_json", "[0][0]")
	wantProblem(t, scan([]byte(`{"pf":-1e999}`)), http.StatusBadRequest, "invalid_body", "pf: is out of range")
	for _, number := range []string{"1.7976931348623157e308", "5e-324", "-0", "0.0009110000100918114", strings.Repeat("9", 308), "1E+2"} {
		if err := scan([]byte(`{"x":` + number + `}`)); err != nil {
			t.Errorf("%s: %v", number, err)
		}
	}
	var b strings.Builder
	for i := range maxMembers + 1 {
		fmt.Fprintf(&b, `,"k%d":0`, i)
	}
	wantProblem(t, scan([]byte("{"+b.String()[1:]+"}")), http.StatusBadRequest, "invalid_body", "k100000: is one field too many")
}

func TestManyWarningsAreCut(t *testing.T) {
	t.Parallel()
	u := Unknown{}
	for i := range 100 {
		u[fmt.Sprintf("field %03d", i)] = skipped{}
	}
	got := u.Warnings("run")
	if len(got) != MaxWarnings+1 || got[0] != `unknown field run."field 000" is ignored` || got[MaxWarnings] != "80 more unknown fields are ignored" {
		t.Errorf("got %q", got)
	}
}

// A list that is longer than what is kept of it is handed out whole, in its order and as often as it is asked for.
func TestLongList(t *testing.T) {
	t.Parallel()
	const n = 40_000
	run, other := uuid.UUID{1}, uuid.UUID{2}
	texts := make([]string, n)
	for i := range texts {
		texts[i] = "\n " + fold(n-i, fmt.Sprintf(`,"metrics":{"n":%d},"x":1,"run_id":"%s"`, i, run)) + " "
	}
	var d document
	if err := DecodeJSON([]byte(runWith(texts...)), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Folds.Kept()) == n || d.Folds.Len() != n {
		t.Fatalf("%d of %d rows are kept, so this tests nothing", len(d.Folds.Kept()), d.Folds.Len())
	}
	for range 3 { // a transaction that is done again
		i := 0
		err := d.Folds.Each(func(at int, row *foldRow) { row.run[15] = byte(at) }, func(rows []foldRow) error {
			for _, row := range rows {
				if row.number != int32(n-i) || string(row.metrics) != fmt.Sprintf(`{"n":%d}`, i) || row.run[15] != byte(i) {
					t.Fatalf("row %d is %+v", i, row)
				}
				i++
			}
			return nil
		})
		if err != nil || i != n {
			t.Fatalf("%d of %d rows: %v", i, n, err)
		}
	}
	if got := d.Folds.Warnings("folds[]"); len(got) != 1 || got[0] != "unknown field folds[].x is ignored" {
		t.Errorf("got the warnings %q", got)
	}
	if err := d.Folds.parents.Check(run, "is not of the run"); err != nil {
		t.Error(err)
	}
	texts[n-1] = fold(1, fmt.Sprintf(`,"run_id":"%s"`, other))
	if err := DecodeJSON([]byte(runWith(texts...)), &d); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, d.Folds.parents.Check(run, "is not of the run"), http.StatusBadRequest, "invalid_body", "folds[39999].run_id: is not of the run")
}

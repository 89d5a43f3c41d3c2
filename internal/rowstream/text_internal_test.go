package rowstream

import (
	"encoding/csv"
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"foldbook/api/spec"
	"foldbook/questdb"
)

func checkFloat(t *testing.T, x float64) {
	t.Helper()
	text := string(AppendFloat(nil, x))
	back, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Float64bits(back) != math.Float64bits(x) || !json.Valid([]byte(text)) {
		t.Errorf("%b is written %s, which reads as %b (%v)", x, text, back, err)
	}
	format := byte('f')
	if size := math.Abs(x); size != 0 && (size < 1e-6 || size >= 1e21) {
		format = 'e'
	}
	if want := strconv.FormatFloat(x, format, -1, 64); text != want {
		t.Errorf("%b is written %s, the shortest is %s", x, text, want)
	}
}

// Numbers are written as strconv does, in the shortest form that reads back.
func TestAppendFloat(t *testing.T) {
	t.Parallel()
	for _, x := range []float64{
		0, math.Copysign(0, -1), 1, -1, 0.1, 0.5, 1e15, 1e11, 99999999999.9999, 100000000000.0001, 1e-4, 1e-5, 0.00005, 123.4567, 123.45675, -0.0012, 42010.5, 5e-324,
		math.MaxFloat64, 1e20, 1e21, 1e22, 1e-6, 9.99e-7, 9007199254740993, 0.30000000000000004, 4.35, 1.005, 2.675, 8.2,
	} {
		checkFloat(t, x)
		checkFloat(t, -x)
		if x < math.MaxFloat64 {
			checkFloat(t, math.Nextafter(x, math.Inf(1)))
		}
		checkFloat(t, math.Nextafter(x, math.Inf(-1)))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		checkFloat(t, float64(r.Int64N(1e16))/math.Pow10(r.IntN(8)))
		if x := math.Float64frombits(r.Uint64()); x-x == 0 {
			checkFloat(t, x)
		}
	}
}

func FuzzAppendFloat(f *testing.F) {
	f.Add(uint64(0))
	f.Fuzz(func(t *testing.T, bits uint64) {
		if x := math.Float64frombits(bits); x-x == 0 {
			checkFloat(t, x)
		}
	})
}

// Texts come back from each format as they were, and NULL is not the empty text.
func FuzzTexts(f *testing.F) {
	for _, text := range []string{"", " ", "a", "a,b", `"`, "a\"b\\", "line\nbreak\r", "日本", "\u2028", "\x00\x1f\x7f"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "")
		fields := []Field{{Name: text, Kind: questdb.Text}, {Name: "null", Kind: questdb.Text}}
		var object map[string]*string
		line := newTextEncoder(fields, spec.Ndjson, false).row(nil, textRow(text), 0)
		if err := json.Unmarshal(line, &object); err != nil || object[text] == nil && text != "null" || text != "null" && *object[text] != text || object["null"] != nil {
			t.Errorf("%q is %s in NDJSON (%v)", text, line, err)
		}
		encoder := newTextEncoder(fields, spec.Csv, false)
		line = encoder.row(encoder.begin(nil), textRow(text), 0)
		records, err := csv.NewReader(strings.NewReader(string(line))).ReadAll()
		want := strings.ReplaceAll(text, "\r\n", "\n") // as the reader has it
		if err != nil || len(records) != 2 || records[1][0] != want || records[0][0] != want {
			t.Errorf("%q is %q in CSV (%v)", text, line, err)
		}
		if !strings.HasSuffix(string(line), ",\n") || text == "" && !strings.HasSuffix(string(line), "\"\",\n") {
			t.Errorf("the cells of %q and NULL are %q", text, line)
		}
	})
}

// textRow is a row of a text and a NULL.
type textRow string

func (textRow) Next() bool                  { return false }
func (textRow) Err() error                  { return nil }
func (textRow) Close()                      {}
func (textRow) Int(int) (int64, bool)       { return 0, false }
func (textRow) Float(int) (float64, bool)   { return 0, false }
func (r textRow) Text(i int) ([]byte, bool) { return []byte(r), i == 0 }

func TestFormatOf(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]spec.Format{
		"": spec.Csv, "*/*": spec.Csv, "text/html": spec.Csv, "application/json": spec.JSON, "TEXT/CSV;q=0.1, application/json;q=0.2": spec.JSON,
		"application/vnd.apache.arrow.stream": spec.Arrows, "application/vnd.apache.arrow.file": spec.Arrow, "application/json;q=0, text/csv;q=0.1": spec.Csv, "application/x-ndjson, */*": spec.Ndjson,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept", accept)
		if got, err := FormatOf(nil, r, spec.Csv); err != nil || got != want {
			t.Errorf("Accept %q: %s %v, want %s", accept, got, err, want)
		}
	}
}

package db

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// nasty are the texts that JSON encoders get wrong.
var nasty = []string{
	"", "plain", `"quoted" \back\slash/`, "tab\tline\ncarriage\rreturn", "\x00\x01\b\f\x1b\x1f\x7f", "<script>&amp;</script>", "Füße, 東京, 😀",
	"\u2028line\u2029paragraph", "bad \xff\xfe bytes", "cut \xe2\x82", "\xed\xa0\x80 half a surrogate", "\ufeffmark \ufffd replaced", strings.Repeat("long \" ", 1000),
}

func FuzzAppendString(f *testing.F) {
	for _, s := range nasty {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := appendString([]byte(`[1,`), s)
		if string(got[:3]) != `[1,` {
			t.Fatalf("what was there before has become %q", got[:3])
		}
		got = got[3:]
		if !json.Valid(got) || !utf8.Valid(got) {
			t.Fatalf("%q becomes %q, which is not JSON", s, got)
		}
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var a, b string
		if err := json.Unmarshal(got, &a); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(want, &b); err != nil {
			t.Fatal(err)
		}
		if a != b {
			t.Errorf("%q reads back as %q, want %q as from encoding/json", s, a, b)
		}
	})
}

func FuzzAppendFloat(f *testing.F) {
	for _, v := range []float64{
		0, math.Copysign(0, -1), 1, -1, 0.1, 1.0 / 3, 0.30000000000000004, 2.0 / 3 * 1e-7, 1e-6, 9.99e-7, 1e20, 1e21, 123456789.12345678, float64(float32(0.000911)),
		math.MaxFloat64, math.SmallestNonzeroFloat64, 1 << 53, 1<<53 + 2, math.Pi * 1e300, math.NaN(), math.Inf(1), math.Inf(-1),
	} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v float64) {
		got := string(AppendFloat(nil, v))
		if math.IsNaN(v) || math.IsInf(v, 0) {
			if got != "null" {
				t.Errorf("%v becomes %s, want null", v, got)
			}
			return
		}
		var back float64
		if err := json.Unmarshal([]byte(got), &back); err != nil || math.Float64bits(back) != math.Float64bits(v) {
			t.Errorf("%v becomes %s, which reads back as %v, %v", v, got, back, err)
		}
	})
}

func TestAppendTime(t *testing.T) {
	t.Parallel()
	east := time.FixedZone("east", 5*3600+1800)
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Date(2026, 1, 2, 12, 15, 0, 0, time.UTC), `"2026-01-02T12:15:00Z"`},
		{time.Date(2026, 1, 2, 12, 15, 0, 250e6, time.UTC), `"2026-01-02T12:15:00.250Z"`},
		{time.Date(2026, 1, 2, 12, 15, 0, 1e6, time.UTC), `"2026-01-02T12:15:00.001Z"`},
		{time.Date(2026, 1, 2, 12, 15, 0, 250_100e3, time.UTC), `"2026-01-02T12:15:00.250100Z"`},
		{time.Date(2026, 1, 2, 12, 15, 0, 1000, time.UTC), `"2026-01-02T12:15:00.000001Z"`},
		{time.Date(2026, 1, 2, 2, 0, 0, 0, east), `"2026-01-01T20:30:00Z"`},
		{time.Date(1969, 12, 31, 23, 59, 59, 999e6, time.UTC), `"1969-12-31T23:59:59.999Z"`},
		{time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), `"9999-12-31T00:00:00Z"`},
	} {
		if got := string(appendTime(nil, c.at)); got != c.want {
			t.Errorf("%v becomes %s, want %s", c.at, got, c.want)
		}
	}
}

func TestAppendSmall(t *testing.T) {
	t.Parallel()
	for want, got := range map[string][]byte{
		"-9223372036854775808":                   appendInt(nil, int64(math.MinInt64)),
		"2147483647":                             appendInt(nil, int32(math.MaxInt32)),
		"null":                                   appendRaw(nil, nil),
		`{"a": 1}`:                               appendRaw(nil, json.RawMessage(`{"a": 1}`)),
		`"6f0e0c3a-52a7-4c1c-9d58-3f1f0e6f9a01"`: appendUUID(nil, uuid.MustParse("6F0E0C3A-52A7-4C1C-9D58-3F1F0E6F9A01")),
	} {
		if string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

package moment_test

import (
	"strings"
	"testing"
	"time"

	"foldbook/internal/moment"
)

// data-rules.md, Times
func TestTexts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2024-01-02":                           "2024-01-02T00:00:00Z",
		"2024-01-02 09:30":                     "2024-01-02T09:30:00Z",
		"2024-01-02 09:30:15":                  "2024-01-02T09:30:15Z",
		"2024-01-02T09:30:15.123":              "2024-01-02T09:30:15.123Z",
		"2024-01-02T09:30:15.123456Z":          "2024-01-02T09:30:15.123456Z",
		"2024-01-02t09:30:15z":                 "2024-01-02T09:30:15Z",
		"2024-01-02 09:30 UTC":                 "2024-01-02T09:30:00Z",
		"2024-01-02 09:30:00+01":               "2024-01-02T08:30:00Z",
		"2024-01-02 09:30:00.5 +0100":          "2024-01-02T08:30:00.5Z",
		"2024-01-02T09:30:00-04:00":            "2024-01-02T13:30:00Z",
		" 1970-01-01 ":                         "1970-01-01T00:00:00Z",
		"1971-02-05":                           "1971-02-05T00:00:00Z",
		"9999-12-31T23:59:59Z":                 "9999-12-31T23:59:59Z",
		"1704067200000":                        "2024-01-01T00:00:00Z",
		"1.7040672e12":                         "2024-01-01T00:00:00Z",
		"1704067200000.5":                      "2024-01-01T00:00:00.0005Z",
		"99999999999":                          "! 99999999999 is no time between 1973 and 2262 in milliseconds (it is 1973-03-03T09:46:39.999Z): write milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z",
		"100000000000":                         "1973-03-03T09:46:40Z",
		"1704067200":                           "! 1704067200 is in seconds, it seems: that is 2024-01-01T00:00:00Z, and in milliseconds it is 1970-01-20T17:21:07.2Z: write milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z",
		"1704067200000000":                     "! 1704067200000000 is in microseconds, it seems: that is 2024-01-01T00:00:00Z, and in milliseconds it is the year 55969: write",
		"1704067200000000000":                  "! 1704067200000000000 is in nanoseconds, it seems: that is 2024-01-01T00:00:00Z",
		"20240102":                             "! 20240102 reads as the date 2024-01-02: write milliseconds since 1970 or a text such as",
		"202401020930":                         "! 202401020930 reads as the date 2024-01-02 09:30, and in milliseconds since 1970 it is 1976-05-31T14:30:20.93Z: write milliseconds",
		"20240102093015":                       "! 20240102093015 reads as the date 2024-01-02 09:30:15: write",
		"202413020930":                         "1976-05-31T17:50:20.93Z",
		"45293":                                "! 45293 is no time between 1973 and 2262 in milliseconds",
		"-1":                                   "! -1 is no time between 1973 and 2262",
		"1e300":                                "! 1e+300 is out of range: write milliseconds since 1970",
		"1e999":                                `! +Inf is out of range`,
		"0x10":                                 `! "0x10" is not a time: write milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z`,
		"nan":                                  `! "nan" is not a time`,
		"":                                     `! "" is not a time`,
		"yesterday":                            `! "yesterday" is not a time`,
		"01/02/2024":                           `! "01/02/2024" is not a time`,
		"9999-12-31T23:59:59-01:00":            "! 10000-01-01T00:59:59Z is out of range",
		"2024-13-02":                           `! "2024-13-02" is not a time`,
		"2024-01-02 25:00":                     `! "2024-01-02 25:00" is not a time`,
		"2024-01-02 09:30 EST":                 `! "2024-01-02 09:30 EST" is not a time`,
		"1969-12-31":                           "! 1969-12-31T00:00:00Z is before 1970-01-01, where the times of QuestDB begin",
		"1969-12-31T23:59:59.999Z":             "! 1969-12-31T23:59:59.999Z is before 1970-01-01",
		"2024-01-02" + strings.Repeat("x", 50): `! "2024-01-02xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…" is not a time`,
	} {
		r := moment.Reader{Unit: moment.Milliseconds}
		got, err := r.Text(text)
		if wrong, refused := strings.CutPrefix(want, "! "); refused {
			if err == nil || !strings.HasPrefix(err.Error(), wrong) {
				t.Errorf("%s is %v, %v; want %s", text, got, err, wrong)
			}
		} else if err != nil || got.Format(time.RFC3339Nano) != want {
			t.Errorf("%s is %v, %v; want %s", text, got, err, want)
		}
	}
	old := moment.Reader{Unit: moment.Milliseconds, Old: true}
	if got, err := old.Text("1927-12-30"); err != nil || got.Year() != 1927 {
		t.Errorf("got %v, %v", got, err)
	}
}

// The first number of a file decides about the unit of all.
func TestUnitOfFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ times, want string }{
		{"1704067200 1704070800.25", "2024-01-01T01:00:00.25Z"},
		{"1704067200000 1704070800000", "2024-01-01T01:00:00Z"},
		{"1704067200000000 1704070800000001", "2024-01-01T01:00:00.000001Z"},
		{"1704067200000000000 1704070800000001000", "2024-01-01T01:00:00.000001Z"},
		{"2024-01-01 1704070800000", "2024-01-01T01:00:00Z"},
		{"1735689540000 1735689600000000", "1735689600000000 is in microseconds (2025-01-01T00:00:00Z), but the times before it are in milliseconds: a file has one unit"},
		{"2024010209", "2024010209 reads as the date 2024-01-02 09, and in seconds since 1970 it is 2034-02-20T01:03:29Z: write a number or a text such as 2025-11-10T01:30:00Z"},
		{"7", "7 is a time between 1973 and 2262 in no unit: write seconds, milliseconds, microseconds or nanoseconds since 1970, or a text such as 2025-11-10T01:30:00Z"},
		{"10000000000", "10000000000 is a time between 1973 and 2262 in no unit: write seconds, milliseconds, microseconds or nanoseconds since 1970, or a text such as 2025-11-10T01:30:00Z"},
	} {
		var r moment.Reader
		got := ""
		for _, text := range strings.Fields(c.times) {
			at, err := r.Text(text)
			if got = at.Format(time.RFC3339Nano); err != nil {
				got = err.Error()
			}
		}
		if got != c.want {
			t.Errorf("%s: %s\nwant %s", c.times, got, c.want)
		}
	}
}

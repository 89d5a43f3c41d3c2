package candlefile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foldbook/internal/rowread"
)

// dump is the rows of a file as a text: its first two rows, how many there are, and the notes.
func dump(in io.Reader, o Options) string {
	f, err := Open(in, o, rowread.Options{Rows: 100, Texts: true})
	if err != nil {
		return err.Error()
	}
	var out strings.Builder
	rows := 0
	for {
		batch, err := f.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err.Error()
		}
		for row, micros := range batch.Times {
			if rows++; rows > 2 {
				continue
			}
			out.WriteString(time.UnixMicro(micros).UTC().Format(time.RFC3339Nano))
			for _, c := range batch.Columns {
				text, _ := c.Text(row)
				switch {
				case c.Missing(row):
				case c.Kind == rowread.Float:
					text = fmt.Sprint(c.Float(row))
				case c.Kind == rowread.Int:
					text = fmt.Sprint(c.Int(row))
				}
				fmt.Fprintf(&out, " %s=%s", c.Name, text)
			}
			out.WriteString("\n")
		}
	}
	fmt.Fprintf(&out, "%d rows\n", rows)
	for _, note := range f.Notes {
		out.WriteString(note + "\n")
	}
	return out.String()
}

const (
	minutely = "2024-01-01T00:00:00Z open=1 high=2 low=0.5 close=1.5 volume=10\n"
	forex    = "2024-01-02T00:00:00Z open=1.10427 high=1.10459 low=1.10399 close=1.10432 volume=1250\n2024-01-02T01:00:00Z open=1.1 high=1.2 low=1 close=1.1 volume=1350\n2 rows\n"
)

// data-rules.md, Files
func TestFiles(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"container-bars.parquet":                      "is a Parquet file: write it as Arrow (feather) or CSV",
		"container-freqtrade-json.json":               minutely + "2024-01-01T01:00:00Z open=1.5 high=2 low=1 close=1.7 volume=11\n2 rows\nthere are no names of columns: they are taken for timestamp, open, high, low, close, volume\n",
		"container-freqtrade-like.feather":            minutely + "2024-01-01T01:00:00Z open=2 high=3 low=1 close=2.5 volume=11\n3 rows\n",
		"container-json-array-of-rows.json":           minutely + "2024-01-01T01:00:00Z open=2 high=3 low=1 close=2.5 volume=11\n3 rows\n",
		"layout-binance-no-header.csv":                "2024-01-01T00:00:00Z open=42283.58 high=42554.57 low=42261.02 close=42475.23 volume=1271.68 close_time=1.704070799999e+12 quote_volume=5.395724897e+07 trades=47134 taker_buy_base_volume=682.57 taker_buy_quote_volume=2.89574168e+07",
		"layout-bitstamp-kaggle-names.csv":            "2011-12-31T07:52:00Z Open=4.39 High=4.39 Low=4.39 Close=4.39 volume=0.45558087 Volume_Currency=2.0000000193 Weighted_Price=4.39\n2011-12-31T07:53:00Z Open= High= Low= Close= volume= Volume_Currency= Weighted_Price=\n3 rows\n",
		"layout-capital-Timestamp.csv":                "2011-12-31T07:52:00Z Open=4.39 High=4.39 Low=4.39 Close=4.39 Volume=0.45558087\n",
		"layout-comment-line.csv":                     minutely + "1 rows\n",
		"layout-cryptodatadownload-banner.csv":        "2024-01-01T01:00:00Z open=42500 high=42600 low=42400 close=42550 volume=10.5 Volume USDT=446775 tradecount=1200\n",
		"layout-dot-dates.csv":                        forex,
		"layout-dukascopy-minutes-only.csv":           forex,
		"layout-investing-quoted.csv":                 `rows[0].Date: "01/02/2024" is not a time: write a number or a text such as 2025-11-10T01:30:00Z; --time-format says how times are written, such as %d/%m/%Y %H:%M`,
		"layout-kraken-no-header-seconds.csv":         "2024-01-01T00:00:00Z open=42283.5 high=42554.5 low=42261 close=42475.2 volume=71.68 trades=471\n",
		"layout-metatrader4-no-header.csv":            "2024-01-02T00:00:00Z open=1.10427 high=1.10459 low=1.10399 close=1.10432 volume=1250\n2024-01-02T01:00:00Z open=1.10432",
		"layout-metatrader5-tabs.csv":                 "2024-01-02T00:00:00Z OPEN=1.10427 HIGH=1.10459 LOW=1.10399 CLOSE=1.10432 tick_volume=1250 volume=0 SPREAD=8\n",
		"layout-odd-column-names.csv":                 "2024-01-01T00:00:00Z open=1 high=2 low=0.5 close=1.5 volume=10 RSI_14=55 K=20 MA_20=1.1 close_1=1.5 ret=0.3 Волатильность=0.2\n1 rows\nthe column \"RSI(14)\" is RSI_14\n",
		"layout-postgres-short-offset.csv":            "2024-01-02T00:00:00Z open=1 high=2 low=0.5 close=1.5 volume=10\n2024-01-02T01:00:00.5Z open=1.5 high=2 low=1 close=1.7 volume=11\n2 rows\n",
		"layout-semicolon-decimal-comma.csv":          "2024-01-01T00:00:00Z open=42283.58 high=42554.57 low=42261.02 close=42475.23 volume=1271.68\n1 rows\n",
		"layout-symbol-column.csv":                    minutely + "1 rows\nthe column \"symbol\" is left out: it is BTCUSDT throughout\n",
		"layout-tradingview-time.csv":                 "2024-01-01T00:00:00Z open=42283.58 high=42554.57 low=42261.02 close=42475.23 Volume=1271.68 Volume MA=\n",
		"layout-tradingview-time-duplicate-plots.csv": "2024-01-01T00:00:00Z open=1 high=2 low=0.5 close=1.5 volume=10 Plot=3 Plot_2=4\n",
		"layout-trailing-comma.csv":                   minutely + "1 rows\n",
		"layout-utc-suffix.csv":                       "2024-01-02T00:00:00Z open=1 high=2 low=0.5 close=1.5 volume=10\n1 rows\n",
		"layout-utf16.csv":                            minutely + "1 rows\n",
		"layout-yahoo-date-and-null.csv":              "2024-01-02T00:00:00Z Open=187.15 High=188.44 Low=183.89 Close=185.64 adj_close=184.94 Volume=8.24887e+07\n2024-01-03T00:00:00Z Open= High= Low= Close= adj_close= Volume=\n3 rows\n",
	} {
		file, err := os.Open(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if got := dump(file, Options{}); !strings.HasPrefix(got, want) {
			t.Errorf("%s:\n%swant\n%s", name, got, want)
		}
		_ = file.Close()
	}
}

// What a file does not say is said by options; what is not plain is refused with what was found.
// NaN and the like in JSON, which Python writes, are missing.
func TestNonfinite(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`[{"timestamp": 1704067200000, "close": NaN, "open": 1}, {"timestamp": 1704067260000, "close":-Infinity, "open": 2}]`: "2024-01-01T00:00:00Z close= open=1\n2024-01-01T00:01:00Z close= open=2\n2 rows\n",
		`[[1704067200000, 1, 2, 0.5, 1.5, NaN], [1704067260000, 1, 2, 0.5, 1.5, 10]]`: "2024-01-01T00:00:00Z open=1 high=2 low=0.5 close=1.5 volume=\n" +
			"2024-01-01T00:01:00Z open=1 high=2 low=0.5 close=1.5 volume=10\n2 rows\n",
	} {
		if got := dump(strings.NewReader(in), Options{}); !strings.HasPrefix(got, want) {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in   string
		o    Options
		want string
	}{
		{"\"Date\",\"Price\",\"Open\",\"Vol.\",\"Change %\"\n\"01/02/2024\",\"42,475.2\",\"42,283.6\",\"71.68K\",\"0.45%\"\n", Options{TimeFormat: "%m/%d/%Y"},
			"2024-01-02T00:00:00Z close=42475.2 Open=42283.6 volume=71680 Change=0.45\n1 rows\n"},
		{"20240102 093000;1;2;0,5;1,5;10\n", Options{}, "2024-01-02T09:30:00Z open=1 high=2 low=0.5 close=1.5 volume=10\n"},
		{"202401020930,1,2,0.5,1.5,10\n", Options{}, "rows[0].timestamp: 202401020930 reads as the date 2024-01-02 09:30"},
		{"202401020930,1,2,0.5,1.5,10\n", Options{TimeFormat: "%Y%m%d%H%M"}, "2024-01-02T09:30:00Z open=1 "},
		{"Date,Time,Open\n2024-01-02,040000,7\n", Options{}, "2024-01-02T04:00:00Z Open=7\n"},
		{"when,x\n2024-01-02,7\n", Options{}, `has no column of times: it has the columns "when", "x"; name it with --time`},
		{"when,x\n2024-01-02,7\n", Options{Time: "then"}, `has no column "then": it has the columns "when", "x"`},
		{"when,x\n2024-07-02 09:30,7\n2024-01-02 09:30,7\n2024-01-02 09:30Z,7\n", Options{Time: "WHEN", Zone: newYork}, "2024-07-02T13:30:00Z x=7\n2024-01-02T14:30:00Z x=7\n3 rows\n"},
		{"time,x\n2024-03-10 02:30,7\n", Options{Zone: newYork}, "rows[0].time: 2024-03-10 02:30 does not exist in America/New_York: the clocks go forward"},
		{"1704067200,7,8\n", Options{}, `has no names of columns, and begins with "1704067200,7,8": name them in order with --columns`},
		{"1704067200,7,8\n", Options{Columns: []string{"time", "-", "x"}}, "2024-01-01T00:00:00Z x=8\n"},
		{"1704067200,7,8\n", Options{Columns: []string{"time"}}, "has 3 columns, and --columns names 1: 1704067200,7,8"},
		{"1704067200,1,1.5,2,0.5,10\n", Options{}, "has no names of columns, and begins with"}, // open, close, high, low
		{"some\nwords\ntime|x\n1704067200|7\n", Options{Skip: 2}, "2024-01-01T00:00:00Z x=7\n"},
		{"time:x\n1704067200:7\n", Options{Delimiter: ':'}, "2024-01-01T00:00:00Z x=7\n"},
		{"time,symbol,x\n1704067200,A,7\n1704067260,B,7\n", Options{}, "rows[1].symbol: is B, and A above: a dataset has the rows of one symbol"},
		{"time,x\n1704067200,7,8\n", Options{}, "rows[0]: has 3 cells, and 2 columns have names, in line 2"},
		{"time,x\n1704067200\n", Options{}, "rows[0]: has 1 cells, and 2 columns have names, in line 2"},
		{",x\n2024-01-02,7\n", Options{}, "2024-01-02T00:00:00Z x=7\n"},
		{"[[1704067200000,1,2,0.5,1.5,10],5]", Options{}, "rows[1]: is not an array of numbers and texts"},
		{"", Options{}, "is empty"},
		{"PK\x03\x04", Options{}, "is a ZIP file, or a workbook: unpack it, or save it as CSV"},
		{`{"time": 1704067200, "x": 7}`, Options{}, "2024-01-01T00:00:00Z x=7\n"},
	} {
		if got := dump(strings.NewReader(c.in), c.o); !strings.HasPrefix(got, c.want) {
			t.Errorf("%q: %s\nwant %s", c.in, got, c.want)
		}
	}
	if CheckFormat("%Y%m%d") != nil || CheckFormat("today") == nil || CheckFormat("%Q") == nil {
		t.Error("formats of times")
	}
}

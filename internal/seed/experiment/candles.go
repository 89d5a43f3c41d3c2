package experiment

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// hourMS is the length of an hour in milliseconds.
const hourMS = int64(time.Hour / time.Millisecond)

//go:embed btcusd_1h.csv
var btcHourlyCSV string

// candle is one bar: start in milliseconds since the epoch, prices in the quote currency, volume in the base asset.
type candle struct {
	startMS                        int64
	open, high, low, close, volume float64
}

// parseCandles reads timestamp_ms,open,high,low,close,volume lines below a header, in rising time.
func parseCandles(text string) ([]candle, error) {
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read candles: %w", err)
	}
	if len(records) == 0 || len(records[0]) != 6 {
		return nil, fmt.Errorf("read candles: want a header and 6 columns")
	}
	candles := make([]candle, 0, len(records)-1)
	for n, record := range records[1:] {
		var c candle
		if c.startMS, err = strconv.ParseInt(record[0], 10, 64); err != nil {
			return nil, fmt.Errorf("read candle %d: %w", n, err)
		}
		for k, field := range []*float64{&c.open, &c.high, &c.low, &c.close, &c.volume} {
			if *field, err = strconv.ParseFloat(record[k+1], 64); err != nil {
				return nil, fmt.Errorf("read candle %d: %w", n, err)
			}
		}
		if n > 0 && c.startMS <= candles[n-1].startMS {
			return nil, fmt.Errorf("read candle %d: time does not rise", n)
		}
		candles = append(candles, c)
	}
	return candles, nil
}

// resample joins bars of fromMS into bars of toMS that start at multiples of toMS since the epoch (UTC).
// A first or last bar that lacks candles is dropped, because its open or close would be wrong. A time
// without any candle gets no bar: gaps stay gaps.
func resample(candles []candle, fromMS, toMS int64) []candle {
	var bars []candle
	for _, c := range candles {
		start := c.startMS - c.startMS%toMS
		if len(bars) == 0 || bars[len(bars)-1].startMS != start {
			bar := c
			bar.startMS = start
			bars = append(bars, bar)
			continue
		}
		bar := &bars[len(bars)-1]
		bar.high = math.Max(bar.high, c.high)
		bar.low = math.Min(bar.low, c.low)
		bar.close = c.close
		bar.volume += c.volume
	}
	if len(bars) > 0 && candles[len(candles)-1].startMS+fromMS < bars[len(bars)-1].startMS+toMS {
		bars = bars[:len(bars)-1]
	}
	if len(bars) > 0 && candles[0].startMS > bars[0].startMS {
		bars = bars[1:]
	}
	return bars
}

// randomWalk makes n hourly bars of a price without drift or memory, from a fixed seed: nothing can be
// learned from them, and a model's figures on them should say so. Volatility breathes over a week.
func randomWalk(n int, startMS int64, price float64) []candle {
	rng := rand.New(rand.NewPCG(0x666f6c64, 0x626f6f6b))
	cents := func(x float64) float64 { return math.Round(x*100) / 100 }
	bars := make([]candle, n)
	for i := range bars {
		sigma := 0.004 * (1 + 0.5*math.Sin(2*math.Pi*float64(i)/168))
		open := cents(price)
		price *= math.Exp(sigma*rng.NormFloat64() - sigma*sigma/2)
		closing := cents(price)
		bars[i] = candle{
			startMS: startMS + int64(i)*hourMS,
			open:    open,
			high:    cents(math.Max(open, closing) * (1 + sigma*rng.Float64()/2)),
			low:     cents(math.Min(open, closing) * (1 - sigma*rng.Float64()/2)),
			close:   closing,
			volume:  cents(400 * math.Exp(0.6*rng.NormFloat64())),
		}
	}
	return bars
}

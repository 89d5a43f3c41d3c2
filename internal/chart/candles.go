package chart

import (
	"strconv"

	"foldbook/api/spec"
	"foldbook/questdb"
)

// Interval reads the length of a candle, 15m, 4h, 1d, ….
func Interval(text string) (int64, questdb.Unit, error) {
	if len(text) >= 2 {
		unit := questdb.Unit(text[len(text)-1])
		n, err := strconv.ParseInt(text[:len(text)-1], 10, 64)
		most := map[questdb.Unit]int64{
			questdb.Second: 86400, questdb.Minute: 1440, questdb.Hour: 24, questdb.Day: 1, questdb.Week: 1, questdb.Month: 12,
		}[unit]
		if err == nil && n >= 1 && n <= most {
			return n, unit, nil
		}
	}
	return 0, 0, spec.InvalidParameter("interval", "is not a number and s, m, h, d, w or M, at most a day long or 1d, 1w, 1M to 12M")
}

package series

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"foldbook/questdb"
)

var (
	granularity = regexp.MustCompile(`^([0-9]{1,9})(ms|s|m|h|d|w)$`)
	unitMS      = map[string]int64{"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
)

// granularityMS is the length of a bar in milliseconds, as the function granularity_ms of the database tells it: 0 for unknown.
func granularityMS(text string) int64 {
	match := granularity.FindStringSubmatch(text)
	if match == nil {
		return 0
	}
	n, _ := strconv.ParseInt(match[1], 10, 64) // it has at most nine digits
	return n * unitMS[match[2]]
}

// BarLength is the length of a bar: the stored milliseconds, or else that of a granularity such as 4h; 0 for unknown.
func BarLength(ms int64, granularity string) time.Duration {
	if ms <= 0 {
		ms = granularityMS(granularity)
	}
	return time.Duration(min(ms, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}

// CanonicalGranularity writes a bar length in the largest unit, up to days, that divides it: 240m and 240min are 4h, 1440m is
// 1d. Weeks, lengths that are not whole minutes, and other texts stay unchanged.
func CanonicalGranularity(text string) string {
	short := text
	if digits, ok := strings.CutSuffix(text, "min"); ok {
		short = digits + "m"
	}
	ms := granularityMS(short)
	if ms == 0 || strings.HasSuffix(short, "w") {
		return text
	}
	for _, unit := range []string{"d", "h", "m"} {
		if ms%unitMS[unit] == 0 {
			return strconv.FormatInt(ms/unitMS[unit], 10) + unit
		}
	}
	return text
}

// Feature and Target are the roles of columns that are computed.
const (
	Feature = "feature"
	Target  = "target"
)

// Role is what a column of indicator rows is for: Feature, Target, time, symbol or bar.
func Role(c questdb.Column) string {
	name := strings.ToLower(c.Name)
	switch {
	case c.Designated, strings.HasPrefix(name, "timestamp"), strings.HasPrefix(name, "date"), strings.HasPrefix(name, "time"):
		return "time"
	case questdb.KindOf(c.Type) == questdb.Text:
		return "symbol"
	case slices.Contains([]string{"open", "high", "low", "close", "volume"}, name):
		return "bar"
	case strings.HasPrefix(name, "tgt"), strings.HasPrefix(name, "target"):
		return Target
	}
	return Feature
}

package chart

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the zones, for machines that have none

	"foldbook/api/spec"
)

// Calendar says when candles begin. Days, weeks (on Mondays) and months begin at midnight of a zone, or an offset from it.
// Shorter candles begin at multiples of their length: in UTC after 1970, else after the beginning of each day.
type Calendar struct {
	n      int64
	unit   byte // s, m, h, d, w or M
	zone   *time.Location
	offset time.Duration // from midnight
	plain  bool          // in UTC, without an offset
}

var (
	intervalForm = regexp.MustCompile(`^([1-9][0-9]{0,4})([smhdwMSHDW])$`)
	offsetForm   = regexp.MustCompile(`^([+-]?)([01][0-9]|2[0-3]):([0-5][0-9])$`)
	longest      = map[byte]int64{'s': 86400, 'm': 1440, 'h': 24, 'd': 366, 'w': 53, 'M': 120}
	lengths      = map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour}
)

// NewCalendar reads the length of candles, their time zone and the offset of their days. The error is a *spec.Problem.
func NewCalendar(interval string, zone, offset *string) (*Calendar, error) {
	c := &Calendar{zone: time.UTC, plain: zone == nil && offset == nil}
	match := intervalForm.FindStringSubmatch(interval)
	if match != nil {
		c.n, _ = strconv.ParseInt(match[1], 10, 64) // it has at most five digits
		if c.unit = match[2][0]; c.unit != 'M' {
			c.unit = strings.ToLower(match[2])[0]
		}
	}
	if match == nil || c.n > longest[c.unit] {
		return nil, spec.InvalidParameter("interval",
			"is not a number and s, m (minutes), h, d, w or M (months): at most 24h, 366d, 53w or 120M")
	}
	if zone != nil {
		var err error
		if c.zone, err = time.LoadLocation(*zone); err != nil || *zone == "" || *zone == "Local" {
			return nil, spec.InvalidParameter("tz", "is not a time zone such as America/New_York")
		}
	}
	if offset != nil {
		match := offsetForm.FindStringSubmatch(*offset)
		if match == nil {
			return nil, spec.InvalidParameter("offset", "is not a number of rows, or a time from midnight such as 17:00 or -07:00")
		}
		c.offset, _ = time.ParseDuration(match[1] + match[2] + "h" + match[3] + "m")
	}
	return c, nil
}

// Step is the seconds of the longest samples, counted from 1970 in UTC, that no candle begins within. Zones differ from UTC by
// multiples of 15 minutes.
func (c *Calendar) Step() int64 {
	length := int64(lengths[c.unit]/time.Second) * c.n
	switch {
	case c.plain && length > 0:
		return length
	case c.plain:
		return 86400
	}
	step := gcd(900, int64(c.offset.Abs()/time.Second))
	return gcd(step, length)
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// IsSample tells that each sample is a candle.
func (c *Calendar) IsSample() bool { return c.plain && lengths[c.unit] > 0 }

// Begin is when the candle begins that a time belongs to.
func (c *Calendar) Begin(t time.Time) time.Time {
	length := lengths[c.unit] * time.Duration(c.n)
	switch {
	case c.IsSample():
		return time.UnixMicro(floor(t.UnixMicro(), length.Microseconds())).UTC()
	case length > 0:
		day := c.start(c.day(t))
		return day.Add(t.Sub(day) / length * length)
	}
	return c.start(c.period(c.day(t), 0))
}

// End is when the candle ends that a time belongs to.
func (c *Calendar) End(t time.Time) time.Time {
	length := lengths[c.unit] * time.Duration(c.n)
	if length == 0 {
		return c.start(c.period(c.day(t), 1))
	}
	end := c.Begin(t).Add(length)
	if next := c.start(c.day(t) + 1); !c.plain && next.Before(end) {
		return next
	}
	return end
}

// day is the number of the day, from 1970 on, that a time belongs to.
func (c *Calendar) day(t time.Time) int64 {
	y, m, d := t.Add(-c.offset).In(c.zone).Date()
	day := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix()/86400 + 1
	for c.start(day).After(t) {
		day--
	}
	return day
}

// period is the day on which the candle of a day begins, or the one that many candles later.
func (c *Calendar) period(day, later int64) int64 {
	switch c.unit {
	case 'w':
		const monday = 3 // 1970 began on a Thursday
		return floor(day+monday, 7*c.n) + later*7*c.n - monday
	case 'M':
		y, m, _ := time.Unix(day*86400, 0).UTC().Date()
		month := floor(int64(y-1970)*12+int64(m)-1, c.n) + later*c.n
		return floor(time.Date(1970, time.Month(1+month), 1, 0, 0, 0, 0, time.UTC).Unix(), 86400) / 86400
	}
	return floor(day, c.n) + later*c.n
}

// start is when a day begins: the first moment at which the clocks of the zone show its time, or, when they skip that, the
// moment of the change.
func (c *Calendar) start(day int64) time.Time {
	y, m, d := time.Unix(day*86400, 0).UTC().Date()
	t := time.Date(y, m, d, 0, 0, int(c.offset/time.Second), 0, c.zone)
	_, off := t.Zone()
	shown, wanted := t.Unix()+int64(off), day*86400+int64(c.offset/time.Second)
	begin, end := t.ZoneBounds()
	switch {
	case shown < wanted:
		return end.UTC()
	case shown > wanted:
		return begin.UTC()
	case !begin.IsZero(): // the time may be shown twice
		_, before := begin.Add(-1).Zone()
		if first := t.Add(time.Duration(off-before) * time.Second); first.Before(begin) {
			return first.UTC()
		}
	}
	return t.UTC()
}

// floor is the greatest multiple of n that is not above v.
func floor(v, n int64) int64 {
	if r := v % n; r < 0 {
		return v - r - n
	}
	return v - v%n
}

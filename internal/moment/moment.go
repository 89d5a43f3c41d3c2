// Package moment is the reader of times: rows, imports, trades, bounds of datasets and query parameters all use it, so that each
// takes and refuses the same.
package moment

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Unit is the unit of a bare number, in nanoseconds.
type Unit int64

// The units.
const (
	Nanoseconds  Unit = 1
	Microseconds Unit = 1e3
	Milliseconds Unit = 1e6
	Seconds      Unit = 1e9
)

var units = map[Unit]string{Seconds: "seconds", Milliseconds: "milliseconds", Microseconds: "microseconds", Nanoseconds: "nanoseconds"}

func (u Unit) String() string { return units[u] }

// Bare numbers are times from 1973-03-03 to 2262-04-11, in seconds from first to last: within these years no number is a time in
// two units. 2262 is as far as QuestDB's line protocol goes.
const first, last = 100_000_000, math.MaxInt64 / int64(Seconds)

// fits tells whether a number is within these years.
func (u Unit) fits(v int64) bool {
	each := int64(Seconds / u)
	return v >= first*each && v <= last*each
}

// at is the time of a number, whatever it is.
func (u Unit) at(v int64) time.Time {
	each := int64(Seconds / u)
	return time.Unix(v/each, v%each*int64(u)).UTC()
}

// UnitOf finds the unit in which a number is a time.
func UnitOf(v int64) (u Unit, ok bool) {
	for u = Seconds; u >= Nanoseconds; u /= 1000 {
		if u.fits(v) {
			return u, true
		}
	}
	return 0, false
}

// Reader reads the times of one place: a parameter, a field, or a column of a file.
type Reader struct {
	Unit Unit // of bare numbers; 0: the one that the first number shows
	Sure bool // bare numbers are in Unit, whatever they are: they are those of an answer of the service
	Old  bool // texts before 1970 are times too: what QuestDB does not store

	Zone   *time.Location // of texts without a zone; nil: UTC
	Layout string         // of texts, as package time has it; empty: those of Text

	found bool // Unit is that of the first number
}

// Text reads a time that is written down: RFC 3339, the same with a blank for the T, without seconds, without a zone (it is
// UTC then) or without a time of day, or a bare number.
func (r *Reader) Text(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	if t, ok := r.parse(text); ok {
		return t.UTC(), errors.Join(r.check(t), r.exists(text, t))
	}
	if text == "" || !strings.ContainsRune("-+0123456789", rune(text[0])) || strings.ContainsAny(text, "xX_") || r.Layout != "" {
		return time.Time{}, r.noTime(text)
	}
	if v, err := strconv.ParseInt(text, 10, 64); err == nil {
		return r.Number(v)
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return time.Time{}, r.noTime(text)
	}
	return r.Float(v)
}

func (r *Reader) noTime(text string) error {
	const most = 40
	if runes := []rune(text[:min(len(text), 4*most)]); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return fmt.Errorf("%q is not a time: write %s", text, r.wanted())
}

// wanted is what a caller has to write.
func (r *Reader) wanted() string {
	unit := "a number"
	if r.Layout != "" {
		return "times such as " + time.Date(2025, time.November, 10, 13, 30, 0, 0, time.UTC).Format(r.Layout)
	}
	if r.Unit > 0 {
		unit = r.Unit.String() + " since 1970"
	}
	return unit + " or a text such as 2025-11-10T01:30:00Z"
}

// check refuses the times that QuestDB does not store, and those whose year does not have four digits.
func (r *Reader) check(t time.Time) error {
	switch t = t.UTC(); {
	case t.Year() < 1 || t.Year() > 9999:
		return fmt.Errorf("%s is out of range", t.Format(time.RFC3339Nano))
	case t.Unix() < 0 && !r.Old:
		return fmt.Errorf("%s is before 1970-01-01, where the times of QuestDB begin", t.Format(time.RFC3339Nano))
	}
	return nil
}

// Number reads a bare number. One that is also a date written as a number, or is of another unit, is refused.
func (r *Reader) Number(v int64) (time.Time, error) {
	if r.Sure {
		return r.Time(r.Unit.at(v))
	}
	if date := calendar(v); date != "" {
		reading := ""
		if unit, ok := UnitOf(v); ok && (r.Unit == 0 || r.Unit == unit) {
			reading = fmt.Sprintf(", and in %s since 1970 it is %s", unit, shown(unit.at(v)))
		}
		return time.Time{}, fmt.Errorf("%d reads as the date %s%s: write %s", v, date, reading, r.wanted())
	}
	unit, ok := UnitOf(v)
	switch {
	case r.Unit == 0 && ok:
		r.Unit, r.found = unit, true
	case ok && r.Unit != unit && r.found:
		return time.Time{}, fmt.Errorf("%d is in %s (%s), but the times before it are in %s: a file has one unit",
			v, unit, shown(unit.at(v)), r.Unit)
	case ok && r.Unit != unit:
		return time.Time{}, fmt.Errorf("%d is in %s, it seems: that is %s, and in %s it is %s: write %s",
			v, unit, shown(unit.at(v)), r.Unit, shown(r.Unit.at(v)), r.wanted())
	case !ok && r.Unit == 0:
		return time.Time{}, fmt.Errorf("%d is a time between 1973 and 2262 in no unit: write seconds, milliseconds, microseconds "+
			"or nanoseconds since 1970, or a text such as 2025-11-10T01:30:00Z", v)
	case !ok:
		return time.Time{}, fmt.Errorf("%d is no time between 1973 and 2262 in %s (it is %s): write %s",
			v, r.Unit, shown(r.Unit.at(v)), r.wanted())
	}
	return unit.at(v), nil
}

// Float reads a bare number with a fraction, to the microsecond.
func (r *Reader) Float(v float64) (time.Time, error) {
	whole, fraction := math.Modf(v)
	if v-v != 0 || math.Abs(v) >= 1<<62 {
		return time.Time{}, fmt.Errorf("%v is out of range: write %s", v, r.wanted())
	}
	t, err := r.Number(int64(whole))
	if err != nil || fraction == 0 {
		return t, err
	}
	return t.Add(time.Duration(math.Round(fraction*float64(r.Unit)/1e3)) * time.Microsecond), nil
}

// Micros is a time as QuestDB stores it, which it does until 2262 and to the microsecond.
func Micros(t time.Time) (int64, error) {
	if t.Unix() >= last {
		return 0, fmt.Errorf("%s is after 2262-04-11, where the times of QuestDB's line protocol end", shown(t))
	}
	return t.UnixMicro(), nil
}

// File is the reader for the rest of a file whose unit is known.
func File(u Unit) Reader { return Reader{Unit: u, found: u > 0} }

// Time checks a time that says its unit, as those of Arrow and Parquet do.
func (r *Reader) Time(t time.Time) (time.Time, error) {
	t = t.UTC()
	return t, r.check(t)
}

// shown is a time as a message shows it.
func shown(t time.Time) string {
	if t.Year() < 0 || t.Year() > 9999 {
		return "the year " + strconv.Itoa(t.Year())
	}
	return t.Format(time.RFC3339Nano)
}

// calendar is the date that a number is when its digits are those of a date: 20240102, 2024010209, 202401020930, 20240102093000.
func calendar(v int64) string {
	digits := strconv.FormatInt(v, 10)
	const digitsOf = "20060102150405"
	if n := len(digits); n < 8 || n > len(digitsOf) || n%2 != 0 || digits < "1900" || digits >= "2100" {
		return ""
	}
	t, err := time.Parse(digitsOf[:len(digits)], digits)
	if err != nil {
		return ""
	}
	return t.Format("2006-01-02 15:04:05"[:[...]int{10, 13, 16, 19}[len(digits)/2-4]])
}

// exists refuses a time of day that clocks skip when they go forward.
func (r *Reader) exists(text string, t time.Time) error {
	if r.Zone == nil || t.Location() != r.Zone {
		return nil
	}
	if utc, ok := (&Reader{Layout: r.Layout}).parse(text); ok && utc.Format(time.TimeOnly) != t.Format(time.TimeOnly) {
		return fmt.Errorf("%s does not exist in %s: the clocks go forward", text, r.Zone)
	}
	return nil
}

// parse reads a date with or without a time of day and a zone.
func (r *Reader) parse(text string) (time.Time, bool) {
	local := r.Zone
	if local == nil {
		local = time.UTC
	}
	if r.Layout != "" {
		t, err := time.ParseInLocation(r.Layout, text, local)
		return t, err == nil
	}
	if len(text) < len(time.DateOnly) || text[4] != '-' {
		return time.Time{}, false
	}
	if len(text) == len(time.DateOnly) {
		t, err := time.ParseInLocation(time.DateOnly, text, local)
		return t, err == nil
	}
	date, clock, zone := text[:10], text[11:], ""
	if !strings.ContainsRune("Tt ", rune(text[10])) {
		return time.Time{}, false
	}
	if i := strings.IndexAny(clock, "+- ZzU"); i >= 0 {
		clock, zone = clock[:i], strings.TrimSpace(clock[i:])
	}
	layout := time.DateOnly + " 15:04:05"
	if strings.Count(clock, ":") == 1 {
		layout = time.DateOnly + " 15:04"
	}
	switch {
	case zone == "":
	case zone == "Z", zone == "z", zone == "UTC":
		zone, local = "", time.UTC
	case len(zone) == len("+00"):
		layout += "-07"
	case len(zone) == len("+0000"):
		layout += "-0700"
	default:
		layout += "-07:00"
	}
	t, err := time.ParseInLocation(layout, date+" "+clock+zone, local)
	return t, err == nil
}

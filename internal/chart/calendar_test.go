package chart_test

import (
	"testing"
	"time"

	"foldbook/internal/chart"
)

// changes are the moments of ten years at which the clocks of a zone, less an offset, first show a new number, found by looking
// at each quarter of an hour.
func changes(zone *time.Location, offset time.Duration, number func(wall time.Time) int64) (list []time.Time) {
	last := int64(-1 << 62)
	for t := time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC); t.Year() < 2025; t = t.Add(15 * time.Minute) {
		_, off := t.In(zone).Zone()
		if n := number(t.Add(time.Duration(off)*time.Second - offset)); n > last {
			last = n
			list = append(list, t)
		}
	}
	return list[1:] // the first one is where the search began
}

// data-rules.md, Candles: days begin when the clocks show it, across all changes of the clocks in both hemispheres.
func TestCalendar(t *testing.T) {
	t.Parallel()
	days := func(w time.Time) int64 { return w.Unix() / 86400 }
	for _, c := range []struct {
		interval, offset string
		from             time.Duration
		number           func(time.Time) int64
	}{
		{"1d", "00:00", 0, days},
		{"1D", "17:00", 17 * time.Hour, days},
		{"1d", "-07:30", -7*time.Hour - 30*time.Minute, days},
		{"3d", "17:00", 17 * time.Hour, func(w time.Time) int64 { return days(w) / 3 }},
		{"1w", "-07:00", -7 * time.Hour, func(w time.Time) int64 { return (days(w) + 3) / 7 }},
		{"1M", "00:00", 0, func(w time.Time) int64 { return int64(w.Year())*12 + int64(w.Month()) }},
		{"12M", "17:00", 17 * time.Hour, func(w time.Time) int64 { return int64(w.Year()) }},
	} {
		for _, name := range []string{
			"UTC", "America/New_York", "America/Sao_Paulo", "America/Havana", "Australia/Sydney", "Australia/Lord_Howe", "Asia/Kathmandu", "Asia/Beirut", "Europe/London",
		} {
			calendar, err := chart.NewCalendar(c.interval, &name, &c.offset)
			if err != nil {
				t.Fatal(err)
			}
			zone, err := time.LoadLocation(name)
			if err != nil {
				t.Fatal(err)
			}
			list := changes(zone, c.from, c.number)
			for i := 1; i < len(list); i++ {
				begin, end := list[i-1], list[i]
				if b, e := calendar.Begin(begin), calendar.End(begin); !b.Equal(begin) || !e.Equal(end) {
					t.Fatalf("%s in %s at %s: the candle of %s is from %s to %s, want to %s", c.interval, name, c.offset, begin, b, e, end)
				}
				if b, e := calendar.Begin(end.Add(-time.Microsecond)), calendar.End(end.Add(-time.Microsecond)); !b.Equal(begin) || !e.Equal(end) {
					t.Fatalf("%s in %s at %s: the candle before %s is from %s to %s, want from %s", c.interval, name, c.offset, end, b, e, begin)
				}
				if step := calendar.Step(); begin.Unix()%step != 0 {
					t.Fatalf("%s in %s at %s: %s lies within a sample of %d s", c.interval, name, c.offset, begin, step)
				}
			}
		}
	}
}

// Hours of a session are counted from its beginning, and the last ones of a day are cut or are one more when the clocks change.
func TestCalendarHours(t *testing.T) {
	t.Parallel()
	zone, offset := "America/New_York", "17:00"
	calendar, err := chart.NewCalendar("4H", &zone, &offset)
	if err != nil {
		t.Fatal(err)
	}
	for begin, count := range map[string]int{"2024-03-09T22:00:00Z": 6, "2024-11-02T21:00:00Z": 7, "2024-07-01T21:00:00Z": 6} {
		at, err := time.Parse(time.RFC3339, begin)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for n == 0 || at.In(mustZone(t, zone)).Hour() != 17 {
			n++
			if got := calendar.Begin(at); !got.Equal(at) {
				t.Errorf("the candle of %s begins at %s", at, got)
			}
			at = calendar.End(at)
		}
		if n != count {
			t.Errorf("the session of %s has %d candles of 4 h, want %d", begin, n, count)
		}
	}
}

func mustZone(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

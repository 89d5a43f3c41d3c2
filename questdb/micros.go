package questdb

import "time"

// jsonMicros reads a time as /exec writes it, "2024-04-01T00:00:00.123456Z" with 3, 6 or 9 digits, as microseconds since 1970.
func jsonMicros(cell []byte) (int64, bool) {
	const whole = len(`"2024-04-01T00:00:00.`)
	if len(cell) < whole+2 || cell[0] != '"' || cell[whole-1] != '.' || cell[5] != '-' {
		t, err := time.Parse(`"`+time.RFC3339Nano+`"`, string(cell)) // a year of another length than four, or no fraction
		return t.UnixMicro(), err == nil
	}
	year, month, day := digits(cell[1:5]), digits(cell[6:8]), digits(cell[9:11])
	seconds := digits(cell[12:14])*3600 + digits(cell[15:17])*60 + digits(cell[18:20])
	micros, unit := int64(0), int64(100000)
	for _, d := range cell[whole : len(cell)-2] {
		micros += int64(d-'0') * unit
		unit /= 10
	}
	return (daysSinceEpoch(year, month, day)*86400+seconds)*1e6 + micros, true
}

func digits(b []byte) (n int64) {
	for _, d := range b {
		n = n*10 + int64(d-'0')
	}
	return n
}

// daysSinceEpoch counts in years that begin in March, in which the leap day is the last.
func daysSinceEpoch(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 719469
}

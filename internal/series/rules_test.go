package series_test

import (
	"testing"

	"foldbook/internal/series"
)

func TestCanonicalGranularity(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"240m": "4h", "60m": "1h", "1440m": "1d", "90000ms": "90000ms", "60000ms": "1m", "3600s": "1h", "90s": "90s", "90m": "90m", "15min": "15m",
		"24h": "1d", "4h": "4h", "1d": "1d", "7d": "7d", "1M": "1M", "1w": "1w", "h": "h", "0m": "0m", "-5m": "-5m", "tick": "tick", "99999999999999999999m": "99999999999999999999m",
	} {
		if got := series.CanonicalGranularity(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

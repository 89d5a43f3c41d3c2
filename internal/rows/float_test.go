package rows

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
)

// Where decimal decides, it decides as strconv does.
func TestDecimal(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	decided := 0
	check := func(mantissa uint64, exponent int) {
		want, err := strconv.ParseFloat(fmt.Sprintf("%de%d", mantissa, exponent), 64)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := decimal(mantissa, exponent)
		if ok && got != want {
			t.Fatalf("%de%d is %v, want %v", mantissa, exponent, got, want)
		}
		if ok {
			decided++
		}
	}
	const rounds = 200_000
	for range rounds {
		check(r.Uint64()>>r.IntN(64), -r.IntN(41))
		// Near the middle of two doubles.
		x := uint64(1)<<(53+r.IntN(10)) + uint64(r.IntN(1<<20))
		check(x, 0)
		check(x, -r.IntN(5))
	}
	if decided < rounds*5/2 {
		t.Errorf("it decides %d of %d", decided, 3*rounds)
	}
}

package rows

import (
	"math"
	"math/big"
	"math/bits"
)

// smallest is the smallest power of ten that decimal knows: more digits behind the point are rare.
const smallest = -40

// tens are the powers of ten from smallest to 0: the 128 bits behind the point, rounded down, high half first.
var tens = func() (list [1 - smallest][2]uint64) {
	low := new(big.Int).SetUint64(math.MaxUint64)
	for i := range list {
		power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-smallest-i)), nil)
		v := new(big.Int).Lsh(big.NewInt(1), uint(127+power.BitLen()))
		if v.Quo(v, power); v.BitLen() > 128 {
			v.Rsh(v, 1)
		}
		list[i] = [2]uint64{new(big.Int).Rsh(v, 64).Uint64(), new(big.Int).And(v, low).Uint64()}
	}
	return list
}()

// decimal is the double next to mantissa × 10^exponent, by the algorithm of Eisel and Lemire, which strconv has as well but
// only for texts: reading the digits once more is most of its time. It is not ok for the few numbers that it cannot decide.
func decimal(mantissa uint64, exponent int) (v float64, ok bool) {
	if mantissa == 0 {
		return 0, true
	}
	if exponent < smallest || exponent > 0 {
		return 0, false
	}
	shift := bits.LeadingZeros64(mantissa)
	mantissa <<= uint(shift)
	exp2 := uint64(217706*exponent>>16 + 64 + 1023 - shift) //nolint:gosec // far above 0 for these exponents
	ten := tens[exponent-smallest]
	high, low := bits.Mul64(mantissa, ten[0])
	if high&0x1ff == 0x1ff && low+mantissa < mantissa { // 64 bits of the power are too few
		moreHigh, moreLow := bits.Mul64(mantissa, ten[1])
		sum, carry := bits.Add64(low, moreHigh, 0)
		high += carry
		if high&0x1ff == 0x1ff && sum+1 == 0 && moreLow+mantissa < mantissa {
			return 0, false
		}
		low = sum
	}
	top := high >> 63
	digits := high >> (top + 9) // 54 bits
	exp2 -= 1 ^ top
	if low == 0 && high&0x1ff == 0 && digits&3 == 1 { // half-way between two doubles
		return 0, false
	}
	digits = (digits + digits&1) >> 1
	if digits>>53 > 0 {
		digits >>= 1
		exp2++
	}
	return math.Float64frombits(exp2<<52 | digits&(1<<52-1)), true
}

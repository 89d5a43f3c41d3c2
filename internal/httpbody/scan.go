package httpbody

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// The limits of a document, so that PostgreSQL stores it and returns it unchanged, and neither side needs more memory than the
// document is long.
const (
	maxDepth    = 512     // levels of nesting
	maxMembers  = 100_000 // fields of one object: the decoder keeps the names of an open object to find repeated ones
	maxNumber   = 1000    // characters of a number
	minExponent = -400    // of a number: jsonb writes 1e-16000 in 16,002 characters
)

// scan looks, in one pass, for what JSON allows and PostgreSQL does not: U+0000, numbers that are no doubles, too many levels,
// too many fields. It accepts any bytes; the decoder checks whether they are JSON.
func scan(b []byte) *ValidationError {
	type level struct {
		object bool
		commas int
	}
	var levels [maxDepth + 1]level
	depth := 0
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					if bytes.HasPrefix(b[i:], []byte(`\u0000`)) {
						return located(b, i, Invalid("", "has the character U+0000, which cannot be stored"))
					}
					i++
				}
			}
		case '{', '[':
			if depth++; depth > maxDepth {
				return located(b, i, invalidJSON("", fmt.Sprintf("is nested more than %d levels deep, at byte %d", maxDepth, i)))
			}
			levels[depth] = level{object: c == '{'}
		case '}', ']':
			depth = max(depth-1, 0)
		case ',':
			l := &levels[depth]
			if l.commas++; l.object && l.commas >= maxMembers {
				return located(b, i, Invalid("", fmt.Sprintf("is one field too many: an object may have %d", maxMembers)))
			}
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			start, exponent := i, -1
			for ; i < len(b) && inNumber[b[i]]; i++ {
				if b[i]|0x20 == 'e' {
					exponent = i + 1
				}
			}
			if !storable(b[start:i], b[max(exponent, start):i], exponent >= 0) {
				return located(b, start, Invalid("", "is out of range"))
			}
			i--
		}
	}
	return nil
}

var inNumber = [256]bool{
	'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true,
	'-': true, '+': true, '.': true, 'e': true, 'E': true,
}

// storable tells whether a number is near enough to a double: not above the largest, not so small that a double would be
// 0, and not written in a way that becomes much longer when it is stored. Its digits may be more than a double keeps.
func storable(number, exponent []byte, hasExponent bool) bool {
	if !hasExponent && len(number) <= 300 { // the largest double has 309 digits
		return true
	}
	if len(number) > maxNumber {
		return false
	}
	if hasExponent {
		if e, err := strconv.Atoi(string(exponent)); (err == nil && e < minExponent) || (isRange(err) && exponent[0] == '-') {
			return false
		}
	}
	// The decoder refuses texts that are no numbers at all.
	x, err := strconv.ParseFloat(string(number), 64)
	if err == nil && x == 0 {
		mantissa := number
		if hasExponent {
			mantissa = number[:len(number)-len(exponent)-1]
		}
		return !bytes.ContainsAny(mantissa, "123456789")
	}
	return err == nil || !isRange(err)
}

func isRange(err error) bool { return errors.Is(err, strconv.ErrRange) }

// located gives an error the path of byte at, unless the document is not JSON before that.
func located(b []byte, at int, e *ValidationError) *ValidationError {
	dec := jsontext.NewDecoder(bytes.NewBuffer(b))
	for dec.InputOffset() <= int64(at) {
		if _, err := dec.ReadToken(); err != nil {
			return validationError(b, err)
		}
	}
	e.Path = pathOf(b, dec.StackPointer())
	return e
}

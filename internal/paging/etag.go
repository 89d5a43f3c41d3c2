package paging

import (
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
	"time"

	"foldbook/api/spec"
)

// ETag names one state of a record: its version, its time of creation (a record that was deleted and stored again starts
// with its first version), and whatever else the answer shows that the version does not cover.
func ETag(version int64, created time.Time, shown ...string) string {
	b := append(make([]byte, 0, 40), '"')
	b = strconv.AppendInt(b, version, 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, created.UnixMicro(), 36)
	if len(shown) > 0 {
		b = append(b, '-')
		b = strconv.AppendUint(b, uint64(crc32.ChecksumIEEE([]byte(strings.Join(shown, "\x00")))), 36)
	}
	return string(append(b, '"'))
}

// MatchesETag tells whether a list of ETags, as in If-Match and If-None-Match, names tag. A tag that a compressed
// answer carried names the same state.
func MatchesETag(list, tag string) bool {
	for candidate := range strings.SplitSeq(list, ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		for _, encoding := range []string{"-gzip", "-zstd"} {
			if before, ok := strings.CutSuffix(candidate, encoding+`"`); ok {
				candidate = before + `"`
			}
		}
		if candidate == tag || candidate == "*" {
			return true
		}
	}
	return false
}

// CheckMatch refuses a write whose If-Match names another state.
func CheckMatch(ifMatch *string, what, tag string) error {
	if ifMatch == nil || MatchesETag(*ifMatch, tag) {
		return nil
	}
	return spec.NewProblem(http.StatusPreconditionFailed, spec.ErrorCodePreconditionFailed,
		"the "+what+" has changed: its ETag is not the one in If-Match")
}

// CheckAbsent refuses a write whose If-Match names a record that does not exist.
func CheckAbsent(ifMatch *string, what string) error {
	if ifMatch == nil {
		return nil
	}
	return spec.NewProblem(http.StatusPreconditionFailed, spec.ErrorCodePreconditionFailed,
		"the "+what+" does not exist, so no ETag can match")
}

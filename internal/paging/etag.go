package paging

import (
	"crypto/sha256"
	"encoding/base64"
	"hash/crc32"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"foldbook/api/spec"
)

// build is what decides how a record is written: the description of its shape, and the build where it is known.
var build = sync.OnceValue(func() uint32 {
	sum := crc32.ChecksumIEEE(spec.DocumentJSON)
	if info, ok := debug.ReadBuildInfo(); ok {
		sum = crc32.Update(sum, crc32.IEEETable, []byte(info.Main.Version))
	}
	return sum
})

// ETag names one state of a record as this build writes it: its version, its time of creation (a record that was deleted and stored
// again starts with its first version), and whatever else the answer shows that the version does not cover.
func ETag(version int64, created time.Time, shown ...string) string {
	b := append(make([]byte, 0, 40), '"')
	b = strconv.AppendInt(b, version, 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, created.UnixMicro(), 36)
	b = append(b, '-')
	b = strconv.AppendUint(b, uint64(crc32.Update(build(), crc32.IEEETable, []byte(strings.Join(shown, "\x00")))), 36)
	return string(append(b, '"'))
}

// BodyETag names an answer by its bytes, and by what else of it is in headers: a list of many records, which have no version together.
func BodyETag(body []byte, shown ...string) string {
	h := sha256.New()
	h.Write(body)
	h.Write([]byte(strings.Join(shown, "\x00")))
	return `"` + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:15]) + `"`
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

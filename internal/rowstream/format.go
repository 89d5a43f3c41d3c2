package rowstream

import (
	"net/http"
	"strings"

	"foldbook/api/spec"
)

// mediaTypes are the formats of rows as Content-Type and Accept name them.
var mediaTypes = []struct {
	format    spec.Format
	mediaType string
}{
	{spec.JSON, "application/json"},
	{spec.Csv, "text/csv"},
	{spec.Ndjson, "application/x-ndjson"},
	{spec.Arrow, "application/vnd.apache.arrow.file"},
	{spec.Arrows, "application/vnd.apache.arrow.stream"},
	{spec.Parquet, "application/vnd.apache.parquet"},
}

// MediaType is the Content-Type of a format.
func MediaType(format spec.Format) string {
	for _, m := range mediaTypes {
		if m.format == format {
			if format == spec.Csv {
				return m.mediaType + "; charset=utf-8"
			}
			return m.mediaType
		}
	}
	return ""
}

// FormatOf picks the format: the one named, else the one that Accept prefers, else usual.
func FormatOf(named *spec.Format, r *http.Request, usual spec.Format) (spec.Format, error) {
	if named != nil {
		if !named.Valid() {
			return "", spec.InvalidParameter("format", "is not json, csv, ndjson, arrow, arrows or parquet")
		}
		return *named, nil
	}
	best, bestQ := usual, 0.0
	for entry := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(entry), ";")
		q := Quality(params)
		if name == "*/*" && q > bestQ {
			best, bestQ = usual, q
		}
		for _, m := range mediaTypes {
			if strings.EqualFold(name, m.mediaType) && q > bestQ {
				best, bestQ = m.format, q
			}
		}
	}
	return best, nil
}

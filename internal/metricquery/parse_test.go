package metricquery

import (
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foldbook/api/spec"
)

var testFields = Fields{Columns: []string{"summary_metrics", "hyperparameters", "walk_config"}, Texts: []string{"status", "requested_by"}}

func TestParseMetric(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]filter{
		"summary_metrics.pf_long>=1.2":           {"summary_metrics.pf_long", ">=", 1.2, nil},
		"summary_metrics.pf_long >= 1.2 ":        {"summary_metrics.pf_long", ">=", 1.2, nil},
		"summary_metrics.a.b>-1e-3":              {"summary_metrics.a.b", ">", -0.001, nil},
		"hyperparameters.max_depth=6":            {"hyperparameters.max_depth", "=", 6, nil},
		"walk_config.x!=0":                       {"walk_config.x", "!=", 0, nil},
		"walk_config.wow!<5":                     {"walk_config.wow!", "<", 5, nil},
		"walk_config.x<=1.7976931348623157e308":  {"walk_config.x", "<=", math.MaxFloat64, nil},
		`summary_metrics."a>=b"<2`:               {"summary_metrics.a>=b", "<", 2, nil},
		`summary_metrics."q\"\u00e9" exists`:     {`summary_metrics.q"é`, "exists", 0, nil},
		"summary_metrics.pf exists":              {"summary_metrics.pf", "exists", 0, nil},
		"summary_metrics.pf:missing":             {"summary_metrics.pf", "missing", 0, nil},
		"summary_metrics.profit factor missing":  {"summary_metrics.profit factor", "missing", 0, nil},
		"summary_metrics.Gewinn è>1":             {"summary_metrics.Gewinn è", ">", 1, nil},
		"hyperparameters.model=ridge":            {"hyperparameters.model", "=", 0, []string{"ridge"}},
		"hyperparameters.model != ridge , lasso": {"hyperparameters.model", "!=", 0, []string{"ridge", "lasso"}},
		`hyperparameters.a.b="1","x,\"y"`:        {"hyperparameters.a.b", "=", 0, []string{"1", `x,"y`}},
		"hyperparameters.gpu=true":               {"hyperparameters.gpu", "=", 0, []string{"true"}},
		`hyperparameters.name=""`:                {"hyperparameters.name", "=", 0, []string{""}},
	} {
		got, err := testFields.filter(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", text, err, diff)
		}
	}
	for text, want := range map[string]string{
		"":                             "at 1: expected summary_metrics or hyperparameters or walk_config, a dot and a key",
		"pf>=1":                        "at 1: expected summary_metrics or",
		"metrics.pf>=1":                "at 1: expected summary_metrics or",
		"summary_metrics":              "at 1: expected summary_metrics or",
		"summary_metrics.>=1":          "at 17: the key is empty",
		"summary_metrics. >=1":         "at 17: the key is empty",
		"summary_metrics. exists":      "at 17: the key is empty",
		`summary_metrics."">1`:         "at 17: the key is empty",
		`summary_metrics."a>1`:         "at 17: the quoted key is not",
		`summary_metrics."\ud800">1`:   "at 17: the quoted key is not",
		`summary_metrics."\u0000">1`:   "at 17: the key has the character U+0000",
		"summary_metrics.a\x00>1":      "at 17: the key has the character U+0000",
		"summary_metrics.\xff>1":       "at 17: the key is not UTF-8",
		"summary_metrics.pf":           "at 19: expected >=,",
		"summary_metrics.pf is":        "at 22: expected >=,",
		`summary_metrics."é" is`:       "at 21: expected >=,",
		"summary_metrics.pf>=":         "at 21: expected a number",
		"summary_metrics.pf>=x":        "at 21: expected a number",
		"summary_metrics.pf>= \"9\"":   "at 22: expected a number",
		"summary_metrics.pf=1,2":       "at 20: one of several is a text",
		`summary_metrics.pf="a`:        "at 20: the quoted text is not",
		`summary_metrics.pf="a" b`:     "at 24: expected a comma",
		"summary_metrics.pf=a,":        "at 22: expected",
		"summary_metrics.pf=>1":        "at 20: expected a number",
		"summary_metrics.pf==1":        "at 20: expected a number",
		"summary_metrics.pf>1 2":       "at 20: expected a number",
		"summary_metrics.pf>01":        "at 20: expected a number",
		"summary_metrics.pf>+1":        "at 20: expected a number",
		"summary_metrics.pf>0x1":       "at 20: expected a number",
		"summary_metrics.pf>NaN":       "at 20: expected a number",
		"summary_metrics.pf>Infinity":  "at 20: expected a number",
		"summary_metrics.pf>1e999":     "at 20: the number is out of range",
		"summary_metrics." + longKey(): "at 17: the key is longer than 1000 bytes",
	} {
		_, err := testFields.filter(text)
		wantFault(t, err, http.StatusBadRequest, "invalid_parameter", "parameter metric "+want)
	}
}

func longKey() string { return strings.Repeat("k", maxKey+1) + ">1" }

func TestMetricRanges(t *testing.T) {
	t.Parallel()
	inf := math.Inf(1)
	for text, want := range map[string][]Range{
		">=1":      {{"walk_config.x", 1, inf, true}},
		">1":       {{"walk_config.x", math.Nextafter(1, 2), inf, true}},
		"<=1":      {{"walk_config.x", -inf, 1, true}},
		"<1":       {{"walk_config.x", -inf, math.Nextafter(1, 0), true}},
		"=1":       {{"walk_config.x", 1, 1, true}},
		"!=1":      {{"walk_config.x", -inf, inf, true}, {"walk_config.x", 1, 1, false}},
		`:exists`:  {{"walk_config.x\x02walk_config.x\x01", -inf, inf, true}},
		":missing": {{"walk_config.x\x02walk_config.x\x01", -inf, inf, false}},
		"=a,b":     {{"walk_config.x\x01=a\x02walk_config.x\x01=b", -inf, inf, true}},
		"!=a":      {{"walk_config.x\x01", -inf, inf, true}, {"walk_config.x\x01=a", -inf, inf, false}},
	} {
		f, err := testFields.filter("walk_config.x" + text)
		if diff := cmp.Diff(want, f.ranges()); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", text, err, diff)
		}
	}
	got := merge([]Range{
		{"a", 1, inf, true}, {"b", 0, 5, true}, {"a", -inf, 3, true}, {"a", 2, 2, false}, {"a", 2, 2, false}, {"b", 7, inf, true}, {"a", 4, 4, false},
	})
	want := []Range{{"a", 1, 3, true}, {"b", 7, 5, true}, {"a", 2, 2, false}, {"a", 4, 4, false}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestParseSort(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Sort{
		"":                         {"", true, false},
		"-created_at":              {"", true, false},
		"summary_metrics.pf_long":  {"summary_metrics.pf_long", false, false},
		"-summary_metrics.a>=b":    {"summary_metrics.a>=b", true, false},
		`-summary_metrics."a \"b"`: {`summary_metrics.a "b`, true, false},
		"created_at":               {"created_at", false, true},
		"-status":                  {"status", true, true},
		"requested_by":             {"requested_by", false, false},
	} {
		got, err := testFields.sort(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", text, err, diff)
		}
	}
	for text, want := range map[string]string{
		"-":                    "at 2: expected",
		"--created_at":         "at 2: expected",
		"name":                 "at 1: expected",
		"-summary_metrics.":    "at 18: the key is empty",
		`summary_metrics."a"b`: "at 20: expected nothing after the key",
	} {
		_, err := testFields.sort(text)
		wantFault(t, err, http.StatusBadRequest, "invalid_parameter", "parameter sort "+want)
	}
}

func FuzzMetric(f *testing.F) {
	f.Add("summary_metrics.pf_long>=1.2")
	f.Add(`walk_config."a>=b" exists`)
	f.Add(`-summary_metrics."a`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := testFields.filter(text)
		if err != nil {
			wantFuzzed(t, err)
		} else if ranges := got.ranges(); len(ranges) == 0 || len(merge(ranges)) != len(ranges) {
			t.Fatalf("%q: %v", text, ranges)
		} else if math.IsNaN(got.Value) || math.IsInf(got.Value, 0) || !strings.Contains(got.Key, ".") {
			t.Fatalf("%q: %+v", text, got)
		}
		if _, err := testFields.sort(text); err != nil {
			wantFuzzed(t, err)
		}
	})
}

func wantFuzzed(t *testing.T, err error) {
	t.Helper()
	answer, ok := err.(*spec.Problem) //nolint:errorlint // it must be one, not wrap one
	if !ok || answer.Status != http.StatusBadRequest || len(answer.Message) > 200 {
		t.Fatalf("%T: %v", err, err)
	}
}

func wantFault(t *testing.T, err error, status int, code, message string) {
	t.Helper()
	answer, ok := err.(*spec.Problem) //nolint:errorlint // it must be one, not wrap one
	if !ok || answer.Status != status || string(answer.Code) != code || !strings.HasPrefix(answer.Message, message) {
		t.Errorf("got %v, want %d %s %q…", err, status, code, message)
	}
}

// A search that finds nothing says what there is at its paths.
func TestWarnings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		metric, sort string
		found        []string
		want         string
	}{
		{"summary_metrics.pf>1", "", nil, "no run has summary_metrics.pf"},
		{"summary_metrics.pf>1", "", []string{"summary_metrics.pf"}, ""},
		{"summary_metrics.pf>1", "", []string{"summary_metrics.pf\x01"}, `summary_metrics.pf is a text wherever there is one, which a number does not match; a text is compared as in summary_metrics.pf="100"`},
		{"summary_metrics.pf=a", "", []string{"summary_metrics.pf"}, "summary_metrics.pf is a number wherever there is one: a text does not match it"},
		{"summary_metrics.pf!=a", "", []string{"summary_metrics.pf"}, "summary_metrics.pf is a number wherever there is one: a text does not match it"},
		{"summary_metrics.pf exists", "", []string{"summary_metrics.pf\x01"}, ""},
		{"summary_metrics.pf missing", "", nil, ""},
		{"", "-walk_config.x", nil, "no run has walk_config.x"},
		{"", "status", nil, ""},
	} {
		var metrics *[]string
		if tt.metric != "" {
			metrics = &[]string{tt.metric}
		}
		q, err := testFields.Parse(metrics, &tt.sort)
		if got := strings.Join(q.Warnings("run", tt.found), "; "); err != nil || got != tt.want {
			t.Errorf("%s %s: %v %q, want %q", tt.metric, tt.sort, err, got, tt.want)
		}
	}
}

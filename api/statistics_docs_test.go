package api_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"foldbook/internal/seed"
)

// statistics.md, An example: the figures of the search are those that the service answers, whatever they say.
func TestStatisticsDocsShowTheSearch(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	server := httptest.NewServer(h.http)
	t.Cleanup(server.Close)
	for range 2 { // a search that is stored again has no more trials
		if err := seed.Search(t.Context(), server.URL, io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile("../docs/statistics.md")
	if err != nil {
		t.Fatal(err)
	}
	docs := string(text)
	var got struct {
		Trials struct{ Recorded int }
		Rows   []struct {
			Rank    int
			Name    string
			Figures map[string]figure
		}
		Overfit struct{ PBO figure }
	}
	h.read("/api/leaderboard?search_id="+seed.SearchName, &got)
	if got.Trials.Recorded != 60 || len(got.Rows) != 60 {
		t.Errorf("%d trials and %d rows, want 60", got.Trials.Recorded, len(got.Rows))
	}
	number := func(f figure) string {
		if f.Value == nil {
			return "null"
		}
		return fmt.Sprintf("%.3f", *f.Value)
	}
	var lines []string
	for _, row := range got.Rows {
		if row.Rank <= 3 || row.Name == fmt.Sprintf("trial-%02d", seed.TrueTrial) {
			lines = append(lines, fmt.Sprintf("| %d | %s | %s | %s | %s | %s |", row.Rank, row.Name, number(row.Figures["sharpe"]),
				number(row.Figures["p_value"]), number(row.Figures["dsr"]), number(row.Figures["autocorrelation"])))
		}
	}
	lines = append(lines, "PBO of the search: "+number(got.Overfit.PBO))
	for _, line := range lines {
		if !strings.Contains(docs, line+"\n") {
			t.Errorf("docs/statistics.md lacks\n%s", line)
		}
	}
	for name := range got.Rows[0].Figures {
		if !strings.Contains(docs, "`"+strings.TrimSuffix(name, "_per_day")) {
			t.Errorf("docs/statistics.md does not define %s", name)
		}
	}
}

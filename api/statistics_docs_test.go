package api_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"foldbook/internal/seed"
	"foldbook/internal/transfer"
)

// statistics.md, An example: the figures of the search are those that the service answers, whatever they say.
func TestStatisticsDocsShowTheSearch(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	server := httptest.NewServer(h.http)
	t.Cleanup(server.Close)
	client, err := transfer.New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a search that is stored again has no more trials
		if err := seed.Search(t.Context(), client.Post); err != nil {
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
	request := regexp.MustCompile(`(?m)^\$ (curl .*/api/leaderboard.*)$`).FindStringSubmatch(docs)[1]
	answer, err := exec.CommandContext(t.Context(), "bash", "-c", strings.ReplaceAll(request, "http://127.0.0.1:33931", server.URL)).Output()
	if err != nil || json.Unmarshal(answer, &got) != nil {
		t.Fatalf("%s: %v\n%s", request, err, answer)
	}
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
	t.Run("Python", func(t *testing.T) {
		runCells(t, python(t), "../docs/statistics.md", "http://127.0.0.1:33931", server.URL)
	})
}

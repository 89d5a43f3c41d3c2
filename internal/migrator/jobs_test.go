package migrator_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"foldbook/internal/testdb"
)

// oldJobs are as 00012 had them: River has removed the task of the first, has not noticed the ends of the next ones, and has
// given up the last one without a word.
const oldJobs = `
INSERT INTO river.river_job (id, state, max_attempts, finalized_at, args, kind) VALUES
(102, 'completed', 50, now(), '{}', 'questdb_import'), (103, 'completed', 50, now(), '{}', 'questdb_import'), (104, 'running', 50, NULL, '{}', 'questdb_import'),
(105, 'retryable', 50, NULL, '{}', 'questdb_import'), (106, 'available', 50, NULL, '{}', 'questdb_import'), (107, 'discarded', 50, now(), '{}', 'questdb_import');
SELECT setval('river.river_job_id_seq', 200);
INSERT INTO jobs (job_type, status, river_id, error, started_at, completed_at) VALUES
('1 removed', 'COMPLETED', 101, NULL, now(), now()), ('2 done', 'COMPLETED', 102, NULL, now(), now()), ('3 failed', 'FAILED', 103, 'why', now(), now()),
('4 cancelled', 'CANCELLED', 104, NULL, now(), now()), ('5 retried', 'RUNNING', 105, NULL, now(), NULL), ('6 waits', 'PENDING', 106, NULL, NULL, NULL),
('7 given up', 'RUNNING', 107, NULL, now(), NULL);
INSERT INTO import_parts (job_id, part, first_row, data) SELECT job_id, 0, 1, 'x' FROM jobs WHERE status IN ('PENDING', 'RUNNING')`

func TestJobsUpDownUp(t *testing.T) {
	t.Parallel()
	url := testdb.EmptyURL(t)
	conn := testdb.Connect(t, url)
	provider := gooseProvider(t, url)
	statuses := func(table string) []string {
		rows, err := conn.Query(t.Context(), "SELECT concat_ws(' ', job_type, status, completed_at IS NOT NULL) FROM "+table+" ORDER BY 1")
		if err != nil {
			t.Fatal(err)
		}
		all, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if _, err := provider.UpTo(t.Context(), 15); err != nil {
		t.Fatal(err)
	}
	exec(t, conn, oldJobs)
	want := slices.Concat(statuses("jobs")[:6], []string{"7 given up FAILED t"})
	for range 2 {
		if _, err := provider.UpTo(t.Context(), 16); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, statuses("job_details")); diff != "" {
			t.Errorf("up: -want +got\n%s", diff)
		}
		if _, err := provider.DownTo(t.Context(), 15); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, statuses("jobs")); diff != "" {
			t.Errorf("down: -want +got\n%s", diff)
		}
	}
}

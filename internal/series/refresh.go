package series

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"foldbook/db"
	"foldbook/questdb"
)

// Counted is the counts of rows, and the dataset's version after they were stored.
type Counted struct {
	questdb.Bounds
	Version   int64
	CreatedAt time.Time
}

// RefreshBars counts the bars of a dataset in QuestDB and stores the counts in PostgreSQL. It locks the dataset first, so that
// of two concurrent calls the later one stores the later counts. It runs in a transaction.
func RefreshBars(ctx context.Context, q *db.Queries, client *questdb.Client, id uuid.UUID) (c Counted, err error) {
	row, err := q.LockDatasetRow(ctx, id)
	if err != nil {
		return c, fmt.Errorf("lock dataset %s: %w", id, err)
	}
	place, err := Find(ctx, client, Bars, row.OhlcvMeasurement, row.QuestDBTag)
	if err != nil {
		return c, err
	}
	if c.Bounds, err = Count(ctx, client, place); err != nil {
		return c, err
	}
	noted, err := q.RefreshBars(ctx, db.RefreshBarsParams{
		DatasetID: id, OhlcvRowCount: c.Rows, OhlcvFirstTS: known(c.First), OhlcvLastTS: known(c.Last),
	})
	if err != nil {
		return c, fmt.Errorf("note the bars of dataset %s: %w", id, err)
	}
	c.Version, c.CreatedAt = noted.Version, noted.CreatedAt
	return c, nil
}

// RefreshIndicators does the same for the indicators and their columns. In a shared table these are the columns that are
// already stored and those added: the other columns belong to other datasets.
func RefreshIndicators(ctx context.Context, q *db.Queries, client *questdb.Client, id uuid.UUID, added ...string) (c Counted, err error) {
	row, err := q.LockDatasetRow(ctx, id)
	if err != nil {
		return c, fmt.Errorf("lock dataset %s: %w", id, err)
	}
	place, err := Find(ctx, client, Indicators, row.QuestDBMeasurement, row.QuestDBTag)
	if err != nil {
		return c, err
	}
	if c.Bounds, err = Count(ctx, client, place); err != nil {
		return c, err
	}
	schema, err := Schema(ctx, client, place, row.ColumnSchema, added...)
	if err != nil {
		return c, err
	}
	noted, err := q.RefreshIndicators(ctx, db.RefreshIndicatorsParams{
		DatasetID: id, RowCount: c.Rows, FirstBarTS: known(c.First), LastBarTS: known(c.Last), ColumnSchema: schema,
	})
	if err != nil {
		return c, fmt.Errorf("note the indicators of dataset %s: %w", id, err)
	}
	c.Version, c.CreatedAt = noted.Version, noted.CreatedAt
	return c, nil
}

// Count counts the rows that belong to a record.
func Count(ctx context.Context, client *questdb.Client, place *Place) (questdb.Bounds, error) {
	if place.Table == nil {
		return questdb.Bounds{}, nil
	}
	bounds, err := client.Bounds(ctx, place.Selection())
	if err != nil {
		return bounds, fmt.Errorf("count the rows of %s: %w", place.Name, err)
	}
	return bounds, nil
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// schemaColumn is an element of column_schema.
type schemaColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Role string `json:"role"`
}

// listed are the names in a column_schema; none when a writer has stored another form of it.
func listed(schema json.RawMessage) (names []string) {
	var columns []schemaColumn
	if json.Unmarshal(schema, &columns) != nil {
		return nil
	}
	for _, c := range columns {
		names = append(names, c.Name)
	}
	return names
}

// Schema is the column_schema of indicator rows. Without a table it stays as it is. After rows were added with these columns, they and
// those that are stored are the ones of a shared table; else QuestDB tells.
func Schema(ctx context.Context, client *questdb.Client, place *Place, stored json.RawMessage, added ...string) (json.RawMessage, error) {
	if place.Table == nil {
		return stored, nil
	}
	if len(added) > 0 {
		added = append(listed(stored), added...)
	}
	columns, err := place.own(ctx, client, Indicators, added)
	if err != nil {
		return nil, err
	}
	list := []schemaColumn{}
	for _, c := range columns {
		list = append(list, schemaColumn{c.Name, c.Type, Role(c)})
	}
	text, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("write the column schema: %w", err)
	}
	return text, nil
}

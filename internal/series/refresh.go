package series

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/questdb"
)

// Counted is the counts of rows, and the dataset's version after they were stored.
type Counted struct {
	questdb.Bounds
	Version   int64
	CreatedAt time.Time
}

// Note is how a dataset's rows are counted and noted: under the lease of their place, without an open transaction, and then in a
// short one that fails when the lease has expired, so that counts are stored in the order in which they were made.
type Note struct {
	Store    *db.DB
	Client   *questdb.Client
	Lease    *Lease
	Transact func(context.Context, func(context.Context, *db.Queries) error) error // runs a function in a transaction, perhaps more than once
}

// Bars counts the bars of a dataset in QuestDB and stores the counts in PostgreSQL.
func (n Note) Bars(ctx context.Context, id uuid.UUID) (c Counted, err error) {
	row, err := n.dataset(ctx, id)
	if err != nil {
		return c, err
	}
	place, err := Find(ctx, n.Client, Bars, row.OhlcvMeasurement, row.QuestDBTag)
	if err != nil {
		return c, err
	}
	if c.Bounds, err = Count(ctx, n.Client, place); err != nil {
		return c, err
	}
	return c, n.note(ctx, id, func(ctx context.Context, q *db.Queries) error {
		noted, err := q.RefreshBars(ctx, db.RefreshBarsParams{
			DatasetID: id, OhlcvRowCount: c.Rows, OhlcvFirstTS: known(c.First), OhlcvLastTS: known(c.Last), Counted: row.OhlcvMeasurement,
		})
		c.Version, c.CreatedAt = noted.Version, noted.CreatedAt
		return err
	})
}

// Indicators does the same for the indicators and their columns. In a shared table these are the columns that are already
// stored and those added: the other columns belong to other datasets.
func (n Note) Indicators(ctx context.Context, id uuid.UUID, added ...string) (c Counted, err error) {
	row, err := n.dataset(ctx, id)
	if err != nil {
		return c, err
	}
	place, err := Find(ctx, n.Client, Indicators, row.QuestDBMeasurement, row.QuestDBTag)
	if err != nil {
		return c, err
	}
	if c.Bounds, err = Count(ctx, n.Client, place); err != nil {
		return c, err
	}
	schema, err := Schema(ctx, n.Client, place, row.ColumnSchema, added...)
	if err != nil {
		return c, err
	}
	return c, n.note(ctx, id, func(ctx context.Context, q *db.Queries) error {
		noted, err := q.RefreshIndicators(ctx, db.RefreshIndicatorsParams{
			DatasetID: id, RowCount: c.Rows, FirstBarTS: known(c.First), LastBarTS: known(c.Last), ColumnSchema: schema,
			Counted: row.QuestDBMeasurement,
		})
		c.Version, c.CreatedAt = noted.Version, noted.CreatedAt
		return err
	})
}

// note stores what was counted. A dataset may have been removed meanwhile, or name another table.
func (n Note) note(ctx context.Context, id uuid.UUID, store func(context.Context, *db.Queries) error) error {
	err := n.Transact(ctx, func(ctx context.Context, q *db.Queries) error {
		if err := n.Lease.Check(ctx, q); err != nil {
			return err
		}
		return store(ctx, q)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		if _, err := n.dataset(ctx, id); err != nil {
			return err
		}
		return errMoved
	}
	if err != nil {
		return fmt.Errorf("note the rows of dataset %s: %w", id, err)
	}
	return nil
}

var errMoved = errors.New("the dataset names another table than the one that was counted")

func (n Note) dataset(ctx context.Context, id uuid.UUID) (db.IndicatorDataset, error) {
	row, err := n.Store.GetDataset(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return row, spec.NoSuch("dataset", id)
	} else if err != nil {
		return row, fmt.Errorf("read dataset %s: %w", id, err)
	}
	return row, nil
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

package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"foldbook/db"
	"foldbook/questdb"
)

// Unowned is rows of deleted records in a shared table, which no record reads. They keep their disk until Purge.
type Unowned struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
}

// owners looks for rows in shared tables that belong to no record, and counts those that belong to nobody any more.
func (d *Doctor) owners(ctx context.Context) (findings []Finding, err error) {
	for _, name := range slices.Sorted(maps.Keys(d.shared)) {
		place := d.shared[name]
		if place.Table == nil {
			continue
		}
		column := place.Where[0].Column
		tags, err := d.QuestDB.Tags(ctx, place.Table, column)
		if err != nil {
			return nil, fmt.Errorf("list the owners of rows in %s: %w", name, err)
		}
		if n := tags[""]; n > 0 {
			d.Unowned = append(d.Unowned, Unowned{place.Table.Name, n})
		}
		delete(tags, "")
		known, err := d.DB.ListOtherPlaces(ctx, db.ListOtherPlacesParams{Tables: []string{name}, Owners: slices.Collect(maps.Keys(tags))})
		if err != nil {
			return nil, fmt.Errorf("list the records in %s: %w", name, err)
		}
		for _, place := range known {
			delete(tags, place.Owner)
		}
		for _, tag := range slices.Sorted(maps.Keys(tags)) {
			rows := *place
			rows.Where = []questdb.Match{{Column: column, Values: []string{tag}}}
			findings = append(findings, Finding{Problem: NoRecord, Table: place.Table.Name, Fixable: true, rows: &rows,
				Detail: fmt.Sprintf("%d rows of %s", tags[tag], tag)})
		}
	}
	return findings, nil
}

// disown takes rows out of a shared table, as a removal does.
func (d *Doctor) disown(ctx context.Context, f *Finding) error {
	lease := f.rows.Lease(d.DB.Queries)
	if err := lease.Take(ctx); err != nil {
		return err
	}
	defer lease.Release(ctx)
	return d.QuestDB.Disown(ctx, f.rows.Selection())
}

// Purge gives the disk of rows without an owner back, while nobody else writes to their tables: see questdb.Client.Purge.
func (d *Doctor) Purge(ctx context.Context) error {
	for _, u := range d.Unowned {
		place := d.shared[strings.ToLower(u.Table)]
		if err := d.QuestDB.Purge(ctx, place.Table, place.Where[0].Column); err != nil {
			return fmt.Errorf("table %s: %w", u.Table, err)
		}
	}
	d.Unowned = []Unowned{}
	return nil
}

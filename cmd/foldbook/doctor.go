package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"foldbook/internal/doctor"
)

type doctorCmd struct {
	Fix        bool `help:"Count anew what records say of their rows, fill the times of folds and switch deduplication on."`
	DropTables bool `help:"With --fix, drop the tables that no record names, rows and all; take such rows out of shared ones."`
	Purge      bool `help:"Give the disk of deleted rows in shared tables back, while nothing else writes to these tables."`
	JSON       bool `name:"json" help:"Print what was found as JSON."`
}

// Help is the text below the summary.
func (doctorCmd) Help() string {
	return `Compares PostgreSQL and QuestDB, to which it connects with the settings of serve, and lists what they do not agree about:

	no table      a record names a table that QuestDB does not have; runs and simulations may outlive their rows
	no rows       the rows of a run or simulation are not in the table that it shares with others
	no record     no record names the table, or goes by the tag of rows in a shared one: left behind, of a CSV file that was imported
	              into QuestDB, or of a writer whose record is still to come
	bad name      what a record names cannot be a table
	differs       row count, first and last time, their copies in metadata or column_schema are not what was counted
	adopted       a writer put rows into QuestDB beside the service, which has not counted any
	foreign       column_schema lists columns of a shared table in which the dataset has no value
	pending       rows of deleted records are still to be removed
	no dedup      rows that are sent again would be doubled
	no fold time  folds lack the times of rows that are there

It also says how many rows of deleted records are in shared tables, where no record reads them. They keep their place on the disk:
QuestDB has no DELETE. --purge writes these tables anew without them, a partition at a time, which needs as much disk again. Stop the
service and all other writers before: a table that is written to meanwhile stays as it was, and the command fails.

Without --fix and --purge nothing is changed. What --fix does not repair stays listed. Without --purge it can run beside the
service, and any number of times.

Exit codes: 0 nothing was found, or all of it is repaired; 1 something is left.

Examples:

	foldbook doctor
	foldbook doctor --fix
	foldbook doctor --fix --drop-tables     also drop tables without a record
	foldbook doctor --purge                 also give the disk of deleted rows back
	foldbook doctor --json | jq '.findings[] | select(.fixable | not)'`
}

// Run compares the stores.
func (c doctorCmd) Run(a *app) error {
	if c.DropTables && !c.Fix {
		return usageError("--drop-tables goes with --fix")
	}
	store, series, done, err := a.bothStores()
	if err != nil {
		return err
	}
	defer done()
	if series == nil {
		return usageError("QDB_HTTP_URL is off, so there is nothing to compare PostgreSQL with")
	}
	d := &doctor.Doctor{DB: store, QuestDB: series}
	findings, err := d.Check(a.ctx)
	if err != nil {
		return connectFailure(store, err)
	}
	left := 0
	for i := range findings {
		if c.Fix {
			if err := d.Fix(a.ctx, &findings[i], c.DropTables); err != nil {
				return connectFailure(store, err)
			}
		}
		if !findings[i].Fixed {
			left++
		}
	}
	if c.Purge {
		if err := d.Purge(a.ctx); err != nil {
			return connectFailure(store, err)
		}
	}
	if err := c.print(a, findings, d.Unowned); err != nil {
		return err
	}
	if left > 0 {
		return fmt.Errorf("%d of %d findings are left", left, len(findings))
	}
	return nil
}

func (c doctorCmd) print(a *app, findings []doctor.Finding, unowned []doctor.Unowned) error {
	if c.JSON {
		if findings == nil {
			findings = []doctor.Finding{}
		}
		enc := json.NewEncoder(a.out)
		enc.SetIndent("", "  ")
		return enc.Encode(map[string]any{"findings": findings, "unowned": unowned})
	}
	for _, u := range unowned {
		_, _ = fmt.Fprintf(a.out, "%d rows of deleted records are in table %s: foldbook doctor --purge gives their disk back\n", u.Rows, u.Table)
	}
	if len(findings) == 0 {
		_, err := fmt.Fprintln(a.out, "PostgreSQL and QuestDB agree")
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "PROBLEM\tTABLE\tOF\tDETAIL\t")
	fixable := false
	for _, f := range findings {
		of := "-"
		if f.Of != "" {
			of = f.Of + " " + f.ID.String()
		}
		state := ""
		switch {
		case f.Fixed:
			state = "fixed"
		case f.Fixable:
			state, fixable = "can be fixed", true
			if f.Problem == doctor.NoRecord {
				state = "can be dropped"
			}
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", f.Problem, f.Table, of, f.Detail, state)
	}
	if fixable && !c.Fix {
		_, _ = fmt.Fprintln(w, "\nfoldbook doctor --fix repairs what can be fixed; --fix --drop-tables drops tables without a record as well.")
	}
	return w.Flush()
}

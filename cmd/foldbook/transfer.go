package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"

	"foldbook/internal/candlefile"
	"foldbook/internal/transfer"
)

const defaultServer = "http://127.0.0.1:33931"

// serverFlags say which server to talk to.
type serverFlags struct {
	Server string        `placeholder:"URL" help:"Address of the server; FOLDBOOK_SERVER in the environment, else http://127.0.0.1:33931."`
	Wait   time.Duration `default:"1m" help:"How long to try again when the server is away."`
}

func (f serverFlags) client(a *app) (*transfer.Client, error) {
	server := cmp.Or(f.Server, a.env["FOLDBOOK_SERVER"], defaultServer)
	client, err := transfer.New(server)
	if err != nil {
		return nil, usageError("--server or FOLDBOOK_SERVER " + err.Error()) // which is not quoted: it may hold a password
	}
	client.Token = a.env["FOLDBOOK_TOKEN"]
	if f.Wait < 0 {
		return nil, usageError("--wait is below 0")
	}
	client.Wait = f.Wait
	client.Note = func(text string) { _, _ = fmt.Fprintln(a.err, text) }
	return client, nil
}

type importCmd struct {
	serverFlags
	DryRun    bool   `help:"Let the server check everything and store nothing."`
	KeepGoing bool   `help:"Go past files that the server refuses, and list them at the end."`
	Again     bool   `help:"Also post what the journal says is stored."`
	Replace   bool   `help:"Also replace runs and simulations that are final and would lose something."`
	Journal   string `placeholder:"FILE" help:"Note in FILE what is stored; for a directory DIR it is DIR.imported unless given."`

	DatasetName  string `name:"dataset" placeholder:"SLUG|ID" xor:"rows" help:"The files are rows of this dataset."`
	As           string `enum:",ohlcv,indicators" default:"" help:"ohlcv or indicators; unless given, ohlcv for files with nothing but bars."`
	RunID        string `name:"run" placeholder:"ID" xor:"rows" help:"The files are predictions of this run."`
	SimulationID string `name:"simulation" placeholder:"ID" xor:"rows" help:"The files are the trace of this simulation."`

	Time       string   `placeholder:"NAME" help:"The column of times of files of rows, or DATE,TIME for two."`
	TimeFormat string   `placeholder:"FORMAT" help:"How their times are written, such as %d.%m.%Y %H:%M."`
	TZ         string   `name:"tz" placeholder:"ZONE" help:"The zone of times that have none, such as America/New_York; unless given, UTC."`
	Columns    []string `placeholder:"NAME,…" help:"The names of their columns, in order; - leaves one out."`
	Skip       int      `placeholder:"N" help:"Lines to skip at their beginning."`
	Delimiter  string   `placeholder:"CHAR" help:"What is between their cells; \\t is a tab."`
	FromRow    int64    `placeholder:"N" help:"Begin to send with row N, counted from 0: what an interrupted import names."`

	Paths []string `arg:"" name:"path" help:"A file, a directory of files, or - for standard input."`
}

// Help is the text below the summary.
func (importCmd) Help() string {
	return `A file holds one dataset, run or simulation: the JSON body of POST /api/datasets, /api/runs or /api/simulations, as it
is, as .json.gz or as .json.zst. What it is, is read from its content. Datasets are stored first, then runs, then
simulations, then the notes, artifacts and comparisons that an export wrote. Artifacts are compared with their digests first.

With --dataset, --run or --simulation the files are rows instead: CSV, NDJSON, {"rows": […]}, arrays of JSON, Arrow or
Feather, as they are or compressed. Delimiter, UTF-16, comments, decimal commas and the usual names of columns are
recognised, as are candles of Binance, Kraken and MetaTrader without names. Times are RFC 3339, dates with or without a time
of day, or numbers in one unit, which the first shows; the options below say what a file does not. A file is checked as a
whole before its first row is sent, in batches of 10,000; rows with the same time replace each other. Files that "foldbook
export --with-series" wrote say themselves whose rows they are.

Posting a file again changes nothing but the version. While the server is away it is tried again. After an interruption the same
command goes on where it was: files of a directory that the journal names, and that have not changed, are skipped.

Examples:

	foldbook import run.json
	foldbook import backup/                          every .json, .json.gz and .json.zst below it
	foldbook import --dry-run --keep-going backup/   check all, store nothing
	foldbook import --server http://10.0.0.5:33931 backup/
	zcat run.json.gz | foldbook import -
	foldbook import bars.csv --dataset btc25_1       the bars, or with --as indicators the indicators
	foldbook import bars.csv --dataset btc25_1 --time Date --time-format %d/%m/%Y --tz Europe/Berlin
	foldbook import run.predictions.arrow            rows of an export`
}

// Run imports.
func (c importCmd) Run(a *app) error {
	client, err := c.client(a)
	if err != nil {
		return err
	}
	show := &importView{view: view{app: a}, dryRun: c.DryRun}
	client.Note = show.note
	of, err := c.rows(a, client)
	if err != nil {
		return err
	}
	file, err := c.file()
	if err != nil {
		return err
	}
	im := transfer.Import{Client: client, Rows: of, File: file, FromRow: c.FromRow, Journal: c.Journal, Watcher: show,
		DryRun: c.DryRun, Again: c.Again, Replace: c.Replace, KeepGoing: c.KeepGoing}
	summary, err := im.Run(a.ctx, c.Paths, a.in)
	show.end(summary)
	if err == nil && len(summary.Failed) > 0 {
		return fmt.Errorf("%d of %d files failed", len(summary.Failed), len(summary.Failed)+summary.Stored+summary.Skipped)
	}
	return err
}

// file is what the files of rows do not say themselves.
func (c importCmd) file() (o candlefile.Options, err error) {
	o = candlefile.Options{Time: c.Time, TimeFormat: c.TimeFormat, Columns: c.Columns, Skip: c.Skip}
	if c.TZ != "" {
		if o.Zone, err = time.LoadLocation(c.TZ); err != nil {
			return o, usageError(fmt.Sprintf("--tz %q is not a time zone, such as America/New_York", c.TZ))
		}
	}
	if c.TimeFormat != "" {
		if err := candlefile.CheckFormat(c.TimeFormat); err != nil {
			return o, usageError("--time-format " + err.Error())
		}
	}
	delimiter := []rune(strings.ReplaceAll(c.Delimiter, `\t`, "\t"))
	if len(delimiter) == 1 && !strings.ContainsRune("\"\r\n", delimiter[0]) {
		o.Delimiter = delimiter[0]
	} else if c.Delimiter != "" {
		return o, usageError("--delimiter is one character")
	}
	return o, nil
}

// rows is what the files are rows of, nil for documents.
func (c importCmd) rows(a *app, client *transfer.Client) (*transfer.Rows, error) {
	if c.As != "" && c.DatasetName == "" {
		return nil, usageError("--as goes with --dataset")
	}
	for _, one := range []struct {
		kind     transfer.Kind
		id, name string
	}{{transfer.Run, c.RunID, "predictions"}, {transfer.Simulation, c.SimulationID, "trace"}} {
		if one.id == "" {
			continue
		}
		id, err := uuid.Parse(one.id)
		if err != nil {
			return nil, usageError(fmt.Sprintf("%q is not a UUID", one.id))
		}
		return &transfer.Rows{Of: transfer.Ref{Kind: one.kind, ID: id.String()}, Name: one.name}, nil
	}
	if c.DatasetName == "" {
		return nil, nil
	}
	id, err := client.FindDataset(a.ctx, c.DatasetName)
	if err != nil {
		return nil, err
	}
	return &transfer.Rows{Of: transfer.Ref{Kind: transfer.Dataset, ID: id}, Name: c.As}, nil
}

type exportCmd struct {
	serverFlags
	Output     string `short:"o" placeholder:"FILE" help:"Write to FILE, whole or not at all; else to standard output."`
	WithSeries bool   `help:"Also write the rows in QuestDB, beside FILE or below DIR."`

	What   string `arg:"" enum:"dataset,run,simulation,all" help:"dataset, run, simulation or all."`
	Target string `arg:"" name:"id|dir" help:"The UUID, or a dataset's slug; for all a directory, in which files are replaced."`
}

// Help is the text below the summary.
func (exportCmd) Help() string {
	return `Writes a dataset, a run with its folds, a simulation with its buckets and trades, or all. "foldbook import" takes it
back: the server then has the same values to the last digit. Left out is what the server adds, such as versions and
times of changes. A document is of one state of the database. Its file is compressed if its name ends in .gz or .zst.
Beside the file of a run are its notes and artifacts, if it has any: run.notes.json and the files of run.artifacts/.
With --with-series the rows in QuestDB are written too, as Arrow files beside it, which pandas and polars read as
well.

"foldbook export all DIR" writes datasets/ID.json, runs/ID.json and simulations/ID.json, comparisons/ID.json of the saved
comparisons whose runs are in the export, and with --with-series ID.ohlcv.arrow, ID.indicators.arrow, ID.predictions.arrow and
ID.trace.arrow beside them. Take a new directory for each backup: files of what the
server has no more are not removed.

Examples:

	foldbook export dataset btc25_1 -o dataset.json
	foldbook export run 2f6bd1c2-8c7e-4f0e-9a53-6a1d1b2c3d4e | jq '.folds | length'
	foldbook export run 2f6bd1c2-8c7e-4f0e-9a53-6a1d1b2c3d4e -o run.json.gz --with-series    and run.predictions.arrow
	foldbook export all backup/ --with-series && foldbook import --server http://10.0.0.5:33931 backup/`
}

// Run exports.
func (c exportCmd) Run(a *app) error {
	client, err := c.client(a)
	switch {
	case err != nil:
		return err
	case c.What == "all" && c.Output != "":
		return usageError("-o goes with one dataset, run or simulation")
	case c.What == "all":
		return c.all(a, client)
	case c.WithSeries && c.Output == "":
		return usageError("--with-series writes more than one file: name the first with -o")
	}
	of := transfer.Ref{Kind: transfer.Kind(c.What)}
	if of.Kind == transfer.Dataset {
		if of.ID, err = client.FindDataset(a.ctx, c.Target); err != nil {
			return err
		}
	} else {
		id, err := uuid.Parse(c.Target)
		if err != nil {
			return usageError(fmt.Sprintf("%q is not a UUID", c.Target))
		}
		of.ID = id.String()
	}
	if err := client.Export(a.ctx, of, c.Output, a.out); err != nil {
		return err
	}
	if of.Kind == transfer.Run && c.Output != "" {
		if _, err := client.ExportNotes(a.ctx, of, c.Output); err != nil {
			return err
		}
	}
	if !c.WithSeries {
		return nil
	}
	_, err = client.ExportSeries(a.ctx, of, c.Output)
	return err
}

func (c exportCmd) all(a *app, client *transfer.Client) error {
	if info, err := os.Stat(c.Target); err == nil && !info.IsDir() {
		return usageError(c.Target + " is not a directory")
	}
	show := &exportView{view: view{app: a}, dir: c.Target}
	client.Note = show.note
	err := client.ExportAll(a.ctx, c.Target, c.WithSeries, show.exported)
	show.end()
	if errors.Is(err, a.ctx.Err()) && err != nil {
		return errors.New("interrupted; what is written so far is whole")
	}
	return err
}

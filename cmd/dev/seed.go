package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"

	"foldbook/db"
	"foldbook/internal/devstack"
	"foldbook/internal/seed"
	"foldbook/questdb"
)

type seedCmd struct {
	Scale int `placeholder:"N" help:"Store random rows instead: N times 50 datasets, 200 runs, 200 simulations, N million rows of series."`
}

// Help is the text below the summary.
func (seedCmd) Help() string {
	return `Stores two datasets with runs, folds, simulations and trades in PostgreSQL, and their bars, indicators, predictions
and traces in QuestDB, through a foldbook that it starts for that, and prints what is there. Running it again changes
nothing; when QuestDB was away, it stores what is missing there. POSTGRES_URL and QDB_HTTP_URL, in the environment or
in .env, say where; QDB_HTTP_URL=off goes without QuestDB.`
}

// Run stores the sample data.
func (c seedCmd) Run(ctx context.Context) error {
	if c.Scale < 0 {
		return errors.New("--scale is at least 1")
	}
	root, err := devstack.Root()
	if err != nil {
		return err
	}
	if c.Scale > 0 {
		return seedAtScale(ctx, root, c.Scale)
	}
	serve := (&stack{root: root}).foldbook("serve")
	serve.Env = append(serve.Env, "LOG_LEVEL=error") // what it prints is shown when it fails
	return beside(ctx, serve, func(address string) error { return seed.Run(ctx, "http://"+address, os.Stdout) })
}

func seedAtScale(ctx context.Context, root string, scale int) error {
	given, err := settings(filepath.Join(root, ".env"))
	if err != nil {
		return err
	}
	store, err := db.Open(db.Config{URL: given["POSTGRES_URL"], PoolSize: 1})
	if err != nil {
		return err
	}
	defer store.Close()
	var series *questdb.Client
	if address := cmp.Or(given["QDB_HTTP_URL"], "http://127.0.0.1:9000"); address != "off" {
		series, err = questdb.New(questdb.Config{
			HTTPURL: address, User: given["QDB_USER"], Password: given["QDB_PASSWORD"],
			PGURL: given["QDB_PG_URL"], Read: questdb.Path(given["QDB_READ"]),
		})
		if err != nil {
			return err
		}
		defer series.Close()
	}
	return seed.Scale(ctx, store.Pool, series, scale, os.Stdout)
}

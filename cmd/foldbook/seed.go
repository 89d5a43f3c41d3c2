package main

import (
	"fmt"

	"foldbook/internal/seed"
)

type seedCmd struct {
	serverFlags
	Search bool `required:"" help:"Store a search of 60 trials, on a dataset of its own: noise, one true effect, and one lucky winner."`
}

// Help is the text below the summary.
func (seedCmd) Help() string {
	return `Most of the trials are noise, one has a true effect, and one was fitted to its returns: it has the highest Sharpe ratio. The
leaderboard tells which is which (docs/statistics.md). Storing it again changes nothing.

Examples:

	foldbook seed --search
	foldbook leaderboard --search search-60
	foldbook rm --cascade search-60`
}

// Run stores the search.
func (c seedCmd) Run(a *app) error {
	client, err := c.client(a)
	if err != nil {
		return err
	}
	if err := seed.Search(a.ctx, client.Post); err != nil {
		return fmt.Errorf("store the search in %s: %w", client.Server(), err)
	}
	const said = "%d trials of the search %s are stored:\n%s/#/leaderboard?search_id=%[2]s\nfoldbook leaderboard --search %[2]s\n"
	_, err = fmt.Fprintf(a.out, said, seed.SearchSize, seed.SearchName, client.Server())
	return err
}

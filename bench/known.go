package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"

	"foldbook/internal/seed"
)

// contrast is a request that is measured in turns with another one, its base, as a share or a multiple of whose rate it
// has a target.
type contrast struct {
	name   string
	on     *service
	ask    request
	base   int     // index of the one that it is compared with
	target float64 // least multiple of the base's rate; 0: it is a base
	got    []measured
}

// known measures what costs less when the caller or the service has the answer already: 304, and compressed bodies that
// are kept. The service that keeps none is a second one, on the same database.
func (c cli) known(ctx context.Context, s *stack) error {
	routes, err := s.routes(ctx)
	if err != nil {
		return err
	}
	uncached, err := s.serve(ctx, s.url, "BODY_CACHE_MB=0")
	if err != nil {
		return err
	}
	dataset, run := routes[0].path, seed.BigRunID.String()
	list := []contrast{
		{name: "data set by id", ask: request{path: dataset}},
		{name: "304 of the data set by id", ask: request{path: dataset}, target: 0.8},
		{name: "304 of a run with 312 folds", ask: request{path: "/api/runs/" + run}, target: 0.8},
		{name: "304 of the same run, older route", ask: request{path: "/api/walkforward/runs/" + run}, target: 0.8},
		{name: "304 of a simulation", ask: request{path: routes[5].path}, target: 0.8},
	}
	for i := range list {
		list[i].on = s.main
		if i > 0 {
			tag, err := s.main.etag(ctx, list[i].ask.path)
			if err != nil {
				return err
			}
			list[i].ask.status, list[i].ask.headers = http.StatusNotModified, "If-None-Match: "+tag+"\r\n"
		}
	}
	for _, encoding := range []string{"gzip", "zstd"} {
		ask := request{path: "/api/runs/" + run, headers: "Accept-Encoding: " + encoding + "\r\n"}
		base := len(list)
		list = append(list,
			contrast{name: encoding + " of the run, made for each reader", on: uncached, ask: ask, base: base},
			contrast{name: encoding + " of the run, kept", on: s.main, ask: ask, base: base, target: 3})
	}
	for i := range list {
		if _, err := load(ctx, list[i].on.address, list[i].ask, c.Connections, c.For/4); err != nil {
			return fmt.Errorf("load %s: %w", list[i].name, err)
		}
	}
	for round := range c.Rounds {
		for i := range list {
			progress("round %d of %d: %s", round+1, c.Rounds, list[i].name)
			got, err := load(ctx, list[i].on.address, list[i].ask, c.Connections, c.For)
			if err != nil {
				return fmt.Errorf("load %s: %w", list[i].name, err)
			}
			list[i].got = append(list[i].got, got)
		}
	}
	fmt.Printf("\n### What is not read again\n\nMeasurements of %s, in turns, over %d connections. The ratio is to the row above without one.\n\n", c.For, c.Connections)
	fmt.Println("| answer | req/s | ratio | median ratio | target | | bytes |")
	fmt.Println("|---|--:|--:|--:|--:|---|--:|")
	for i := range list {
		fmt.Println(list[i].row(list[list[i].base]))
	}
	return nil
}

func (k contrast) row(base contrast) string {
	ratio, median, target, verdict := "-", "-", "-", ""
	if k.target > 0 {
		best := k.best() / base.best()
		ratios := make([]float64, len(k.got))
		for i := range ratios {
			ratios[i] = k.got[i].rate / base.got[i].rate
		}
		ratio, median, target, verdict = times(best), times(middle(ratios)), times(k.target), verdictOf(best >= k.target)
	}
	return fmt.Sprintf("| %s | %.0f | %s | %s | %s | %s | %d |", k.name, k.best(), ratio, median, target, verdict, k.got[0].bytes)
}

func (k contrast) best() float64 {
	return slices.MaxFunc(k.got, func(a, b measured) int { return cmp.Compare(a.rate, b.rate) }).rate
}

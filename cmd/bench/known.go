package main

import (
	"context"
	"net/http"

	"foldbook/internal/seed"
)

// known compares what the caller or the service has already with what has to be made: 304 with reading one row, and compressed
// bodies that are kept with those of a service that keeps none.
func known(ctx context.Context, s *stack, r *report) error {
	uncached, err := s.serve(ctx, s.binary, s.url, "BODY_CACHE_MB=0")
	if err != nil {
		return err
	}
	p, err := s.paths(ctx)
	if err != nil {
		return err
	}
	run := "/api/runs/" + seed.BigRunID.String()
	var list []*contest
	for _, n := range []struct{ name, path string }{
		{"304 of the dataset by id", p.dataset}, {"304 of a run with 312 folds", run}, {"304 of the same run, older route", p.run},
		{"304 of a simulation", p.simulation},
	} {
		tag, err := s.main.etag(ctx, n.path)
		if err != nil {
			return err
		}
		unchanged := request{path: n.path, status: http.StatusNotModified, headers: "If-None-Match: " + tag + "\r\n"}
		list = append(list, &contest{
			name: n.name + ", to reading the dataset", atLeast: 0.8,
			ours: s.rate(s.main, unchanged, 8), theirs: s.rate(s.main, request{path: p.dataset}, 8),
		})
	}
	for _, encoding := range []string{"gzip", "zstd"} {
		compressed := request{path: run, headers: "Accept-Encoding: " + encoding + "\r\n"}
		list = append(list, &contest{
			name: encoding + " of a run with 312 folds", atLeast: 3,
			ours: s.rate(s.main, compressed, 8), theirs: s.rate(uncached, compressed, 8),
		})
	}
	return r.run(ctx, theme{
		title: "What is not read again", peer: "read or made",
		about: "8 connections. The peer of a compressed body is a second service that keeps none (`BODY_CACHE_MB=0`).",
	}, list)
}

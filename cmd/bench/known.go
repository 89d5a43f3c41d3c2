package main

import (
	"context"
	"net/http"
)

// known compares what the caller or the service has already with what has to be made: 304 with reading one row, and compressed
// bodies that are kept with those of a service that keeps none.
func known(ctx context.Context, s *stack, r *report) error {
	uncached, err := s.serve(ctx, s.binary, s.url, "BODY_CACHE_MB=0")
	if err != nil {
		return err
	}
	var list []*contest
	for _, n := range []struct{ name, path string }{
		{"304 of the dataset by id", datasetPath}, {"304 of a run with 312 folds", runPath},
		{"304 of the same run, older route", olderRunPath}, {"304 of a simulation", simulationPath},
	} {
		tag, err := s.main.etag(ctx, n.path)
		if err != nil {
			return err
		}
		unchanged := request{paths: []string{n.path}, status: http.StatusNotModified, headers: "If-None-Match: " + tag + "\r\n"}
		list = append(list, &contest{
			name: n.name + ", to reading the dataset", atLeast: 0.8,
			ours: s.rate(s.main.address, unchanged, 8), theirs: s.rate(s.main.address, get(datasetPath), 8),
		})
	}
	for _, encoding := range []string{"gzip", "zstd"} {
		compressed := request{paths: []string{runPath}, headers: "Accept-Encoding: " + encoding + "\r\n"}
		list = append(list, &contest{
			name: encoding + " of a run with 312 folds", atLeast: 3,
			ours: s.rate(s.main.address, compressed, 8), theirs: s.rate(uncached.address, compressed, 8),
		})
	}
	return r.run(ctx, theme{
		title: "What is not read again", peer: "read or made",
		about: "8 connections. The peer of a compressed body is a second service that keeps none (`BODY_CACHE_MB=0`).",
	}, list)
}

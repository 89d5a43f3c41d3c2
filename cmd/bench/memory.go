package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// slowReaders shows how much memory the service takes more while clients read a million rows slowly.
func (r *report) slowReaders(ctx context.Context, v *service) error {
	const most = 64
	var rows []row
	for _, readers := range []int{1, 8} {
		for _, format := range []string{"json", "csv", "ndjson", "arrow"} {
			progress("%d slow readers of %s", readers, format)
			mib, err := v.growth(ctx, "/api/datasets/"+seriesDataset+"/indicators?format="+format, readers)
			if err != nil {
				return fmt.Errorf("read %s slowly: %w", format, err)
			}
			w := row{what: fmt.Sprintf("%d × %s", readers, format), ours: fmt.Sprintf("%.1f MiB", mib)}
			w.require(fmt.Sprintf("≤ %d MiB", most), mib <= most)
			rows = append(rows, w)
		}
	}
	r.table(theme{title: "Slow readers", about: "Growth of the service's resident memory while so many clients read 1M × 10."}, rows)
	return nil
}

// growth is how much memory the service takes more while so many clients read slowly.
func (v *service) growth(ctx context.Context, path string, readers int) (mib float64, err error) {
	before, err := v.resident()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, 6*time.Second)
	defer cancel()
	clients, ctx := errgroup.WithContext(ctx)
	for range readers {
		clients.Go(func() error { return readSlowly(ctx, "http://"+v.address+path) })
	}
	most := before
	for ctx.Err() == nil {
		now, err := v.resident()
		if err != nil {
			return 0, err
		}
		most = max(most, now)
		time.Sleep(20 * time.Millisecond)
	}
	return float64(most-before) / 1024, clients.Wait()
}

// readSlowly reads a quarter of a megabyte at a time, and pauses, until the context ends.
func readSlowly(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it is left early
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	for err == nil {
		time.Sleep(20 * time.Millisecond)
		_, err = io.CopyN(io.Discard, res.Body, 256<<10)
	}
	if ctx.Err() != nil || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// resident is the service's resident memory in KiB.
func (v *service) resident() (kib int64, err error) {
	text, err := v.proc("status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(text, "VmRSS:")
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		return 0, fmt.Errorf("read the memory of the service: %w", err)
	}
	return kib, nil
}

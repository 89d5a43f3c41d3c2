package questdb

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Parquet reads the rows of a scan as a Parquet file that QuestDB makes, over HTTP. Each column has a name in the file; the
// designated timestamp is whole milliseconds in it. If the file can be read to its end without an error, it is complete.
// Errors as Scan; those of reading are ErrBroken and ErrTimeout. The file counts against the pool until it is closed.
func (c *Client) Parquet(ctx context.Context, s Scan, names []string) (io.ReadCloser, error) {
	st := new(statement).add("select ")
	for i, name := range s.Columns {
		if i > 0 {
			st.add(", ")
		}
		if name == s.Table.Designated {
			st.add("(").column(s.Table, name).add("::timestamp::long) / 1000 ")
		} else {
			st.column(s.Table, name).add(" ")
		}
		st.name(names[i])
	}
	if st.rest(s); st.err != nil {
		return nil, st.err
	}
	release, err := c.acquire(ctx, true)
	if err != nil {
		return nil, err
	}
	file, err := c.exportParquet(ctx, st.literal())
	if err != nil {
		release()
		return nil, err
	}
	file.release = release
	return file, nil
}

func (c *Client) exportParquet(ctx context.Context, sql string) (*parquetFile, error) {
	a, err := c.get(ctx, "/exp?fmt=parquet&query=", sql)
	if err != nil {
		return nil, err
	}
	defer a.limit.Stop()
	res := a.res
	if res.StatusCode == http.StatusOK && res.Header.Get("Content-Type") == "application/vnd.apache.parquet" {
		return &parquetFile{ctx: a.ctx, cancel: a.cancel, body: res.Body}, nil
	}
	defer a.cancel(nil)
	defer func() { _ = res.Body.Close() }()
	var refused struct {
		Error    string
		Position int
	}
	if res.StatusCode == http.StatusBadRequest && json.NewDecoder(io.LimitReader(res.Body, maxRow)).Decode(&refused) == nil &&
		refused.Error != "" {
		return nil, refusal(refused.Error, sql, refused.Position)
	}
	if res.StatusCode == http.StatusOK { // a QuestDB that does not know the format sends CSV
		return nil, fmt.Errorf("%w: it is not Parquet", ErrBroken)
	}
	if res.StatusCode == http.StatusTooManyRequests { // QuestDB exports few files at a time: http.export.connection.limit
		return nil, fmt.Errorf("%w: too many exports", ErrBusy)
	}
	return nil, statusError(res.StatusCode)
}

// parquetFile is a file that is being received.
type parquetFile struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	body    io.ReadCloser
	release func()
}

// Read continues the file. QuestDB closes the connection when something goes wrong, so only a body that ends properly is complete.
func (f *parquetFile) Read(b []byte) (int, error) {
	n, err := f.body.Read(b)
	if err != nil && err != io.EOF { //nolint:errorlint // as io.Reader has it
		err = failure(f.ctx, err, "", true)
	}
	return n, err
}

// Close ends the export if it has not ended.
func (f *parquetFile) Close() error {
	f.cancel(nil)
	err := f.body.Close()
	if f.release != nil {
		f.release()
		f.release = nil
	}
	return err
}

package candlefile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// parquetRows is how many rows of a Parquet file are in memory at a time.
const parquetRows = 8192

// openParquet returns the rows of a Parquet file as an Arrow stream. Such a file says at its end what is where, so that it is
// copied to the disk first, and its rows are written there as well: what is in memory does not grow with the file.
func openParquet(in io.Reader) (_ *os.File, err error) {
	defer func() {
		if p := recover(); p != nil { // the decoder trusts the file
			err = fmt.Errorf("is not a Parquet file that can be read: %v", p)
		}
	}()
	copied, err := scratch()
	if err != nil {
		return nil, err
	}
	defer copied.Close() //nolint:errcheck // it is read
	if _, err := io.Copy(copied, in); err != nil {
		return nil, err
	}
	parquet, err := file.NewParquetReader(copied)
	if err != nil {
		return nil, fmt.Errorf("is not a Parquet file that can be read: %w", err)
	}
	out, err := scratch()
	if err != nil {
		return nil, err
	}
	if err := writeArrow(parquet, out); err != nil {
		return nil, errors.Join(fmt.Errorf("is not a Parquet file that can be read: %w", err), out.Close())
	}
	_, err = out.Seek(0, io.SeekStart)
	return out, err
}

func writeArrow(parquet *file.Reader, out io.Writer) error {
	reader, err := pqarrow.NewFileReader(parquet, pqarrow.ArrowReadProperties{BatchSize: parquetRows}, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	batches, err := reader.GetRecordReader(context.Background(), nil, nil)
	if err != nil {
		return err
	}
	defer batches.Release()
	w := ipc.NewWriter(out, ipc.WithSchema(batches.Schema()))
	for batches.Next() {
		if err := w.Write(batches.RecordBatch()); err != nil {
			return err
		}
	}
	if err := batches.Err(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return w.Close()
}

// scratch makes a file that is gone when it is closed.
func scratch() (*os.File, error) {
	f, err := os.CreateTemp("", "foldbook-*.parquet")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

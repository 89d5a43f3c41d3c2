package questdb

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// Wherever an answer ends or stalls, it is not taken for a whole one, nor a stall for a broken answer.
func TestEveryCut(t *testing.T) {
	t.Parallel()
	const whole = `{"query":"q","columns":[{"name":"x","type":"DOUBLE"},{"name":"s","type":"VARCHAR"}],"timestamp":-1,"dataset":[[1.5,"a\n"],[null,"\u00e9"],[-3.0E10,null]],"count":3}`
	for i := range len(whole) + 1 {
		for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, os.ErrDeadlineExceeded} {
			ctx, cancel := context.WithCancelCause(t.Context())
			source := &execSource{ctx: ctx, cancel: cancel, body: io.NopCloser(io.MultiReader(strings.NewReader(whole[:i]), broken{end}))}
			source.json = jsontext.NewDecoder(source, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
			rows := &Rows{source: source, json: true}
			var err error
			if rows.Fields, err = source.head(); err == nil {
				for rows.Next() {
					continue
				}
				err = rows.Err()
			}
			var want error
			switch {
			case errors.Is(end, os.ErrDeadlineExceeded):
				want = ErrTimeout
			case i < len(whole) || !errors.Is(end, io.EOF):
				want = ErrBroken
			}
			if !errors.Is(err, want) {
				t.Errorf("%v after %s: %v, want %v", end, whole[:i], err, want)
			}
		}
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

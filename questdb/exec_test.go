package questdb_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foldbook/questdb"
)

const head = `{"query":"q","columns":[{"name":"x","type":"LONG"},{"name":"s","type":"VARCHAR"}],"timestamp":-1,"dataset":[`

// read reads two columns from a server that answers like that.
func read(t *testing.T, handler http.HandlerFunc) (got [][2]string, err error) {
	t.Helper()
	c := client(t, questdb.Config{HTTPURL: fake(t, handler), Read: questdb.HTTP, StallTimeout: 200 * time.Millisecond})
	rows, err := c.Query(t.Context(), "q")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		row := [2]string{"NULL", "NULL"}
		if _, ok := rows.Int(0); ok {
			row[0] = "a number"
		}
		if v, ok := rows.Text(1); ok {
			row[1] = string(v)
		}
		got = append(got, row)
	}
	return got, rows.Err()
}

func TestExecAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    [][2]string
		err     error
	}{
		"rows":   {answer(200, head+`[1,"a"],[null,null],[3,"\u00e9\n\"]["]],"count":3}`), [][2]string{{"a number", "a"}, {"NULL", "NULL"}, {"a number", "é\n\"]["}}, nil},
		"spaced": {answer(200, " "+strings.ReplaceAll(strings.ReplaceAll(head+`[1,"a"] , [ 2 , "b" ] ]`, "{", "{ "), ":", " : ")+` , "count" : 2 } `), [][2]string{{"a number", "a"}, {"a number", "b"}}, nil},
		"none":   {answer(200, head+`],"count":0}`), nil, nil},

		"late timeout": {answer(200, head+`[1,"a"]],"count":1,"error":"timeout, query aborted [fd=1]","errorPos":0}`), [][2]string{{"a number", "a"}}, questdb.ErrTimeout},
		"late error":   {answer(200, head+`[1,"a"]],"count":1,"error":"geheim","errorPos":0}`), [][2]string{{"a number", "a"}}, questdb.ErrBroken},
		"no row":       {answer(200, head+`],"count":0,"error":"timeout, query aborted [fd=1]","errorPos":0}`), nil, questdb.ErrTimeout},
		"refused":      {answer(200, `{"error":"empty query","query":"","position":"0"}`), nil, &questdb.Refused{Message: "empty query"}},
		"400":          {answer(400, `{"query":"q","error":"Invalid date [str='x']","position":1}`), nil, &questdb.Refused{Message: "Invalid date [str='x']", Position: 1}},
		"403":          {answer(403, `{"query":"q","error":"Write permission denied","position":0}`), nil, &questdb.Refused{Message: "Write permission denied"}},

		"cut before the rows": {answer(200, head[:30]), nil, questdb.ErrBroken},
		"cut at the rows":     {answer(200, head), nil, questdb.ErrBroken},
		"cut in a row":        {answer(200, head+`[1,"a"],[2,`), [][2]string{{"a number", "a"}}, questdb.ErrBroken},
		"cut after a row":     {answer(200, head+`[1,"a"]`), [][2]string{{"a number", "a"}}, questdb.ErrBroken},
		"cut after the rows":  {answer(200, head+`[1,"a"]]`), [][2]string{{"a number", "a"}}, questdb.ErrBroken},
		"cut at the end":      {answer(200, head+`[1,"a"]],"count":1`), [][2]string{{"a number", "a"}}, questdb.ErrBroken},
		"cut connection":      {cut(head + `[1,"a"],`), [][2]string{{"a number", "a"}}, questdb.ErrBroken},
		"two answers":         {answer(200, head+`[1,"a"]],"count":1}{}`), [][2]string{{"a number", "a"}}, questdb.ErrBroken},
		"short row":           {answer(200, head+`[1]],"count":1}`), nil, questdb.ErrBroken},
		"long row":            {answer(200, head+`[1,"a",2]],"count":1}`), nil, questdb.ErrBroken},
		"empty row":           {answer(200, head+`[]],"count":1}`), nil, questdb.ErrBroken},
		"no array":            {answer(200, head+`{"x":1}],"count":1}`), nil, questdb.ErrBroken},
		"NaN":                 {answer(200, head+`[NaN,"a"]],"count":1}`), nil, questdb.ErrBroken},
		"huge row":            {answer(200, head+`[1,"`+strings.Repeat("x", 9<<20)+`"]],"count":1}`), nil, questdb.ErrBroken},
		"huge head":           {answer(200, `{"query":"`+strings.Repeat("x", 9<<20)), nil, questdb.ErrBroken},
		"not JSON":            {answer(200, "<html>"), nil, questdb.ErrBroken},
		"nothing":             {answer(200, ""), nil, questdb.ErrBroken},
		"401":                 {answer(401, "Unauthorized"), nil, questdb.ErrUnavailable},
		"404":                 {answer(404, "geheim"), nil, questdb.ErrBroken},
		"405":                 {answer(405, "Method"), nil, questdb.ErrBroken},
		"503":                 {answer(503, "geheim"), nil, questdb.ErrUnavailable},
		"400 without error":   {answer(400, `{"query":"q"}`), nil, questdb.ErrBroken},
		"silent midway": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(head + `[1,"a"],`))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, [][2]string{{"a number", "a"}}, questdb.ErrTimeout},
		"silent after a row": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(head + `[1,"a"]`))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, [][2]string{{"a number", "a"}}, questdb.ErrTimeout},
		"silent": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, nil, questdb.ErrTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(t, test.handler)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			want, refused := new(questdb.Refused), new(questdb.Refused)
			if errors.As(test.err, &want) {
				if !errors.As(err, &refused) || *refused != *want {
					t.Errorf("got error %#v, want %#v", err, want)
				}
			} else if !errors.Is(err, test.err) || err != nil && strings.Contains(err.Error(), "geheim") {
				t.Errorf("got error %v, want %v", err, test.err)
			}
		})
	}
}

func TestExecRequests(t *testing.T) {
	t.Parallel()
	asked := make(chan *http.Request, 10)
	url := fake(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		answer(http.StatusOK, head+`],"count":0}`)(w, r)
	})
	c := client(t, questdb.Config{HTTPURL: url, User: "admin", Password: "geheim", Read: questdb.HTTP})
	sql := "select 'ü +&%;' from t"
	rows, err := c.Query(t.Context(), sql)
	cells(t, rows, err)
	r := <-asked
	user, password, _ := r.BasicAuth()
	if got := r.URL.Query(); r.Method != http.MethodGet || len(got) != 1 || got.Get("query") != sql || user != "admin" || password != "geheim" {
		t.Errorf("it asks %s %s as %s", r.Method, r.URL, user)
	}
	for _, header := range []string{"Statement-Timeout", "Accept-Encoding"} {
		if got := r.Header.Get(header); got != "" {
			t.Errorf("it sends %s: %s", header, got)
		}
	}
	if _, err := c.Query(t.Context(), "select '"+strings.Repeat("x", 31000)+"'"); !errors.As(err, new(*questdb.Refused)) || len(asked) > 0 {
		t.Errorf("a statement that is too long: %v, and %d requests", err, len(asked))
	}
}

// A failure before the first row is tried once more, and no later one.
func TestRetryBeforeTheFirstRow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		failures, requests int
		answer             http.HandlerFunc
		err                error
	}{
		"once":      {1, 2, answer(200, head+`[1,"a"]],"count":1}`), nil},
		"for good":  {9, 2, nil, questdb.ErrUnavailable},
		"midway":    {0, 1, cut(head + `[1,"a"],`), questdb.ErrBroken},
		"refused":   {0, 1, answer(400, `{"error":"x"}`), &questdb.Refused{}},
		"cancelled": {9, 1, nil, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var requests atomic.Int64
			c := client(t, questdb.Config{Read: questdb.HTTP, HTTPURL: fake(t, func(w http.ResponseWriter, r *http.Request) {
				n := int(requests.Add(1))
				if name == "cancelled" {
					cancel()
				}
				if n <= test.failures {
					answer(503, "")(w, r)
					return
				}
				test.answer(w, r)
			})})
			rows, err := c.Query(ctx, "q")
			if err == nil {
				for rows.Next() {
					continue
				}
				err = rows.Err()
				rows.Close()
			}
			if _, isRefused := test.err.(*questdb.Refused); isRefused { //nolint:errorlint // it is one itself
				if !errors.As(err, new(*questdb.Refused)) {
					t.Errorf("got error %v, want a refusal", err)
				}
			} else if !errors.Is(err, test.err) {
				t.Errorf("got error %v, want %v", err, test.err)
			}
			if requests.Load() != int64(test.requests) {
				t.Errorf("%d requests, want %d", requests.Load(), test.requests)
			}
		})
	}
}

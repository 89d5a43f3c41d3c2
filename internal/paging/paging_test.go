package paging

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"foldbook/db"
)

func TestRequest(t *testing.T) {
	t.Parallel()
	limits := Limits{Usual: 50, Most: 1000}
	cursor := Cursor{At: time.UnixMicro(1)}.Encode("scope")
	for _, tt := range []struct {
		params Params
		limit  int32
		wrong  string
	}{
		{Params{}, 50, ""},
		{Params{Limit: new(int64(0))}, 0, ""},
		{Params{Limit: new(int64(7)), Offset: new(int64(3)), Count: new("none")}, 7, ""},
		{Params{Limit: new(int64(1) << 40)}, 1000, ""},
		{Params{Cursor: &cursor}, 50, ""},
		{Params{Limit: new(int64(-1))}, 0, "parameter limit is below 0"},
		{Params{Offset: new(int64(-1))}, 0, "parameter offset is below 0"},
		{Params{Count: new("all")}, 0, "parameter count is not exact, estimated or none"},
		{Params{Cursor: &cursor, Offset: new(int64(1))}, 0, "parameter cursor cannot be combined with offset"},
		{Params{Cursor: new("x")}, 0, "parameter cursor is not a cursor of this service"},
	} {
		got, err := limits.Request(tt.params, "scope", nil)
		if tt.wrong != "" {
			wantInvalid(t, err, tt.wrong)
		} else if err != nil || got.Limit != tt.limit || (got.After != nil) != (tt.params.Cursor != nil) {
			t.Errorf("%+v: got %+v %v", tt.params, got, err)
		}
	}
	if _, err := limits.Page("fold_", new(int64(-1)), nil); err == nil || err.Error() != "parameter fold_limit is below 0" {
		t.Errorf("got %v", err)
	}
}

func TestScope(t *testing.T) {
	t.Parallel()
	of := func(query string) string {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		return Scope("/api/runs", values)
	}
	if a, b := of("metric=b&status=X&metric=a&limit=1"), of("status=X&metric=a&metric=b&cursor=1&count=none&offset=2"); a != b {
		t.Errorf("%q and %q are one list", a, b)
	}
	if a, b := of("status=X"), of("status=Y"); a == b {
		t.Errorf("%q is two lists", a)
	}
}

type row int

// row is a record without members that could be chosen.
func (r *row) AppendJSON(b []byte) []byte                { return strconv.AppendInt(b, int64(*r), 10) }
func (r *row) AppendFields(b []byte, _ db.Fields) []byte { return r.AppendJSON(b) }
func (r *row) Columns() []db.Column                      { return nil }
func (r *row) Cell(int) db.Cell                          { return db.Cell{} }

// The members that are named are sent; an unknown one is refused with the one that is nearest.
func TestShown(t *testing.T) {
	t.Parallel()
	columns := []db.Column{{Name: "run_id"}, {Name: "status"}, {Name: "metrics"}}
	for _, tt := range []struct {
		named string
		want  db.Fields
		wrong string
	}{
		{"run_id", 1, ""}, {"metrics,run_id,metrics", 5, ""},
		{"stauts", 0, `parameter fields names "stauts", which these records do not have: did you mean status?`},
		{"run_id,x", 0, `parameter fields names "x", which these records do not have: they have run_id, status, metrics`},
		{"", 0, `parameter fields names "", which these records do not have: they have run_id, status, metrics`},
	} {
		shown, err := ShownOf(new(strings.Split(tt.named, ",")), columns)
		if tt.wrong != "" {
			wantInvalid(t, err, tt.wrong)
		} else if err != nil || !shown.Partial || shown.Fields() != tt.want {
			t.Errorf("%s: %+v %v", tt.named, shown, err)
		}
	}
	if all, err := ShownOf(nil, columns); err != nil || all.Partial || all.Fields() != db.AllFields || all.Without("status", columns).Fields() != db.AllFields&^2 {
		t.Errorf("%+v %v", all, err)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	at := func(r *row) Cursor { return Cursor{At: time.UnixMicro(int64(*r))} }
	next := at(new(row(2))).Encode("s")
	for _, tt := range []struct {
		rows    []row
		request Request
		counted int64
		want    string
	}{
		{[]row{1, 2, 3}, Request{Page: Page{Limit: 2}, Count: Exact}, 9, `{"rows":[1,2],"count":2,"total":9,"limit":2,"offset":0,"next":"` + next + `"}`},
		{[]row{1, 2, 3}, Request{Page: Page{Limit: 2}, Count: Estimated}, estimateUpTo, `{"rows":[1,2],"count":2,"total":10000,"total_is_estimate":true,"limit":2,"offset":0,"next":"` + next + `"}`},
		{[]row{1, 2, 3}, Request{Page: Page{Limit: 2}, Count: None}, -1, `{"rows":[1,2],"count":2,"total":null,"limit":2,"offset":0,"next":"` + next + `"}`},
		{[]row{1}, Request{Page: Page{Limit: 2, Offset: 4}, Count: Exact}, -1, `{"rows":[1],"count":1,"total":5,"limit":2,"offset":4,"next":null}`},
		{[]row{}, Request{Page: Page{Limit: 2, Offset: 4}, Count: Exact}, 3, `{"rows":[],"count":0,"total":3,"limit":2,"offset":4,"next":null}`},
		{[]row{1}, Request{Page: Page{Limit: 2}, Count: Exact, After: &Cursor{}}, 8, `{"rows":[1],"count":1,"total":8,"limit":2,"offset":0,"next":null}`},
		{[]row{1}, Request{Count: Exact}, 8, `{"rows":[],"count":0,"total":8,"limit":0,"offset":0,"next":null}`},
	} {
		tt.request.Scope = "s"
		list := NewList("rows", tt.rows, tt.request, at)
		err := list.SetTotal(t.Context(), func(context.Context, int64) (int64, error) {
			if tt.counted < 0 {
				t.Errorf("%+v is counted", tt.request)
			}
			return tt.counted, nil
		})
		if got := string(list.AppendJSON(nil)); err != nil || got != tt.want {
			t.Errorf("%+v: %v\n got %s\nwant %s", tt.request, err, got, tt.want)
		}
	}
	slow := NewList("rows", []row{1, 2, 3}, Request{Page: Page{Limit: 2}, Count: Exact, Scope: "s"}, at)
	err := slow.SetTotal(t.Context(), func(_ context.Context, most int64) (int64, error) {
		if most > estimateUpTo {
			return 0, &pgconn.PgError{Code: "57014"}
		}
		return most, nil
	})
	if got := string(slow.AppendJSON(nil)); err != nil || !strings.Contains(got, `"total":10000,"total_is_estimate":true`) {
		t.Errorf("a count that takes too long: %v %s", err, got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	err = slow.SetTotal(ctx, func(ctx context.Context, _ int64) (int64, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	})
	if got := string(slow.AppendJSON(nil)); err != nil || ctx.Err() != nil || !strings.Contains(got, `"total":3,"total_is_estimate":true`) {
		t.Errorf("counts that take too long: %v %s", err, got)
	}
	list := NewList("rows", []row{1, 2, 3}, Request{Page: Page{Limit: 2}, Scope: "s"}, at)
	u := &url.URL{Path: "/api/runs", RawQuery: "offset=1&status=X"}
	if got, want := list.Link(u), "<?cursor="+next+`&status=X>; rel="next"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestETag(t *testing.T) {
	t.Parallel()
	at := time.UnixMicro(1)
	tag := ETag(3, at)
	if !strings.HasPrefix(tag, `"3-1-`) || ETag(3, at, "a") == ETag(3, at, "b") || ETag(3, at, "a") == tag {
		t.Errorf("got %s", tag)
	}
	for list, want := range map[string]bool{tag: true, "W/" + tag: true, tag[:len(tag)-1] + `-gzip"`: true, `"x", ` + tag[:len(tag)-1] + `-zstd"`: true, "*": true, tag[:len(tag)-1] + `-br"`: false, `"3-1"`: false, `"4-1"`: false, "": false} {
		if got := MatchesETag(list, tag); got != want {
			t.Errorf("%s: %t", list, got)
		}
		if (CheckMatch(&list, "run", tag) == nil) != want || CheckAbsent(&list, "run") == nil {
			t.Errorf("If-Match: %s", list)
		}
	}
	if CheckMatch(nil, "run", tag) != nil || CheckAbsent(nil, "run") != nil {
		t.Error("a write without If-Match is refused")
	}
}

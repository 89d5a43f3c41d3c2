package questdb_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foldbook/internal/devstack"
	"foldbook/internal/testdb"
	"foldbook/questdb"
)

func TestQuery(t *testing.T) {
	t.Parallel()
	server := testdb.QuestDB(t)
	for who, cfg := range map[string]questdb.Config{
		"reader":             {ReadOnlyUser: devstack.QuestDBReader, ReadOnlyPassword: devstack.QuestDBReaderPassword},
		"reader beside http": {Read: questdb.HTTP, ReadOnlyUser: devstack.QuestDBReader, ReadOnlyPassword: devstack.QuestDBReaderPassword},
		"pg":                 {Read: questdb.PG},
		"http":               {Read: questdb.HTTP},
	} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			cfg.HTTPURL, cfg.PGURL = server.HTTPURL(), server.PGURL()
			c := client(t, cfg)
			for sql, want := range map[string][][]any{
				"select 1::long a, null::double b, 'x' c;":         {{int64(1), nil, "x"}},
				"  -- why\nselect x from long_sequence(3) limit 2": {{int64(1)}, {int64(2)}},
				"with a as (select 5 z) select z, z from a":        {{int64(5), int64(5)}},
				"select x from long_sequence(0)":                   {},
				"show time zone":                                   {{"UTC"}},
				"select 'é€😀' a, x'":                               nil,
			} {
				rows, err := c.Query(t.Context(), sql)
				if want == nil {
					if !errors.As(err, new(*questdb.Refused)) {
						t.Errorf("%s: %v", sql, err)
					}
					continue
				}
				if diff := cmp.Diff(want, cells(t, rows, err)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", sql, diff)
				}
			}
			for sql, want := range map[string]questdb.Refused{
				"select * from no_such_table":                {Message: "table does not exist [table=no_such_table]", Position: 14},
				"select 'é€😀' a, nope from long_sequence(1)": {Message: "Invalid column: nope", Position: 16},
				"select 1 from long_sequence(1) where x > '": {},
				"select":             {},
				"":                   {Message: "empty query"},
				" \n":                {Message: "empty query"},
				"select 1; select 2": {},
				"a\x00b":             {Message: "the statement is not text"},
				"\xff":               {Message: "the statement is not text"},
			} {
				rows, err := c.Query(t.Context(), sql)
				if err == nil {
					rows.Close()
				}
				refused := new(questdb.Refused)
				if !errors.As(err, &refused) || want.Message != "" && (!strings.HasSuffix(refused.Message, want.Message) || refused.Position != want.Position) {
					t.Errorf("%q: %#v, want %#v", sql, err, want)
				}
			}
			if !strings.HasPrefix(who, "reader") {
				return
			}
			table := name(t)
			run(t, "create table "+table+" (a int)")
			for _, sql := range []string{"create table " + table + "_x (a int)", "drop table " + table, "truncate table " + table, "insert into " + table + " values (1)", "alter table " + table + " add column b int"} {
				rows, err := c.Query(t.Context(), sql)
				if err == nil {
					rows.Close()
				}
				if !errors.As(err, new(*questdb.Refused)) {
					t.Errorf("%s, as somebody who may only read: %v", sql, err)
				}
			}
			if got, err := c.Table(t.Context(), table); err != nil || len(got.Columns) != 1 {
				t.Errorf("the reader has changed a table to %v, %v", got, err)
			}
		})
	}
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	server := testdb.QuestDB(t)
	c := client(t, questdb.Config{HTTPURL: server.HTTPURL(), PGURL: strings.Replace(server.PGURL(), "quest@", "geheim@", 1), ReadOnlyUser: "nobody", ReadOnlyPassword: "geheim"})
	_, err := c.Table(t.Context(), "x")
	_, err2 := c.Query(t.Context(), "select 1")
	for _, err := range []error{err, err2, c.Ping(t.Context())} {
		if !errors.Is(err, questdb.ErrUnavailable) || strings.Contains(err.Error(), "geheim") || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("got error %v", err)
		}
	}
}

package sqlread

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestReadingStatements(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"SELECT 1":                                                                         "SELECT 1",
		"select * from \"a;b\" ; ":                                                         "select * from \"a;b\"",
		" \n select ';' , '''' ;":                                                          " \n select ';' , ''''",
		"-- first\nselect 1 -- last ; drop":                                                "        \nselect 1",
		"/* a /* b */ ; */ select 1":                                                       "                  select 1",
		"select '/*' , 1 /* it's */":                                                       "select '/*' , 1",
		"with x as (select 1) select * from x":                                             "with x as (select 1) select * from x",
		"WITH x AS (SELECT (1)), y AS (SELECT 2) SELECT * FROM x, y;":                      "WITH x AS (SELECT (1)), y AS (SELECT 2) SELECT * FROM x, y",
		"with \"select\" as (select ')') select 1":                                         "with \"select\" as (select ')') select 1",
		"select long_sequence, 'long_sequence' from x":                                     "select long_sequence, 'long_sequence' from x",
		"select files, count(files) from files where files = 'glob'":                       "select files, count(files) from files where files = 'glob'",
		"select users, parameters, user from users where a in (1, 2, 3, 4, 5, 6, 7, 8, 9)": "select users, parameters, user from users where a in (1, 2, 3, 4, 5, 6, 7, 8, 9)",
		"select a, b, c, d, e, f, g, h from (select * from (select * from (select * from x))) order by a, b, c": "select a, b, c, d, e, f, g, h from (select * from (select * from (select * from x))) order by a, b, c",
		"SHOW TABLES":                           "SHOW TABLES",
		"explain select 1":                      "explain select 1",
		"explain with x as (select 1) select 1": "explain with x as (select 1) select 1",
		"select 'ä' /* ä */ , 2":                "select 'ä'         , 2",
	} {
		if got, err := Check(text); err != nil || got != want {
			t.Errorf("%q becomes %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestOtherStatements(t *testing.T) {
	t.Parallel()
	for want, texts := range map[error][]string{
		errNothing: {"", " \t\r\n", ";", "-- select 1", "/* select 1 */", "/* */ ;"},
		errTwo:     {"select 1; drop table x", "select 1;;", "select 1; select 2;", ";select 1"},
		errNotReading: {
			"drop table x", "insert into x select 1", "update x set a = 1", "create table x as (select 1)", "alter table x drop column a", "truncate table x",
			"tables()", "x", "(select 1)", "copy x to 'y'", "cancel query 1", "checkpoint create", "vacuum table x", "backup table x", "set a = 1", "begin", "selecta 1",
			"explain", "explain insert into x select 1", "explain explain select 1", "explain show tables", "declare @x := 1 select @x",
			"with", "with x as (select 1)", "with x as (select 1) insert into y select 1", "with x as (select 1) update y set a = 1", "with x as (select 1), select 1",
			"with select 1", "with x as select 1", "with x as (select 1) x", "'select' 1", "\"select\" 1", "/**/drop/**/table x", "--\ndrop table x", "sélect 1", "explain\x03select 1", "explain\vselect 1", "\x00select 1",
			"with x as (select 1) -- select\n drop table x",
		},
		errLong:      {"select '" + strings.Repeat("x", maxLength) + "'"},
		errViews:     {"select * from query_activity()", "select * from \"Query_Activity\"()", "show parameters", "show users", "select * from pg_catalog.pg_shadow", "with x as (select * from pg_user) select * from x", "select * from _query_trace", "show user admin", "explain select * from pg_roles"},
		errRecursive: {"with recursive x as (select 1 union select * from x) select * from x"},
		errNested: {
			strings.Repeat("select * from (", 14) + "select 1" + strings.Repeat(")", 14), strings.Repeat("select * from (", 5) + "select 1" + strings.Repeat(")", 5),
			"select " + strings.Repeat("(", 30) + "1" + strings.Repeat(")", 30),
		},
		errJoins: {
			"select 1 from a" + strings.Repeat(" cross join a", 7), "select 1 from a" + strings.Repeat(", a", 7), "select 1" + strings.Repeat(" union all select 1", 16),
			"select 1 from (select 1 from a, a, a, a) cross join (select 1 from a, a, a, a)",
		},
		errEndless:      {"select 1 from long_sequence(9)", "select 1 from Long_Sequence /* */ (9)", "with x as (select 1 from \"long_sequence\"(9)) select 1", "select 1 from 'generate_series' (1, 2)"},
		errServer:       {"select * from files('/')", "select * from \"Glob\" /* */ ('/etc/*')", "with x as (select * from read_parquet('x')) select * from x", "explain select reload_config()"},
		errOpenText:     {"select '", "select \"", "select 'a''", "select ''' -- '' "},
		errOpenComment:  {"select 1 /*", "select 1 /* /* */", "/*/ select 1"},
		errOpenBrackets: {"select (1", "select 1)", "with x as (select 1)) select 1 (", "select ')' , ("},
	} {
		for _, text := range texts {
			if got, err := Check(text); !errors.Is(err, want) {
				t.Errorf("%q: %q, %v, want %v", text, got, err, want)
			}
		}
	}
}

// FuzzCheck holds what is let through to a much simpler reading: without what is quoted there is no comment and no
// semicolon in it, and it begins as it may.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		"select 1", "select ';' -- x\n;", "/* /* */ */ with x as (select 1) select \"a\" from x;", "explain select '''", "SHOW TABLES; drop", "with x as (select ')') insert", "é", "explain\x03select 1",
	} {
		f.Add(seed)
	}
	quoted := regexp.MustCompile(`'[^']*'|"[^"]*"`)
	begins := regexp.MustCompile(`(?is)^\s*(select\b|show\b|(explain\s+)?(select|with)\b)`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Check(text)
		if err != nil {
			return
		}
		bare := quoted.ReplaceAllString(got, "Q")
		if strings.Contains(bare, ";") || strings.Contains(bare, "--") || strings.Contains(bare, "/*") || strings.ContainsAny(bare, `'"`) {
			t.Errorf("%q becomes %q", text, got)
		}
		if start := strings.TrimLeftFunc(got, func(r rune) bool { return r <= ' ' }); !begins.MatchString(start) {
			t.Errorf("%q begins otherwise", got)
		}
		if strings.Count(bare, "(") != strings.Count(bare, ")") {
			t.Errorf("%q has open brackets", got)
		}
		if again, err := Check(got); err != nil || again != got {
			t.Errorf("%q becomes %q, %v", got, again, err)
		}
		// Positions are the same: each character is kept where it is, or is a blank.
		before, after := []rune(text), []rune(got)
		if len(after) > len(before) || slices.ContainsFunc(after, func(r rune) bool { return r == 0xFFFD }) && !strings.ContainsRune(text, 0xFFFD) && strings.ToValidUTF8(text, "") == text {
			t.Errorf("%q becomes %q", text, got)
		}
		for i, r := range after {
			if r != ' ' && r != before[i] {
				t.Fatalf("%q becomes %q", text, got)
			}
		}
	})
}

package questdb

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"foldbook/internal/testdb"
)

func bothPaths(tb testing.TB) []*Client {
	tb.Helper()
	server := testdb.QuestDB(tb)
	var clients []*Client
	for _, path := range []Path{PG, HTTP} {
		c, err := New(Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL(), Read: path})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(c.Close)
		clients = append(clients, c)
	}
	return clients
}

// one reads the first row of a statement and the number of rows.
func one(t *testing.T, c *Client, s *statement, f func(*Rows)) {
	t.Helper()
	n := 0
	rows, err := c.query(t.Context(), s)
	err = each(rows, err, func(r *Rows) {
		n++
		f(r)
	})
	if err != nil || n != 1 {
		t.Errorf("%s: %d rows, %v", c.cfg.Read, n, err)
	}
}

// FuzzText sends a text to the real server as a bound value and as a literal, beside another value: both come back as they
// were, so nothing of the text was taken for SQL.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "'", "''", `\`, `\'`, "' or 1=1 --", `"`, "$1", "$$", "/*", "--\n", ";", "\n\r\t", "%00 %27", "\x00", "\xff", "é€😀", "\u2028", "\ufeff", "'||'", "null", "\x7f\x01"} {
		f.Add(seed)
	}
	clients := bothPaths(f)
	f.Fuzz(func(t *testing.T, v string) {
		if len(v) > 5000 {
			return
		}
		literal := textLiteral(v)
		if inner := literal[1 : len(literal)-1]; strings.Contains(strings.ReplaceAll(inner, "''", ""), "'") || strings.ReplaceAll(inner, "''", "'") != v {
			t.Fatalf("%q becomes %s", v, literal)
		}
		want := strings.ReplaceAll(strings.ToValidUTF8(v, "\uFFFD"), "\x00", "\uFFFD")
		for _, c := range clients {
			s := new(statement).add("select cast(").value(v).add(" as string) a, cast(").value(int64(7)).add(" as long) b from long_sequence(1)")
			one(t, c, s, func(r *Rows) {
				got, _ := r.Text(0)
				seven, _ := r.Int(1)
				if string(got) != want || seven != 7 {
					t.Errorf("%s: %q comes back as %q, and 7 as %d", c.cfg.Read, v, got, seven)
				}
			})
		}
	})
}

func FuzzNumbers(f *testing.F) {
	for _, v := range []float64{0, math.Copysign(0, -1), 1, 0.1, -1.7976931348623157e308, 5e-324, 2.2250738585072014e-308, 1e21, 123456789012345.67, 9007199254740993, 0.30000000000000004} {
		f.Add(v, int64(v))
	}
	f.Add(math.NaN(), int64(math.MinInt64))
	f.Add(math.Inf(-1), int64(math.MaxInt64))
	f.Add(1e-7, int64(math.MinInt64+1))
	clients := bothPaths(f)
	f.Fuzz(func(t *testing.T, d float64, n int64) {
		for _, c := range clients {
			one(t, c, new(statement).add("select cast(").value(d).add(" as double) a"), func(r *Rows) {
				got, ok := r.Float(0)
				if finite := d-d == 0; ok != finite || finite && got != d {
					t.Errorf("%s: %v comes back as %v (%t)", c.cfg.Read, d, got, ok)
				}
			})
			// These two are not cast, because the wire takes a parameter of a cast for a double.
			equals := func(v int64, columnType constant, value func(*statement) *statement) {
				s := new(statement).add("select count() from (select (").add(constant(strconv.FormatInt(v, 10))).add(")::").add(columnType).
					add(" v from long_sequence(1)) where v = ")
				one(t, c, value(s), func(r *Rows) {
					if found, _ := r.Int(0); found != 1 {
						t.Errorf("%s: the %s %d is not equal to itself", c.cfg.Read, columnType, v)
					}
				})
			}
			if n != math.MinInt64 {
				equals(n, "long", func(s *statement) *statement { return s.value(n) })
			}
			equals(min(max(n, minMicros), maxMicros), "timestamp", func(s *statement) *statement { return s.micros(n) })
		}
	})
}

// FuzzName quotes a name or refuses it; what is quoted is one identifier for the server.
func FuzzName(f *testing.F) {
	for _, seed := range []string{"", "a", "Ab c", `a"b`, `""`, "é", "a'b", "a\x00", "\xff", "a\nb", strings.Repeat("x", 128), `x" from tables() --`, "select", "$1", "\ufeff", "a;b", "a.b"} {
		f.Add(seed)
	}
	clients := bothPaths(f)
	f.Fuzz(func(t *testing.T, name string) {
		quoted, err := quote(name)
		if err != nil {
			if !errors.Is(err, ErrInvalidName) || quoted != "" {
				t.Errorf("%q: %v", name, err)
			}
			return
		}
		if strings.Count(quoted, `"`) != 2 || !utf8.ValidString(quoted) {
			t.Fatalf("%q becomes %s", name, quoted)
		}
		if !ValidColumn(name) {
			return
		}
		for _, c := range clients {
			one(t, c, new(statement).add("select x ").name(name).add(" from long_sequence(1)"), func(r *Rows) {
				if v, ok := r.Int(0); len(r.Fields) != 1 || r.Fields[0].Name != name || v != 1 || !ok {
					t.Errorf("%s: the column %q comes back as %v", c.cfg.Read, name, r.Fields)
				}
			})
		}
	})
}

package questdb_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	ilp "github.com/questdb/go-questdb-client/v4"

	"foldbook/internal/testdb"
	"foldbook/questdb"
)

// millionSQL is 1,000,000 rows of a time, a symbol, seven doubles and a whole number.
const millionSQL = `create table if not exists million as (
	select timestamp_sequence('2020-01-01', 60000000L) ts, rnd_symbol('btc','eth','sol') s,
		rnd_double() c0, rnd_double() c1, rnd_double() c2, rnd_double() c3, rnd_double() c4, rnd_double() c5, rnd_double() c6, rnd_long() l
	from long_sequence(1000000)) timestamp(ts) partition by month wal`

var millionColumns = []string{"ts", "s", "c0", "c1", "c2", "c3", "c4", "c5", "c6", "l"}

func million(b *testing.B) (url, pgURL string) {
	b.Helper()
	server := testdb.QuestDB(b)
	get(b, server.HTTPURL(), millionSQL)
	get(b, server.HTTPURL(), "select wait_wal_table('million')")
	return server.HTTPURL(), server.PGURL()
}

func get(b *testing.B, base, sql string) int64 {
	b.Helper()
	res, err := http.Get(base + "/exec?query=" + url.QueryEscape(sql))
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		b.Fatalf("%s: status %d, %v", sql, res.StatusCode, err)
	}
	return n
}

// BenchmarkMillion reads and decodes 10 million cells: with nothing but pgx, with this package over either path, and, without
// decoding anything, the bytes of /exec.
func BenchmarkMillion(b *testing.B) {
	base, pgURL := million(b)
	const sql = "select ts, s, c0, c1, c2, c3, c4, c5, c6, l from million order by ts"
	b.Run("bare", func(b *testing.B) {
		conn, err := pgx.Connect(b.Context(), pgURL)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close(context.Background())
		b.ReportAllocs()
		for b.Loop() {
			rows, err := conn.Query(b.Context(), sql, pgx.QueryExecModeCacheDescribe, pgx.QueryResultFormats{1})
			if err != nil {
				b.Fatal(err)
			}
			n, sum, whole, size := 0, 0.0, int64(0), 0
			for rows.Next() {
				v := rows.RawValues()
				whole += int64(binary.BigEndian.Uint64(v[0]))
				size += len(v[1])
				for _, cell := range v[2:9] {
					sum += math.Float64frombits(binary.BigEndian.Uint64(cell))
				}
				whole += int64(binary.BigEndian.Uint64(v[9]))
				n++
			}
			if rows.Err() != nil || n != 1e6 || sum == 0 {
				b.Fatal(n, rows.Err())
			}
		}
	})
	for _, path := range []questdb.Path{questdb.PG, questdb.HTTP} {
		b.Run(string(path), func(b *testing.B) {
			c, err := questdb.New(questdb.Config{HTTPURL: base, PGURL: pgURL, Read: path})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			table, err := c.Table(b.Context(), "million")
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				rows, err := c.Scan(b.Context(), questdb.Scan{Selection: questdb.Selection{Table: table}, Columns: millionColumns, Limit: -1})
				if err != nil {
					b.Fatal(err)
				}
				if n := decode(rows); rows.Err() != nil || n != 1e6 {
					b.Fatal(n, rows.Err())
				}
			}
		})
	}
	b.Run("exec bytes", func(b *testing.B) {
		for b.Loop() {
			get(b, base, sql)
		}
	})
}

func decode(rows *questdb.Rows) (n int) {
	sum, whole, size := 0.0, int64(0), 0
	for rows.Next() {
		v, _ := rows.Int(0)
		whole += v
		text, _ := rows.Text(1)
		size += len(text)
		for i := 2; i < 9; i++ {
			v, _ := rows.Float(i)
			sum += v
		}
		v, _ = rows.Int(9)
		whole += v
		n++
	}
	return n
}

// BenchmarkHundred reads 100 of a million rows by time.
func BenchmarkHundred(b *testing.B) {
	base, pgURL := million(b)
	for _, path := range []questdb.Path{questdb.PG, questdb.HTTP} {
		b.Run(string(path), func(b *testing.B) {
			c, err := questdb.New(questdb.Config{HTTPURL: base, PGURL: pgURL, Read: path})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			table, err := c.Table(b.Context(), "million")
			if err != nil {
				b.Fatal(err)
			}
			whole, err := c.Bounds(b.Context(), questdb.Selection{Table: table})
			if err != nil {
				b.Fatal(err)
			}
			scan := questdb.Scan{Selection: questdb.Selection{Table: table, From: whole.First.AddDate(1, 0, 0)}, Columns: millionColumns, Limit: 100}
			b.ReportAllocs()
			for b.Loop() {
				rows, err := c.Scan(b.Context(), scan)
				if err != nil {
					b.Fatal(err)
				}
				if n := decode(rows); rows.Err() != nil || n != 100 {
					b.Fatal(n, rows.Err())
				}
			}
		})
	}
}

// BenchmarkAppend writes 10,000 rows of 60 columns: with nothing but QuestDB's client, which does not wait until they can be
// read, and with this package, which does.
func BenchmarkAppend(b *testing.B) {
	server := testdb.QuestDB(b)
	c, err := questdb.New(questdb.Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL()})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	const rows = 10000
	names := make([]string, 60)
	for i := range names {
		names[i] = fmt.Sprintf("c%d", i)
	}
	table, err := c.Ensure(b.Context(), questdb.IndicatorsSpec("append_bench", 0, names...))
	if err != nil {
		b.Fatal(err)
	}
	began := hour(0)
	b.Run("bare", func(b *testing.B) {
		sender, err := ilp.LineSenderFromConf(b.Context(), "http::addr="+strings.TrimPrefix(server.HTTPURL(), "http://")+";protocol_version=2;auto_flush=off;")
		if err != nil {
			b.Fatal(err)
		}
		defer sender.Close(b.Context())
		for b.Loop() {
			for i := range rows {
				sender.Table(table.Name)
				for j, n := range names {
					sender.Float64Column(n, float64(i*j)/7)
				}
				if err := sender.At(b.Context(), time.UnixMicro(began+int64(i)*60e6)); err != nil {
					b.Fatal(err)
				}
			}
			if err := sender.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
			began += rows * 60e6
		}
	})
	b.Run("questdb", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Write(b.Context(), table, func(w *questdb.Writer) error {
				for i := range rows {
					for j, n := range names {
						w.Float(n, float64(i*j)/7)
					}
					w.Row(began + int64(i)*60e6)
				}
				return nil
			}); err != nil {
				b.Fatal(err)
			}
			began += rows * 60e6
		}
	})
}

package questdb

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/jackc/pgx/v5/pgproto3"
)

// pieces gives what it reads in pieces of random lengths.
type pieces struct {
	from io.Reader
	most int
}

func (p pieces) Read(b []byte) (int, error) {
	return p.from.Read(b[:min(len(b), 1+rand.IntN(p.most))])
}

// wireRows are cells of many lengths, some longer than the buffer, some NULL, some empty.
func wireRows() (rows [][][]byte, sent []byte) {
	sent, _ = (&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("a")}, {Name: []byte("b")}}}).Encode(nil)
	for i := range 300 {
		long := []byte(strings.Repeat(string(rune('a'+i%26)), []int{0, 3, 900, 3 * wireBuffer}[min(i%40, 3)]))
		row := [][]byte{long, nil}
		if i%2 == 0 {
			slices.Reverse(row)
		}
		rows = append(rows, row)
		sent, _ = (&pgproto3.DataRow{Values: row}).Encode(sent)
	}
	sent, _ = (&pgproto3.CommandComplete{CommandTag: []byte("SELECT 300")}).Encode(sent)
	sent, _ = (&pgproto3.ReadyForQuery{TxStatus: 'I'}).Encode(sent)
	return rows, sent
}

func TestWire(t *testing.T) {
	t.Parallel()
	rows, sent := wireRows()
	for name, from := range map[string]io.Reader{
		"whole":        bytes.NewReader(sent),
		"small pieces": pieces{bytes.NewReader(sent), 40},
		"large pieces": pieces{bytes.NewReader(sent), 2 * wireBuffer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &wire{from: from, buf: make([]byte, wireBuffer)}
			pgx := pgproto3.NewFrontend(w, io.Discard)
			receive := func() pgproto3.BackendMessage {
				m, err := pgx.Receive()
				if err != nil {
					t.Fatal(err)
				}
				return m
			}
			cells := make([][]byte, 2)
			if w.row(cells) {
				t.Fatal("a description is taken for a row")
			}
			if d, ok := receive().(*pgproto3.RowDescription); !ok || len(d.Fields) != 2 {
				t.Fatalf("%#v", d)
			}
			for i, want := range rows {
				have := cells
				if i%7 == 0 { // the ways may alternate
					have = receive().(*pgproto3.DataRow).Values
				} else if !w.row(cells) {
					t.Fatalf("row %d is not taken for one", i)
				}
				for j := range want {
					if !bytes.Equal(have[j], want[j]) || (have[j] == nil) != (want[j] == nil) {
						t.Fatalf("row %d, cell %d: %d bytes, not %d", i, j, len(have[j]), len(want[j]))
					}
				}
			}
			if w.row(cells) {
				t.Fatal("the end is taken for a row")
			}
			if _, ok := receive().(*pgproto3.CommandComplete); !ok {
				t.Fatal("the end of the command is missing")
			}
			if _, ok := receive().(*pgproto3.ReadyForQuery); !ok {
				t.Fatal("the end is missing")
			}
			if len(w.buf) > wireBuffer && w.at != w.end {
				t.Errorf("%d bytes are kept", len(w.buf))
			}
		})
	}
}

// What ends the connection in the middle of a row is told to pgx, which knows what to do about it.
func TestWireEnds(t *testing.T) {
	t.Parallel()
	row, _ := (&pgproto3.DataRow{Values: [][]byte{[]byte("abc"), nil}}).Encode(nil)
	lost := errors.New("the cable is out")
	for end := range row {
		w := &wire{from: io.MultiReader(bytes.NewReader(row[:end]), iotest.ErrReader(lost)), buf: make([]byte, wireBuffer)}
		if w.row(make([][]byte, 2)) {
			t.Fatalf("%d bytes are a row", end)
		}
		if _, err := pgproto3.NewFrontend(w, io.Discard).Receive(); !errors.Is(err, lost) {
			t.Errorf("after %d bytes: %v", end, err)
		}
	}
}

// A message that is no proper row is left to pgx, which refuses it.
func FuzzWire(f *testing.F) {
	_, sent := wireRows()
	f.Add(sent[:2000])
	f.Add([]byte("D\x00\x00\x00\x00\x00\x02"))
	f.Add([]byte("D\x00\x00\x00\x0a\x00\x02\xff\xff\xff\xff"))
	f.Add([]byte("D\x00\x00\x00\x0e\x00\x02\x7f\xff\xff\xff\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		w := &wire{from: bytes.NewReader(sent), buf: make([]byte, wireBuffer)}
		cells := make([][]byte, 2)
		taken := 0
		for w.row(cells) {
			taken += 5 + 2 + 4 + len(cells[0]) + 4 + len(cells[1])
			if taken > len(sent) {
				t.Fatal("more was taken than was sent")
			}
		}
		_, _ = pgproto3.NewFrontend(w, io.Discard).Receive()
	})
}

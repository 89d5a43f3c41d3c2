package rowstream

import (
	"encoding/binary"
	"math"

	"foldbook/questdb"
)

// parquetEncoder writes a Parquet file: a row group for so many rows, each column in one page of plain values without compression.
// It is for rows of PostgreSQL; QuestDB makes the files of its own. The Parquet packages of Arrow are left out: they bring in gRPC, Thrift
// and three more codecs, for what is two hundred lines here.
type parquetEncoder struct {
	heldColumns
	atOnce int
	size   int64 // of the file so far
	rows   int64
	groups compact // the row groups as the end of the file lists them
	count  int
}

func newParquetEncoder(fields []Field, atOnce int) *parquetEncoder {
	return &parquetEncoder{heldColumns: hold(fields), atOnce: atOnce}
}

const parquetMagic = "PAR1"

func (e *parquetEncoder) begin(b []byte) []byte {
	e.size = int64(len(parquetMagic))
	return append(b, parquetMagic...)
}

func (e *parquetEncoder) row(b []byte, rows Rows, _ int64) []byte {
	if e.held == e.atOnce {
		b = e.flush(b)
	}
	e.add(rows)
	return b
}

// The numbers of the Parquet format that are used here: its types, its encodings and what a column means.
const (
	parquetBoolean, parquetInt64, parquetDouble, parquetBytes = 0, 2, 5, 6

	parquetPlain, parquetRLE = 0, 3

	parquetUTF8, parquetMicros = 0, 10

	parquetOptional = 1
)

func parquetType(f Field) int64 {
	switch f.Kind {
	case questdb.Float:
		return parquetDouble
	case questdb.Text:
		return parquetBytes
	case questdb.Bool:
		return parquetBoolean
	}
	return parquetInt64
}

// flush appends the rows that are held as a row group.
func (e *parquetEncoder) flush(b []byte) []byte {
	start, n := len(b), int64(e.held)
	var columns compact
	for i := range e.columns {
		c, at := &e.columns[i], e.size+int64(len(b)-start)
		page := c.page(e.held)
		var head compact
		head.int(1, 0).int(2, int64(len(page))).int(3, int64(len(page)))
		head.begin(5).int(1, n).int(2, parquetPlain).int(3, parquetRLE).int(4, parquetRLE).end()
		b = append(append(b, head.done()...), page...)
		size := e.size + int64(len(b)-start) - at
		columns.element().long(2, at).begin(3)
		columns.int(1, parquetType(c.Field)).list(2, compactInt, 2).zigzag(parquetPlain).zigzag(parquetRLE)
		columns.list(3, compactBytes, 1).raw(c.Name)
		columns.int(4, 0).long(5, n).long(6, size).long(7, size).long(9, at).end().end()
	}
	size := int64(len(b) - start)
	e.groups.element().list(1, compactStruct, len(e.columns)).append(columns.b).long(2, size).long(3, n).end()
	e.size, e.rows, e.count = e.size+size, e.rows+n, e.count+1
	e.clear()
	return b
}

// page is a column: which of its cells are there, and those.
func (c *arrowColumn) page(n int) []byte {
	valid := c.valid(n)
	levels := append(binary.AppendUvarint(nil, uint64(len(valid))<<1|1), valid...)     // one run of bits
	b := append(binary.LittleEndian.AppendUint32(nil, uint32(len(levels))), levels...) //nolint:gosec // a bit for each row
	start, bits := int32(0), 0
	for row := range n {
		there := valid[row>>3]&(1<<(row&7)) != 0
		switch {
		case c.Kind == questdb.Text:
			if there {
				b = binary.LittleEndian.AppendUint32(b, uint32(c.ends[row]-start)) //nolint:gosec // ends grow
				b = append(b, c.text[start:c.ends[row]]...)
			}
			start = c.ends[row]
		case !there:
		case c.Kind == questdb.Float:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(c.floats[row]))
		case c.Kind == questdb.Bool:
			if bits&7 == 0 {
				b = append(b, 0)
			}
			b[len(b)-1] |= byte(c.ints[row]&1) << (bits & 7)
			bits++
		default:
			b = binary.LittleEndian.AppendUint64(b, uint64(c.ints[row])) //nolint:gosec // its bits
		}
	}
	return b
}

// end appends the last rows and what the file holds.
func (e *parquetEncoder) end(b []byte, _ int64, _ End) []byte {
	if e.held > 0 {
		b = e.flush(b)
	}
	var foot compact
	foot.int(1, 1).list(2, compactStruct, len(e.columns)+1)
	foot.element().text(4, "rows").int(5, int64(len(e.columns))).end()
	for _, c := range e.columns {
		foot.element().int(1, parquetType(c.Field)).int(3, parquetOptional).text(4, c.Name)
		switch {
		case c.Kind == questdb.Text:
			foot.int(6, parquetUTF8).begin(10).begin(1).end().end()
		case c.Kind == questdb.Time && !c.Millis:
			foot.int(6, parquetMicros).begin(10).begin(8).yes(1).begin(2).begin(2).end().end().end().end()
		}
		foot.end()
	}
	foot.long(3, e.rows).list(4, compactStruct, e.count).append(e.groups.b).text(6, "foldbook")
	b = append(b, foot.done()...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(foot.b))) //nolint:gosec // some kB
	return append(b, parquetMagic...)
}

// compact writes structs in the compact protocol of Thrift, in which Parquet describes itself.
type compact struct {
	b     []byte
	last  byte // number of the field before
	outer []byte
}

// The types of Thrift's compact protocol.
const (
	compactTrue, compactInt, compactLong, compactBytes, compactList, compactStruct = 1, 5, 6, 8, 9, 12
)

func (c *compact) field(number, kind byte) *compact {
	c.b = append(c.b, (number-c.last)<<4|kind)
	c.last = number
	return c
}

func (c *compact) zigzag(n int64) *compact { c.b = binary.AppendVarint(c.b, n); return c }

func (c *compact) raw(s string) *compact {
	c.b = append(binary.AppendUvarint(c.b, uint64(len(s))), s...)
	return c
}

func (c *compact) append(b []byte) *compact { c.b = append(c.b, b...); return c }

func (c *compact) int(number byte, n int64) *compact  { return c.field(number, compactInt).zigzag(n) }
func (c *compact) long(number byte, n int64) *compact { return c.field(number, compactLong).zigzag(n) }
func (c *compact) yes(number byte) *compact           { return c.field(number, compactTrue) }
func (c *compact) text(number byte, s string) *compact {
	return c.field(number, compactBytes).raw(s)
}

// list begins a list of n elements, which follow.
func (c *compact) list(number, kind byte, n int) *compact {
	c.field(number, compactList)
	if n < 15 {
		c.b = append(c.b, byte(n)<<4|kind) //nolint:gosec // it is below 15
		return c
	}
	c.b = binary.AppendUvarint(append(c.b, 0xf0|kind), uint64(n))
	return c
}

// begin begins a struct in a field, and element one in a list; end ends either.
func (c *compact) begin(number byte) *compact { return c.field(number, compactStruct).element() }

func (c *compact) element() *compact {
	c.outer, c.last = append(c.outer, c.last), 0
	return c
}

func (c *compact) end() *compact {
	c.b = append(c.b, 0)
	c.last = c.outer[len(c.outer)-1]
	c.outer = c.outer[:len(c.outer)-1]
	return c
}

// done ends the outermost struct.
func (c *compact) done() []byte { c.b = append(c.b, 0); return c.b }

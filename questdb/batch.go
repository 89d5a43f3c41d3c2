package questdb

// Batch is some rows of a result by column, for work that takes many rows at once. It may be filled again and again.
type Batch struct {
	N       int // rows
	Columns []Vector
}

// Vector is one column of a batch. Which slice holds its cells, and what they mean, its kind says.
type Vector struct {
	Kind   Kind
	Ints   []int64   // Int, Bool (0, 1), Time (microseconds)
	Floats []float64 // Float
	Text   []byte    // Text: the cells one behind the other
	Ends   []int     // Text: where each cell ends
	Nulls  int       // how many cells are NULL; they are 0 or empty
	Valid  []byte    // a bit for each row, the lowest first: 1 for a cell that is not NULL
}

// Reset empties the batch and gives it columns of those kinds; the memory stays.
func (b *Batch) Reset(kinds []Kind) {
	b.N = 0
	if cap(b.Columns) < len(kinds) {
		b.Columns = append(b.Columns[:cap(b.Columns)], make([]Vector, len(kinds)-cap(b.Columns))...)
	}
	b.Columns = b.Columns[:len(kinds)]
	for i, kind := range kinds {
		v := &b.Columns[i]
		*v = Vector{Kind: kind, Ints: v.Ints[:0], Floats: v.Floats[:0], Text: v.Text[:0], Ends: v.Ends[:0], Valid: v.Valid[:0]}
	}
}

// Null tells whether the cell of a row is NULL.
func (v *Vector) Null(row int) bool { return v.Nulls > 0 && v.Valid[row>>3]&(1<<(row&7)) == 0 }

// Cell is the cell of a row of a Text column.
func (v *Vector) Cell(row int) []byte {
	if row == 0 {
		return v.Text[:v.Ends[0]]
	}
	return v.Text[v.Ends[row-1]:v.Ends[row]]
}

// PutInt adds a cell to an Int, Bool or Time column.
func (v *Vector) PutInt(x int64, ok bool) {
	v.mark(len(v.Ints), ok)
	v.Ints = append(v.Ints, x)
}

// PutFloat adds a cell to a Float column.
func (v *Vector) PutFloat(x float64, ok bool) {
	v.mark(len(v.Floats), ok)
	v.Floats = append(v.Floats, x)
}

// PutText adds a cell to a Text column.
func (v *Vector) PutText(x []byte, ok bool) {
	v.mark(len(v.Ends), ok)
	v.Text = append(v.Text, x...)
	v.Ends = append(v.Ends, len(v.Text))
}

func (v *Vector) mark(row int, ok bool) {
	if row&7 == 0 {
		v.Valid = append(v.Valid, 0)
	}
	if ok {
		v.Valid[row>>3] |= 1 << (row & 7)
	} else {
		v.Nulls++
	}
}

// Copy adds a row of another batch with the same columns.
func (b *Batch) Copy(from *Batch, row int) {
	for i := range b.Columns {
		to, v := &b.Columns[i], &from.Columns[i]
		ok := !v.Null(row)
		switch v.Kind {
		case Float:
			to.PutFloat(v.Floats[row], ok)
		case Text:
			to.PutText(v.Cell(row), ok)
		default:
			to.PutInt(v.Ints[row], ok)
		}
	}
	b.N++
}

// Read adds rows to a batch until it has n, and says whether there may be more. The batch has the columns of the rows.
func (r *Rows) Read(b *Batch, n int) bool {
	for b.N < n {
		if !r.Next() {
			return false
		}
		r.Append(b)
	}
	return true
}

// Append adds the row that the last Next moved to.
func (r *Rows) Append(b *Batch) {
	for i := range b.Columns {
		v := &b.Columns[i]
		switch v.Kind {
		case Float:
			v.PutFloat(r.Float(i))
		case Text:
			v.PutText(r.Text(i))
		default:
			v.PutInt(r.Int(i))
		}
	}
	b.N++
}

// Kinds are the kinds of the columns.
func (r *Rows) Kinds() []Kind {
	kinds := make([]Kind, len(r.Fields))
	for i, f := range r.Fields {
		kinds[i] = f.Kind
	}
	return kinds
}

package httpbody

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

const (
	// keptRows is the most bytes of decoded rows that a list keeps. A decoded row can be many times as long as its JSON, so
	// further rows are only checked, and decoded a second time when they are stored.
	keptRows = 4 << 20
	// storedRows is how many of them are decoded at a time.
	storedRows = 2000
)

// List is the rows R of a list in a body, as objects B.
type List[B, R any] struct {
	kept []R     // the first, decoded
	rest []byte  // the others, as they are in the body: a comma, objects, a bracket
	n    int     // how many there are in all
	more Unknown // fields of them that the service does not know
	row  func(*Fields, *B) R
}

// Read reads an array of objects, one at a time. row turns an object into the row to store; check compares it with the rows
// before it.
func (l *List[B, R]) Read(dec *jsontext.Decoder, row func(*Fields, *B) R, check func(*Fields, int, *R)) error {
	if kind := dec.PeekKind(); kind != jsontext.KindBeginArray {
		if err := dec.SkipValue(); err != nil {
			return err
		}
		return Invalid(dec.StackPointer().LastToken(), "must be an array")
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	*l = List[B, R]{kept: []R{}, row: row}
	most := keptRows / int(reflect.TypeFor[R]().Size())
	start := dec.InputOffset()
	var b B
	for ; dec.PeekKind() != jsontext.KindEndArray; l.n++ {
		if l.n == most {
			l.rest = dec.UnreadBuffer()
		}
		r, err := l.next(dec, &b)
		if err != nil {
			return err
		}
		f := Fields{dec: dec}
		if check(&f, l.n, &r); f.err != nil {
			return f.err
		}
		if l.n >= most {
			continue
		}
		if l.n == cap(l.kept) && l.n > 0 {
			// Rows are as long as those so far, as a rule: then this is the only time that they move.
			each := (dec.InputOffset() - start) / int64(l.n+1)
			l.kept = slices.Grow(l.kept, min(len(dec.UnreadBuffer())/int(each)+1, most-l.n))
		}
		l.kept = append(l.kept, r)
	}
	_, err := dec.ReadToken()
	if l.rest != nil {
		l.rest = l.rest[:len(l.rest)-len(dec.UnreadBuffer())]
	}
	return err
}

func (l *List[B, R]) next(dec *jsontext.Decoder, b *B) (r R, err error) {
	if dec.PeekKind() == jsontext.KindNull {
		if err := dec.SkipValue(); err != nil {
			return r, err
		}
		return r, Invalid(elementPath(dec), "must be an object")
	}
	if err := json.UnmarshalDecode(dec, b); err != nil {
		return r, err
	}
	f := Fields{dec: dec, extra: &l.more}
	if r = l.row(&f, b); f.err != nil {
		return r, f.err
	}
	return r, nil
}

// Len is the number of rows.
func (l *List[B, R]) Len() int { return l.n }

// Kept is the rows that stay decoded: of a long list the first ones. Each hands them out with the caller's changes.
func (l *List[B, R]) Kept() []R { return l.kept }

// Warnings names the fields of the rows that the service does not know; path is that of a row, such as folds[].
func (l *List[B, R]) Warnings(path string) []string { return l.more.Warnings(path) }

// Each hands all rows out in pieces, as often as it is called; finish completes the row at an index.
func (l *List[B, R]) Each(finish func(int, *R), store func([]R) error) error {
	for i := range l.kept {
		finish(i, &l.kept[i])
	}
	if err := store(l.kept); err != nil || l.rest == nil {
		return err
	}
	if l.rest[0] != '[' { // the first time
		l.rest = l.rest[bytes.IndexByte(l.rest, ','):]
		l.rest[0] = '[' // which makes an array of its own of them: the body as such is not read any more
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(l.rest))
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	var b B
	rows := make([]R, 0, storedRows)
	for i := len(l.kept); i < l.n; i++ {
		r, err := l.next(dec, &b)
		if err != nil {
			return err
		}
		finish(i, &r)
		if rows = append(rows, r); len(rows) == storedRows || i == l.n-1 {
			if err := store(rows); err != nil {
				return err
			}
			rows = rows[:0]
		}
	}
	return nil
}

// Parents are the parent ids that the rows of a list name. The parent itself may come later in the body, so the ids are
// checked afterwards. Two different ids are enough to keep, because one of them is wrong.
type Parents []parent

type parent struct {
	id   uuid.UUID
	path string
}

// Note keeps the id that a row names as its parent.
func (p *Parents) Note(f *Fields, name string, id uuid.UUID) {
	if id == uuid.Nil || len(*p) == 2 || (len(*p) == 1 && (*p)[0].id == id) {
		return
	}
	*p = append(*p, parent{id, joinPath(elementPath(f.dec), name)})
}

// Check refuses rows of another parent; what says what is wrong with them.
func (p Parents) Check(id uuid.UUID, what string) error {
	for _, q := range p {
		if q.id != id {
			return Invalid(q.path, what)
		}
	}
	return nil
}

// Unique refuses a key that an earlier row of the list has; seen keeps the rows by their keys.
func Unique[K comparable](f *Fields, name string, seen map[K]int32, key K, i int) {
	first, twice := seen[key]
	if !twice {
		seen[key] = int32(i) //nolint:gosec // a body has at most 64 Mi rows
		return
	}
	list, _, _ := bytes.Cut([]byte(elementPath(f.dec)), []byte("["))
	f.Fail(name, fmt.Sprintf("%v is already %s[%d]", key, list, first))
}

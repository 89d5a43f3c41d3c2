package questdb

import (
	"crypto/tls"
	"encoding/binary"
	"io"

	"github.com/jackc/pgx/v5/pgproto3"
)

// wire stands between a connection and pgx and hands over one message at a time, so that what pgx has not asked for is
// still here. The rows of a result, from the second one on, are taken out of it directly, which costs a fraction of what
// pgx needs for each; all other messages, and rows that nobody takes, are for pgx.
type wire struct {
	from    io.Reader
	buf     []byte
	at, end int   // what is in buf and was not taken yet
	rest    int   // bytes from at on that belong to a message whose beginning was handed over
	err     error // that ended the reading of rows, for pgx to find
}

const (
	wireBuffer    = 64 << 10
	longestRow    = 1 << 30 // pgx refuses what is longer
	messageHeader = 5       // a letter, and a length that counts itself but not the letter
	dataRow       = 'D'
)

// newFrontend puts a wire between a connection and pgx.
func newFrontend(r io.Reader, w io.Writer) *pgproto3.Frontend {
	between := &wire{from: r, buf: make([]byte, wireBuffer)}
	if conn := stallConnOf(w); conn != nil {
		conn.wire = between
	}
	return pgproto3.NewFrontend(between, w)
}

// stallConnOf is the connection that was dialled, below encryption; nil for one that was not.
func stallConnOf(conn any) *stallConn {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	dialled, _ := conn.(*stallConn)
	return dialled
}

// Read hands over one message, or as much of it as there is and fits.
func (w *wire) Read(b []byte) (int, error) {
	if err := w.err; err != nil {
		w.err = nil
		return 0, err
	}
	for w.rest == 0 {
		if size, ok := w.message(); ok {
			w.rest = size
		} else if err := w.fill(); err != nil {
			return 0, err
		}
	}
	if w.at == w.end {
		if err := w.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(b, w.buf[w.at:min(w.end, w.at+w.rest)])
	w.at += n
	w.rest -= n
	return n, nil
}

// row takes the next message if it is a row. Its cells, nil for NULL, are put into cells and are good until the next call.
func (w *wire) row(cells [][]byte) bool {
	if w.rest != 0 || w.err != nil {
		return false
	}
	for {
		if size, ok := w.message(); ok {
			if w.buf[w.at] != dataRow || size > longestRow {
				return false
			}
			if w.end-w.at >= size {
				if !cut(w.buf[w.at+messageHeader:w.at+size], cells) {
					return false // pgx will say what is wrong with it
				}
				w.at += size
				return true
			}
		}
		if w.err = w.fill(); w.err != nil {
			return false
		}
	}
}

// cut finds the cells of a row in the body of its message.
func cut(body []byte, cells [][]byte) bool {
	if len(body) < 2 || int(binary.BigEndian.Uint16(body)) != len(cells) {
		return false
	}
	body = body[2:]
	for i := range cells {
		if len(body) < 4 {
			return false
		}
		size := int(int32(binary.BigEndian.Uint32(body))) //nolint:gosec // -1 is NULL
		body = body[4:]
		if size < 0 {
			cells[i] = nil
			continue
		}
		if len(body) < size {
			return false
		}
		cells[i], body = body[:size:size], body[size:]
	}
	return len(body) == 0
}

// message is the size of the message that comes next, once so much of it is here.
func (w *wire) message() (size int, ok bool) {
	if w.end-w.at < messageHeader {
		return 0, false
	}
	size = int(binary.BigEndian.Uint32(w.buf[w.at+1:])) + 1
	return max(size, messageHeader), true // pgx refuses a shorter one
}

// fill reads at least a byte more. The buffer grows when a message does not fit, and is made small again by a later read.
func (w *wire) fill() error {
	switch {
	case w.at == w.end:
		w.at, w.end = 0, 0
		if len(w.buf) > wireBuffer {
			w.buf = make([]byte, wireBuffer)
		}
	case w.end == len(w.buf) && w.at > 0:
		w.end = copy(w.buf, w.buf[w.at:w.end])
		w.at = 0
	case w.end == len(w.buf):
		w.buf = append(w.buf, make([]byte, len(w.buf))...)
	}
	n, err := w.from.Read(w.buf[w.end:])
	w.end += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

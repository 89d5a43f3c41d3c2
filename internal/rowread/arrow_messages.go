package rowread

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	flatbuffers "github.com/google/flatbuffers/go"
)

// messages reads the messages of an Arrow IPC stream. The library's own reader allocates what a message says of its lengths:
// a few bytes made it ask for 1.7 TB, which ends the process. Here memory follows what has arrived, and checkMessage looks
// at the lengths inside a message before the library does.
type messages struct {
	in   io.Reader
	most int64 // bytes of the body of a message
	last *ipc.Message
	read bool // a message, or the beginning of one
	end  bool // the stream has its end
}

// maxMetadata is the most bytes of what a message says of itself.
const maxMetadata = 8 << 20

var errDamaged = errors.New("damaged")

// Retain is part of ipc.MessageReader, like the two that follow.
func (m *messages) Retain() {}

// Release frees the last message.
func (m *messages) Release() {
	if m.last != nil {
		m.last.Release()
		m.last = nil
	}
}

// Message reads the next message; it is good until the one after it.
func (m *messages) Message() (msg *ipc.Message, err error) {
	defer func() {
		if p := recover(); p != nil { // an offset that leads out of the metadata
			msg, err = nil, fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	head := make([]byte, 8)
	if _, err := io.ReadFull(m.in, head); err != nil {
		return nil, err
	}
	if !m.read && string(head) == "ARROW1\x00\x00" { // a file: a stream with this before it and a table of contents behind it
		if _, err := io.ReadFull(m.in, head); err != nil {
			return nil, err
		}
	}
	m.read = true
	if [4]byte(head) != [4]byte{0xff, 0xff, 0xff, 0xff} {
		return nil, errDamaged
	}
	size := int64(binary.LittleEndian.Uint32(head[4:]))
	if size == 0 {
		m.end = true
		return nil, io.EOF
	}
	if size < 16 || size > maxMetadata {
		return nil, errDamaged
	}
	meta, err := arrived(m.in, size)
	if err != nil {
		return nil, err
	}
	length := checkMessage(meta)
	switch {
	case length < 0:
		return nil, errDamaged
	case length > m.most:
		return nil, ErrTooMany
	}
	body, err := arrived(m.in, length)
	if err != nil {
		return nil, err
	}
	m.Release()
	m.last = ipc.NewMessage(memory.NewBufferBytes(meta), memory.NewBufferBytes(body))
	return m.last, nil
}

// arrived reads so many bytes, with memory for twice as many as have come.
func arrived(in io.Reader, size int64) ([]byte, error) {
	b := make([]byte, 0, min(size, 64<<10))
	for {
		n, err := io.ReadFull(in, b[len(b):cap(b)])
		if b = b[:len(b)+n]; int64(len(b)) == size {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
		b = append(make([]byte, 0, min(size, 2*int64(cap(b)))), b...)
	}
}

// Fields of the tables in Arrow's Message.fbs and Schema.fbs, by their places in the vtable, and their values.
const (
	messageHeaderType, messageHeader, messageBodyLength, messageMetadata = 6, 8, 10, 12
	headerSchema, headerDictionary, headerBatch                          = 1, 2, 3
	schemaFields, schemaMetadata                                         = 6, 8
	fieldChildren, fieldMetadata                                         = 14, 16
	dictionaryData                                                       = 6
	batchVariadic                                                        = 12
)

// checkMessage checks the vectors in the metadata of a message whose lengths the library hands to make, where no allocator
// sees them, and returns the length of the body. It panics where an offset or a length leads out of the metadata.
func checkMessage(meta []byte) (body int64) {
	message := flatbuffers.Table{Bytes: meta, Pos: flatbuffers.GetUOffsetT(meta)}
	elements(message, messageMetadata, 4)
	header := below(message, messageHeader)
	switch message.GetByteSlot(messageHeaderType, 0) {
	case headerSchema:
		elements(header, schemaMetadata, 4)
		for _, at := range elements(header, schemaFields, 4) {
			field := flatbuffers.Table{Bytes: meta, Pos: header.Indirect(at)}
			elements(field, fieldMetadata, 4)
			if len(elements(field, fieldChildren, 4)) > 0 { // columns are numbers, texts and times
				panic("a nested column")
			}
		}
	case headerDictionary:
		checkBuffers(below(header, dictionaryData))
	case headerBatch:
		checkBuffers(header)
	default:
		panic("an unknown message")
	}
	return message.GetInt64Slot(messageBodyLength, 0)
}

// checkBuffers checks the numbers of buffers that columns of string views have.
func checkBuffers(batch flatbuffers.Table) {
	for _, at := range elements(batch, batchVariadic, 8) {
		if n := batch.GetInt64(at); n < 0 || n > int64(len(batch.Bytes)) {
			panic("a column of too many buffers")
		}
	}
}

// elements returns the positions of the elements of a vector.
func elements(t flatbuffers.Table, field flatbuffers.VOffsetT, size int) []flatbuffers.UOffsetT {
	vector := flatbuffers.UOffsetT(t.Offset(field))
	if vector == 0 {
		return nil
	}
	n := t.VectorLen(vector)
	if n > len(t.Bytes)/size {
		panic("a vector that is longer than the metadata")
	}
	at := make([]flatbuffers.UOffsetT, n)
	for i := range at {
		at[i] = t.Vector(vector) + flatbuffers.UOffsetT(i*size) //nolint:gosec // within t.Bytes, which are far below 4 GiB
	}
	return at
}

// below is the table that is a field of another.
func below(t flatbuffers.Table, field flatbuffers.VOffsetT) flatbuffers.Table {
	at := flatbuffers.UOffsetT(t.Offset(field))
	if at == 0 {
		panic("a missing table")
	}
	return flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(at + t.Pos)}
}

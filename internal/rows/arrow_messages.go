package rows

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	flatbuffers "github.com/google/flatbuffers/go"
)

// messages reads the messages of an Arrow IPC stream. The library's own reader takes what a message says of its lengths for
// true and asks for as much memory, of which a few bytes can make more than any machine has: here memory follows what has
// arrived, and the lengths inside a message are checked before the library sees it.
type messages struct {
	in   io.Reader
	most int64 // bytes of the body of a message
	last *ipc.Message
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
	length, err := checkMessage(meta)
	switch {
	case err != nil:
		return nil, err
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
	schemaFields, schemaMetadata, schemaFeatures                         = 6, 8, 10
	fieldDictionary, fieldChildren, fieldMetadata                        = 12, 14, 16
	dictionaryData                                                       = 6
	batchNodes, batchBuffers, batchVariadic                              = 6, 8, 12
)

// checkMessage checks the lengths in the metadata of a message and returns that of its body. It panics like the library
// where an offset leads nowhere.
func checkMessage(meta []byte) (body int64, err error) {
	message := flatbuffers.Table{Bytes: meta, Pos: flatbuffers.GetUOffsetT(meta)}
	if at := message.Offset(messageBodyLength); at != 0 {
		body = message.GetInt64(flatbuffers.UOffsetT(at) + message.Pos)
	}
	at := message.Offset(messageHeader)
	if body < 0 || at == 0 || !vector(&message, messageMetadata, 4) {
		return 0, errDamaged
	}
	var header flatbuffers.Table
	message.Union(&header, flatbuffers.UOffsetT(at))
	kind := byte(0)
	if at := message.Offset(messageHeaderType); at != 0 {
		kind = message.GetByte(flatbuffers.UOffsetT(at) + message.Pos)
	}
	ok := false
	switch kind {
	case headerSchema:
		ok = checkSchema(&header)
	case headerBatch:
		ok = checkBatch(&header)
	case headerDictionary:
		if data, there := below(&header, dictionaryData); there {
			ok = checkBatch(&data)
		}
	}
	if !ok {
		return 0, errDamaged
	}
	return body, nil
}

// vector checks that a vector of elements of a size is not longer than all of the metadata; one that is not there is right.
func vector(t *flatbuffers.Table, field flatbuffers.VOffsetT, size int) bool {
	at := t.Offset(field)
	return at == 0 || t.VectorLen(flatbuffers.UOffsetT(at))*size <= len(t.Bytes)
}

// below is a table that is a field of another.
func below(t *flatbuffers.Table, field flatbuffers.VOffsetT) (sub flatbuffers.Table, ok bool) {
	at := t.Offset(field)
	if at == 0 {
		return sub, false
	}
	return flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(flatbuffers.UOffsetT(at) + t.Pos)}, true
}

// checkSchema takes fields without children alone: columns are numbers, texts and times.
func checkSchema(schema *flatbuffers.Table) bool {
	at := schema.Offset(schemaFields)
	if !vector(schema, schemaFields, 4) || !vector(schema, schemaMetadata, 4) || !vector(schema, schemaFeatures, 8) {
		return false
	}
	if at == 0 {
		return true
	}
	first := schema.Vector(flatbuffers.UOffsetT(at))
	for i := range schema.VectorLen(flatbuffers.UOffsetT(at)) {
		place := first + flatbuffers.UOffsetT(4*i)
		field := flatbuffers.Table{Bytes: schema.Bytes, Pos: schema.Indirect(place)}
		children := field.Offset(fieldChildren)
		if !vector(&field, fieldMetadata, 4) || (children != 0 && field.VectorLen(flatbuffers.UOffsetT(children)) > 0) {
			return false
		}
	}
	return true
}

func checkBatch(batch *flatbuffers.Table) bool {
	if !vector(batch, batchNodes, 16) || !vector(batch, batchBuffers, 16) || !vector(batch, batchVariadic, 8) {
		return false
	}
	buffers := int64(0)
	if at := batch.Offset(batchBuffers); at != 0 {
		buffers = int64(batch.VectorLen(flatbuffers.UOffsetT(at)))
	}
	at := batch.Offset(batchVariadic)
	if at == 0 {
		return true
	}
	first := batch.Vector(flatbuffers.UOffsetT(at))
	for i := range batch.VectorLen(flatbuffers.UOffsetT(at)) {
		n := batch.GetInt64(first + flatbuffers.UOffsetT(8*i))
		if n < 0 || n > buffers {
			return false
		}
	}
	return true
}

package elasticsearch

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"

	"sluice/internal/deflate"
	"sluice/internal/event"
)

// encoder writes the body of bulk requests (Elasticsearch, Bulk API): an action
// and a document a line. It belongs to one lane.
type encoder struct {
	level     int
	zip       *deflate.Writer // nil: no compression
	sum       uint32          // CRC-32 of what was added (RFC 1952)
	size      int
	out       []byte
	action    []byte
	indices   *selector
	pipelines *selector
	document  document
}

// newEncoder compiles the rules of c.
func newEncoder(c *Config, agentVersion string) (*encoder, error) {
	indices, err := newSelector(c.indexSources(), true, agentVersion)
	if err != nil {
		return nil, err
	}
	pipelines, err := newSelector(c.pipelineSources(), false, agentVersion)
	if err != nil {
		return nil, err
	}
	e := &encoder{level: c.CompressionLevel, indices: indices, pipelines: pipelines}
	if e.level > 0 {
		e.zip = deflate.NewWriter(e.level)
	}
	return e, nil
}

// begin starts a body. What finish returned is no longer valid.
func (e *encoder) begin() {
	e.sum, e.size, e.out = 0, 0, e.out[:0]
	if e.zip != nil {
		e.zip.Reset()
	}
}

var errOperation = errors.New("its @metadata.op_type is none of create and index")

// add appends a document. With an error, which is about this document alone,
// nothing was added.
func (e *encoder) add(doc []byte) error {
	d := &e.document
	if err := d.cut(doc); err != nil {
		return err
	}
	e.action = e.action[:0]
	if e.size > 0 {
		e.action = append(e.action, '\n')
	}
	if err := e.appendAction(d); err != nil {
		return err
	}
	e.action = append(append(e.action, '\n'), d.lead...)
	e.write(e.action, d.rest)
	return nil
}

func (e *encoder) appendAction(d *document) error {
	t := d.target()
	b := e.action
	switch string(t.op) {
	case "", `"create"`:
		b = append(b, `{"create":{`...)
	case `"index"`:
		b = append(b, `{"index":{`...)
	default:
		return errOperation
	}
	b, err := e.appendIndex(append(b, `"_index":`...), d, t)
	if err != nil {
		return err
	}
	if t.id != nil {
		b = append(append(b, `,"_id":`...), t.id...)
	}
	if t.pipeline == nil {
		name, err := e.pipelines.selectFor(d)
		if err != nil && !errors.Is(err, errNoRule) {
			return err
		}
		if name != "" {
			b = appendQuoted(append(b, `,"pipeline":`...), name)
		}
	} else {
		b = append(append(b, `,"pipeline":`...), t.pipeline...)
	}
	e.action = append(b, "}}"...)
	return nil
}

// appendIndex writes the index: as @metadata says, or else as the rules do.
func (e *encoder) appendIndex(b []byte, d *document, t target) ([]byte, error) {
	if t.rawIndex != nil {
		return appendQuoted(b, strings.ToLower(text(t.rawIndex))), nil
	}
	if t.index != nil {
		at, err := d.time()
		if err != nil {
			return b, err
		}
		return appendQuoted(b, strings.ToLower(text(t.index))+at.UTC().Format("-2006.01.02")), nil
	}
	name, err := e.indices.selectFor(d)
	if err != nil {
		return b, err
	}
	return appendQuoted(b, name), nil
}

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	b = event.AppendEscaped(b, []byte(s), false)
	return append(b, '"')
}

func (e *encoder) write(header, doc []byte) {
	e.size += len(header) + len(doc)
	if e.zip == nil {
		e.out = append(append(e.out, header...), doc...)
		return
	}
	e.sum = crc32.Update(crc32.Update(e.sum, crc32.IEEETable, header), crc32.IEEETable, doc)
	e.zip.Append(header, doc)
}

// gzipHeader is that of RFC 1952 without name and time; the system is unknown.
var gzipHeader = [10]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}

// finish returns the body. It is valid until begin.
func (e *encoder) finish() []byte {
	e.write([]byte{'\n'}, nil)
	if e.zip == nil {
		return e.out
	}
	const zlibHead, zlibTail = 2, 4
	stream := e.zip.Finish()
	e.out = append(e.out, gzipHeader[:]...)
	e.out = append(e.out, stream[zlibHead:len(stream)-zlibTail]...)
	e.out = binary.LittleEndian.AppendUint32(e.out, e.sum)
	e.out = binary.LittleEndian.AppendUint32(e.out, uint32(e.size)) //nolint:gosec // modulo 2^32, as the format says
	return e.out
}

package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// exactTries is how often a part is taken again because something was written meanwhile. One try takes milliseconds.
	exactTries = 50
	// exactMost is how large such a part may be, since it is kept in memory until it is known to be good.
	exactMost = 64 << 20
)

// errMoved says that something was written while a part was taken that must not change meanwhile.
var errMoved = errors.New("it was written to each time while it was read")

// Take writes a backup of a running bus to w. Nothing is held up by it: who works goes on. After an error what was written is no backup, and
// whoever reads it finds that out.
func Take(ctx context.Context, b *bus.Bus, build string, w io.Writer) (Manifest, error) {
	f, err := newFile(w)
	if err != nil {
		return Manifest{}, err
	}
	m := Manifest{Head: Head{Format: Format, Build: build, Name: b.Name(), Begun: time.Now().UTC()}}
	if err := f.addJSON(headName, m.Head); err != nil {
		return Manifest{}, err
	}
	t := taker{js: b.JetStream(), file: f, manifest: &m}
	for _, c := range order() {
		if err := t.take(ctx, c); err != nil {
			return Manifest{}, fmt.Errorf("back up %s: %w", c.stream, err)
		}
	}
	if m.LeftOut, err = leftOut(ctx, t.js); err != nil {
		return Manifest{}, err
	}
	m.Ended = time.Now().UTC()
	return m, f.end(m)
}

// leftOut are the streams of the bus that no backup holds: those of [Passing], and on a NATS that others use theirs.
func leftOut(ctx context.Context, js jetstream.JetStream) ([]string, error) {
	names, err := streamNames(ctx, js)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(Streams(), name) }), nil
}

func streamNames(ctx context.Context, js jetstream.JetStream) ([]string, error) {
	list := js.StreamNames(ctx)
	var names []string
	for name := range list.Name() {
		names = append(names, name)
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("list the streams of the bus: %w", err)
	}
	slices.Sort(names)
	return names, nil
}

// taker takes the parts of one backup.
type taker struct {
	js       jetstream.JetStream
	file     *file
	manifest *Manifest
}

func (t taker) take(ctx context.Context, c carried) error {
	_, err := bus.Insist(ctx, func(ctx context.Context) (jetstream.Stream, error) { return t.js.Stream(ctx, c.stream) })
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound) && !c.always:
		t.manifest.Absent = append(t.manifest.Absent, c.stream)
		return nil
	case err != nil:
		return fmt.Errorf("find the stream: %w", err)
	case c.exact:
		return t.exactly(ctx, c)
	}
	at := time.Now().UTC()
	p := t.file.part(t.next(c.stream))
	got, err := snapshot(ctx, t.js.Conn(), c.stream, c.readers, p)
	if err != nil {
		return err
	}
	if err := t.record(p, Part{Stream: c.stream, At: at}, got); err != nil {
		return err
	}
	return t.tail(ctx, c.stream, got.state.LastSeq)
}

// next names the next part. The number keeps the parts in order for people as well.
func (t taker) next(what string) string {
	return fmt.Sprintf("parts/%02d-%s", len(t.manifest.Parts)+1, what)
}

// record ends a snapshot's part.
func (t taker) record(p *partWriter, about Part, got taken) error {
	if err := p.Close(); err != nil {
		return err
	}
	got.state.Deleted, got.state.Subjects = nil, nil
	about.Name, about.Bytes, about.SHA256 = p.name, p.size, p.digest()
	about.Messages, about.First, about.Last = got.messages, got.state.FirstSeq, got.state.LastSeq
	about.Config, about.State = got.config, &got.state
	t.manifest.Parts = append(t.manifest.Parts, about)
	return nil
}

// tail takes what was written to a bucket meanwhile, if anything was.
func (t taker) tail(ctx context.Context, stream string, last uint64) error {
	at := time.Now().UTC()
	p := t.file.part(t.next(stream + ".tail"))
	n, err := tail(ctx, t.js.Conn(), stream, last, p)
	if err != nil || n == 0 {
		return err
	}
	if err := p.Close(); err != nil {
		return err
	}
	t.manifest.Parts = append(t.manifest.Parts,
		Part{Name: p.name, Stream: stream, Tail: true, At: at, Messages: n, Bytes: p.size, SHA256: p.digest()})
	return nil
}

// exactly takes a part until nothing was written to it meanwhile.
func (t taker) exactly(ctx context.Context, c carried) error {
	for range exactTries {
		at := time.Now().UTC()
		kept := &bounded{most: exactMost}
		got, err := snapshot(ctx, t.js.Conn(), c.stream, c.readers, kept)
		if err != nil {
			return err
		}
		moved, err := tail(ctx, t.js.Conn(), c.stream, got.state.LastSeq, io.Discard)
		if err != nil {
			return err
		}
		if moved > 0 {
			continue
		}
		p := t.file.part(t.next(c.stream))
		if _, err := p.Write(kept.Bytes()); err != nil {
			return err
		}
		return t.record(p, Part{Stream: c.stream, At: at}, got)
	}
	return errMoved
}

// bounded is a buffer that refuses to grow without end.
type bounded struct {
	bytes.Buffer
	most int
}

// Write refuses what does not fit.
func (b *bounded) Write(data []byte) (int, error) {
	if b.Len()+len(data) > b.most {
		return 0, fmt.Errorf("it is larger than %d bytes", b.most)
	}
	return b.Buffer.Write(data)
}

package modeltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/firebreak-sre/firebreak/bus"
)

var (
	errDown = errors.New("the bus does not answer")
	errLost = errors.New("the bus took it, perhaps: no answer came")
)

// records are all incidents' records, as the bus keeps them: whole messages, a sequence over all of them.
type records struct {
	seq    uint64
	by     map[string][]bus.Msg
	newest map[string]bus.Msg // by the subject of the target, "incidents.h.t.*"
}

func family0(subject string) string { return subject[:strings.LastIndexByte(subject, '.')] + ".*" }

// recordView is the bus as one replica reaches it.
type recordView struct{ w *world }

// lastKind is the kind of the last event of a message, for the schedule.
func lastKind(data []byte) string {
	const mark = `"kind":"`
	i := bytes.LastIndex(data, []byte(mark))
	if i < 0 {
		return "?"
	}
	rest := data[i+len(mark):]
	return string(rest[:bytes.IndexByte(rest, '"')])
}

func (v *recordView) AppendIf(_ context.Context, subject string, last uint64, data []byte) (uint64, error) {
	w := v.w
	kind := lastKind(data)
	w.at("append:" + kind)
	if w.fault(w.faults.store) {
		return 0, errDown
	}
	have := w.records.by[subject]
	var top uint64
	if len(have) > 0 {
		top = have[len(have)-1].Seq
	}
	if top != last {
		return 0, fmt.Errorf("append to %s after %d: %w", subject, last, bus.ErrConflict)
	}
	w.records.seq++
	m := bus.Msg{Subject: subject, Seq: w.records.seq, Data: bytes.Clone(data), At: w.now}
	w.records.by[subject] = append(have, m)
	w.records.newest[family0(subject)] = m
	w.appended(m)
	w.at("appended:" + kind)
	if w.fault(w.faults.store) {
		return 0, errLost
	}
	return m.Seq, nil
}

func (v *recordView) Last(_ context.Context, _, subject string) (bus.Msg, error) {
	w := v.w
	w.at("last")
	if w.fault(w.faults.store) {
		return bus.Msg{}, errDown
	}
	if strings.HasSuffix(subject, "*") {
		m, ok := w.records.newest[subject]
		if !ok {
			return bus.Msg{}, bus.ErrNotFound
		}
		return m, nil
	}
	have := w.records.by[subject]
	if len(have) == 0 {
		return bus.Msg{}, bus.ErrNotFound
	}
	return have[len(have)-1], nil
}

func (v *recordView) Load(_ context.Context, _, subject string) ([]bus.Msg, error) {
	v.w.at("load")
	if v.w.fault(v.w.faults.store) {
		return nil, errDown
	}
	return bytesOf(v.w.records.by[subject]), nil
}

// bytesOf copies, so that nobody can change what is stored.
func bytesOf(in []bus.Msg) []bus.Msg {
	out := make([]bus.Msg, len(in))
	for i, m := range in {
		m.Data = bytes.Clone(m.Data)
		out[i] = m
	}
	return out
}

// bookView is the ledger's document as one replica reaches it.
type bookView struct{ w *world }

func (v *bookView) Get(context.Context) ([]byte, error) {
	v.w.at("ledger:get")
	if v.w.fault(v.w.faults.book) {
		return nil, errDown
	}
	return bytes.Clone(v.w.book), nil
}

func (v *bookView) Change(_ context.Context, fn func([]byte) ([]byte, error)) error {
	w := v.w
	for {
		w.at("ledger:read")
		if w.fault(w.faults.book) {
			return errDown
		}
		rev := w.bookRev
		next, err := fn(bytes.Clone(w.book))
		if err != nil {
			return err
		}
		w.at("ledger:write")
		if w.fault(w.faults.book) {
			return errDown
		}
		if rev != w.bookRev {
			continue
		}
		w.book, w.bookRev = bytes.Clone(next), rev+1
		w.booked()
		w.at("ledger:written")
		if w.fault(w.faults.book) {
			return errLost
		}
		return nil
	}
}

// document is the brake's. The guard reads it from goroutines of its own, so nothing stands still here.
type document struct {
	mu   sync.Mutex // guards the fields below
	data []byte
	down bool
}

func (d *document) Get(context.Context) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return nil, errDown
	}
	return bytes.Clone(d.data), nil
}

func (d *document) Change(_ context.Context, fn func([]byte) ([]byte, error)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	next, err := fn(bytes.Clone(d.data))
	if err != nil {
		return err
	}
	d.data = next
	return nil
}

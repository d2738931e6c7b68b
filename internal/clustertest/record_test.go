package clustertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
)

// recordLength is where a record ends and the next one begins.
const recordLength = 64

// recordLoad lets all replicas append to the same record, each where it believes the record's end to be.
type recordLoad struct {
	pulse
	w         *world
	current   atomic.Int64 // the record that is written now
	conflicts atomic.Int64

	mu    sync.Mutex // guards the field below
	acked []appended
}

// appended is one append. As stored it has no sequence yet.
type appended struct {
	Replica int    `json:"replica"`
	Last    uint64 `json:"last"`
	subject string
	seq     uint64
}

func newRecordLoad(w *world) *recordLoad { return &recordLoad{w: w} }

func (l *recordLoad) run(ctx context.Context, r int) {
	each(ctx, pace, func(ctx context.Context) {
		began := time.Now()
		err := l.append(ctx, r)
		switch {
		case errors.Is(err, bus.ErrConflict):
			l.conflicts.Add(1)
		case err != nil:
			l.w.words.add("record", err)
		default:
			l.beat(r, began)
		}
	})
}

func (l *recordLoad) append(ctx context.Context, r int) error {
	n := l.current.Load()
	a := appended{Replica: r, subject: fmt.Sprintf("incidents.contended.%d", n)}
	b := l.w.buses[r]
	msgs, err := b.Load(ctx, bus.Incidents, a.subject)
	if err != nil {
		return err
	}
	if len(msgs) >= recordLength {
		l.current.CompareAndSwap(n, n+1)
	}
	if len(msgs) > 0 {
		a.Last = msgs[len(msgs)-1].Seq
	}
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	a.seq, err = b.AppendIf(ctx, a.subject, a.Last, data)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked = append(l.acked, a)
	return nil
}

// verify reads every record: each is one chain, in which each link was put where its writer believed the end to be, and
// every acknowledged one is where it was acknowledged.
func (l *recordLoad) verify() {
	t := l.w.t
	t.Helper()
	ends := map[string]uint64{}
	kept := map[uint64]appended{}
	l.w.follow(bus.Past{Stream: bus.Incidents, Subject: "incidents.contended.*"}, func(m bus.Msg) {
		a := appended{subject: m.Subject, seq: m.Seq}
		if err := json.Unmarshal(m.Data, &a); err != nil {
			t.Errorf("message %d: %v", m.Seq, err)
		}
		if a.Last != ends[m.Subject] {
			t.Errorf("%s: %d was put behind %d, but the record ended at %d", m.Subject, m.Seq, a.Last, ends[m.Subject])
		}
		ends[m.Subject] = m.Seq
		kept[m.Seq] = a
	})
	lost := 0
	type position struct {
		subject string
		last    uint64
	}
	once := map[position]int{}
	for _, a := range l.acked {
		if kept[a.seq] != a {
			lost++
			t.Errorf("acknowledged as %+v, kept as %+v", a, kept[a.seq])
		}
		if once[position{a.subject, a.Last}]++; once[position{a.subject, a.Last}] > 1 {
			t.Errorf("%s: two appends behind %d were acknowledged", a.subject, a.Last)
		}
	}
	t.Logf("record: %d appends acknowledged, %d conflicts, %d records, %d messages kept, %d acknowledged and lost",
		len(l.acked), l.conflicts.Load(), len(ends), len(kept), lost)
}

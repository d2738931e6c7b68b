package history

import (
	"bytes"
	"container/heap"
	"context"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/bus/stored"
)

// log keeps of the records what a loop asks for: the open ones, and each target's last message. Everything goes to the sink.
type log struct {
	sink   func(stored.Msg, int) error
	now    func() time.Time
	seq    uint64
	open   map[string][]stored.Msg // by subject
	latest map[string]stored.Msg   // by the subject without its number
}

func newLog(sink func(stored.Msg, int) error, now func() time.Time) *log {
	return &log{sink: sink, now: now, open: map[string][]stored.Msg{}, latest: map[string]stored.Msg{}}
}

// AppendIf appends to a record if nobody else has.
func (l *log) AppendIf(_ context.Context, subject string, last uint64, data []byte) (uint64, error) {
	list := l.open[subject]
	if n := len(list); (n == 0 && last != 0) || (n > 0 && list[n-1].Seq != last) {
		return 0, stored.ErrConflict
	}
	l.seq++
	m := stored.Msg{Subject: subject, Seq: l.seq, Data: data, At: l.now()}
	l.open[subject] = append(list, m)
	prefix := subject[:strings.LastIndexByte(subject, '.')]
	if before, ok := l.latest[prefix]; ok && before.Subject != subject {
		delete(l.open, before.Subject)
	}
	l.latest[prefix] = m
	return m.Seq, l.sink(m, Events(data))
}

// Events counts the events in a message without decoding it: each begins with its version.
func Events(data []byte) int { return bytes.Count(data, []byte(`{"v":`)) }

// Last is the newest message of a subject, or of a target's.
func (l *log) Last(_ context.Context, _, subject string) (stored.Msg, error) {
	if prefix, all := strings.CutSuffix(subject, ".*"); all {
		if m, ok := l.latest[prefix]; ok {
			return m, nil
		}
		return stored.Msg{}, stored.ErrNotFound
	}
	list := l.open[subject]
	if len(list) == 0 {
		return stored.Msg{}, stored.ErrNotFound
	}
	return list[len(list)-1], nil
}

// Load is a whole record.
func (l *log) Load(_ context.Context, _, subject string) ([]stored.Msg, error) {
	return l.open[subject], nil
}

// agenda says when to look at an open incident again.
type agenda struct {
	due   map[string]time.Time
	queue queue
}

func newAgenda() *agenda { return &agenda{due: map[string]time.Time{}} }

func (a *agenda) len() int { return len(a.due) }

// first is the incident that is due first, "" if none is open.
func (a *agenda) first() (string, time.Time) {
	for len(a.queue) > 0 {
		e := a.queue[0]
		if due, ok := a.due[e.key]; ok && due.Equal(e.at) {
			return e.key, e.at
		}
		heap.Pop(&a.queue) // moved or cleared since
	}
	return "", time.Time{}
}

// Set enters an incident.
func (a *agenda) Set(_ context.Context, key string, due time.Time) error {
	a.due[key] = due
	heap.Push(&a.queue, entry{key, due})
	return nil
}

// Move is Set.
func (a *agenda) Move(ctx context.Context, key string, due time.Time) error {
	return a.Set(ctx, key, due)
}

// Clear takes an incident out.
func (a *agenda) Clear(_ context.Context, key string) error {
	delete(a.due, key)
	return nil
}

// Nudge does nothing: whoever enters an alert here sets its incident due.
func (a *agenda) Nudge(string) {}

// AwaitEntry says whether an incident is in.
func (a *agenda) AwaitEntry(_ context.Context, key string) bool { return a.Knows(key) }

// Knows says whether an incident is in.
func (a *agenda) Knows(key string) bool {
	_, ok := a.due[key]
	return ok
}

// Count counts the incidents that are in by the beginning of their keys.
func (a *agenda) Count(prefix string) int {
	n := 0
	for key := range a.due {
		if strings.HasPrefix(key, prefix) {
			n++
		}
	}
	return n
}

// Open are all that are in.
func (a *agenda) Open(context.Context) (map[string]time.Time, error) { return a.due, nil }

type entry struct {
	key string
	at  time.Time
}

type queue []entry

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	if q[i].at.Equal(q[j].at) {
		return q[i].key < q[j].key
	}
	return q[i].at.Before(q[j].at)
}

func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push is for container/heap.
func (q *queue) Push(x any) {
	if e, ok := x.(entry); ok {
		*q = append(*q, e)
	}
}

// Pop is for container/heap.
func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}

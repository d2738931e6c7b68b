package incidents

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/firebreak-sre/firebreak/bus/stored"
)

// ErrConflict says that somebody else appended to the record first: load it again and think again.
var ErrConflict = stored.ErrConflict

// Log is where records are kept: see bus.Bus, which is one.
type Log interface {
	AppendIf(ctx context.Context, subject string, last uint64, data []byte) (uint64, error)
	Last(ctx context.Context, stream, subject string) (stored.Msg, error)
	Load(ctx context.Context, stream, subject string) ([]stored.Msg, error)
}

// Store keeps records in a log: one subject for each incident, one message for each append.
type Store struct {
	bus   Log
	known cache
}

// NewStore keeps records in l.
func NewStore(l Log) *Store { return &Store{bus: l} }

// Load is an incident's present state. stored.ErrNotFound if there is no such incident.
func (s *Store) Load(ctx context.Context, id ID) (*State, error) {
	last, err := s.bus.Last(ctx, stored.Incidents, id.subject())
	if err != nil {
		return nil, fmt.Errorf("incident %s: %w", id, err)
	}
	return s.after(ctx, id, last)
}

// after is the state after a record's last message.
func (s *Store) after(ctx context.Context, id ID, last stored.Msg) (*State, error) {
	if st, ok := s.known.get(id, last.Seq); ok {
		return st, nil
	}
	events, err := Decode(last.Data)
	seq := last.Seq
	if err != nil || len(events) == 0 || events[0].Kind != Opened { // else the last message is the first as well
		if events, seq, err = s.events(ctx, id); err != nil {
			return nil, err
		}
	}
	st := Fold(events)
	st.Seq = seq
	if st.ID == "" {
		// The bus forgets by age, message by message: the record's beginning is gone and its end is not.
		st.ID, st.Handler = id, id.Handler()
	}
	s.known.put(st)
	return st, nil
}

// Events is an incident's whole record. stored.ErrNotFound if there is none.
func (s *Store) Events(ctx context.Context, id ID) ([]Event, error) {
	events, _, err := s.events(ctx, id)
	return events, err
}

func (s *Store) events(ctx context.Context, id ID) ([]Event, uint64, error) {
	msgs, err := s.bus.Load(ctx, stored.Incidents, id.subject())
	if err != nil {
		return nil, 0, err
	}
	if len(msgs) == 0 {
		return nil, 0, fmt.Errorf("incident %s: %w", id, stored.ErrNotFound)
	}
	var all []Event
	for _, m := range msgs {
		events, err := Decode(m.Data)
		if err != nil {
			return nil, 0, fmt.Errorf("incident %s, message %d: %w", id, m.Seq, err)
		}
		all = append(all, events...)
	}
	return all, msgs[len(msgs)-1].Seq, nil
}

// Latest is the newest incident of a handler's target, nil if there was none.
func (s *Store) Latest(ctx context.Context, handler, target string) (*State, error) {
	prefix := subjectPrefix + handler + "." + targetHash(handler, target)
	last, err := s.bus.Last(ctx, stored.Incidents, prefix+".*")
	if errors.Is(err, stored.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	id, err := IDOfSubject(last.Subject)
	if err != nil {
		return nil, err
	}
	st, err := s.after(ctx, id, last)
	if err == nil {
		st, err = s.newest(ctx, st, handler, target)
	}
	if err != nil {
		return nil, err
	}
	if st.Target == "" { // older than what is kept; its number still counts
		st.Target = target
	}
	if st.Target != target {
		return nil, fmt.Errorf("incident %s is about %q, not about %q: two targets share one hash; rename one of them", st.ID, st.Target, target)
	}
	return st, nil
}

// newest goes on from the incident that was written to last. Only an acknowledgement comes behind the end of one, and then later
// incidents may have begun before.
func (s *Store) newest(ctx context.Context, st *State, handler, target string) (*State, error) {
	if st.Acked == nil {
		return st, nil
	}
	for !st.Open() {
		next, err := s.Load(ctx, NewID(handler, target, st.ID.Number()+1))
		if errors.Is(err, stored.ErrNotFound) {
			return st, nil
		}
		if err != nil {
			return nil, err
		}
		st = next
	}
	return st, nil
}

// Append stores events as one message, all or none, and applies them to st. [ErrConflict] means that nothing was stored, and
// that st is no longer the present state. After any other error st must be loaded again: it may have been stored.
func (s *Store) Append(ctx context.Context, st *State, events ...Event) error {
	if len(events) == 0 {
		return nil
	}
	data, err := json.Marshal(events)
	if err != nil {
		return fmt.Errorf("encode events of %s: %w", st.ID, err)
	}
	id := st.ID
	if events[0].Kind == Opened {
		id = events[0].Opening.ID
	}
	seq, err := s.bus.AppendIf(ctx, id.subject(), st.Seq, data)
	if err != nil {
		return err
	}
	for _, e := range events {
		st.Apply(e)
	}
	st.Seq = seq
	s.known.put(st)
	return nil
}

// ErrDamaged says that a message of a record cannot be read. It never gets better.
var ErrDamaged = errors.New("damaged record")

// Decode reads one message of a record, which holds at least one event.
func Decode(data []byte) ([]Event, error) {
	var events []Event
	if err := json.Unmarshal(data, &events); err != nil {
		return nil, fmt.Errorf("decode events: %w: %w", ErrDamaged, err)
	}
	if len(events) == 0 {
		return nil, fmt.Errorf("decode events: %w: it holds none", ErrDamaged)
	}
	return events, nil
}

// IDOfSubject is the incident that a message of the stream belongs to.
func IDOfSubject(subject string) (ID, error) {
	key, ok := strings.CutPrefix(subject, subjectPrefix)
	if !ok {
		return "", fmt.Errorf("%q: %w", subject, ErrBadID)
	}
	return IDOfKey(key)
}

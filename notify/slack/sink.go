package slack

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/notify"
	"github.com/rs/zerolog"
)

const (
	// settleAfter is how long after an intent its post can no longer be under way: the longest call, and what two clocks may differ.
	settleAfter = keepWithin + callTimeout + 5*time.Second
	// lookBack is how much earlier than our intent Slack may have dated the message: its clock is not ours.
	lookBack = 10 * time.Minute
	// rounds bounds how many calls one telling makes before it comes again.
	rounds = 20
)

// Record reads what happened: see incidents.Store.
type Record interface {
	Events(ctx context.Context, id incidents.ID) ([]incidents.Event, error)
}

// Sink shows incidents in Slack. It is safe for concurrent use, on any number of replicas.
type Sink struct {
	config  Config
	record  Record
	docs    Documents
	client  *client
	metrics *Metrics
	log     zerolog.Logger
	// busy keeps this process from working on one incident twice at a time; other replicas are found by the document.
	busy [64]sync.Mutex
}

var _ notify.Sink = (*Sink)(nil)

// Name is what the policy calls this place.
const Name = "slack"

// Name is "slack".
func (*Sink) Name() string { return Name }

// Send shows the newest state of the outcome's incident. An error that wraps notify.ErrPermanent says that only somebody can mend it;
// after any other one it is called again, and shows what is the newest then.
func (s *Sink) Send(ctx context.Context, o notify.Outcome) error {
	err := s.caughtUp(ctx, o)
	if err == nil {
		err = s.Show(ctx, o.Incident)
	}
	if is(err, badMessage) || is(err, badChannel) || errors.Is(err, incidents.ErrDamaged) {
		return fmt.Errorf("%w: %w", notify.ErrPermanent, err)
	}
	return err
}

// caughtUp is an error while the record is read without the event that is told of: on a cluster a copy can answer that is behind, and what
// is shown then would be old, with nothing more to come.
func (s *Sink) caughtUp(ctx context.Context, o notify.Outcome) error {
	if o.Kind == "" {
		return nil
	}
	events, err := s.record.Events(ctx, o.Incident)
	if err != nil {
		return err
	}
	for _, e := range slices.Backward(events) {
		if e.Kind == o.Kind && e.At.Equal(o.At) {
			return nil
		}
	}
	return fmt.Errorf("read the record of %s: the event %q that is told of is not in it yet", o.Incident, o.Kind)
}

// Show makes Slack show the newest state of an incident, and tells its thread what is new. Nothing new makes no call.
func (s *Sink) Show(ctx context.Context, id incidents.ID) error {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // a hash does not fail
	lock := &s.busy[h.Sum32()%uint32(len(s.busy))]
	lock.Lock()
	defer lock.Unlock()
	for range rounds {
		again, err := s.step(ctx, id)
		if errors.Is(err, ErrChanged) {
			continue // another replica was first: think again
		}
		if err != nil {
			return fmt.Errorf("show %s: %w", id, err)
		}
		if !again {
			return nil
		}
	}
	return fmt.Errorf("show %s: it changes faster than it can be shown", id)
}

// step makes at most one call to Slack, and says whether there may be more to do.
func (s *Sink) step(ctx context.Context, id incidents.ID) (again bool, err error) {
	d, err := s.load(ctx, id)
	if err != nil {
		return false, err
	}
	if d.Intent != nil {
		return true, s.settle(ctx, id, &d)
	}
	p, err := s.picture(ctx, id, d)
	if err != nil {
		return false, err
	}
	switch {
	case d.TS == "" && d.Frozen == "":
		return true, s.open(ctx, id, &d)
	case d.TS != "" && d.Frozen == "" && p.hash != d.Shown && len(p.events) >= d.Events:
		return true, s.edit(ctx, id, &d)
	}
	if _, _, news := reply(p.events, d.Told); news && d.TS != "" && d.Frozen != goneForGood {
		return true, s.reply(ctx, id, &d)
	}
	return false, nil
}

// picture is an incident as it would be shown now.
type picture struct {
	state   *incidents.State
	events  []incidents.Event
	message Message
	hash    string
}

func (s *Sink) picture(ctx context.Context, id incidents.ID, d document) (picture, error) {
	events, err := s.record.Events(ctx, id)
	if err != nil {
		return picture{}, err
	}
	p := picture{events: events, state: stateOf(id, events)}
	p.message = Render(p.state, events, View{Console: s.config.Console, Buttons: s.config.answers(), Twice: d.Twice})
	p.hash, err = hashOf(p.message, d.Bare)
	return p, err
}

// stateOf is the state of a record, also of one whose beginning is not kept any more.
func stateOf(id incidents.ID, events []incidents.Event) *incidents.State {
	st := incidents.Fold(events)
	if st.ID == "" {
		st.ID, st.Handler = id, id.Handler()
	}
	return st
}

// open posts the message of an incident, once.
func (s *Sink) open(ctx context.Context, id incidents.ID, d *document) error {
	p, err := s.picture(ctx, id, *d)
	if err != nil {
		return err
	}
	if d.Channel == "" {
		d.Channel = s.config.channel(p.state.Opening.Alert.Labels["severity"])
	}
	if err := s.turn(ctx, postPace(d.Channel), postRate()); err != nil {
		return err
	}
	if p, err = s.picture(ctx, id, *d); err != nil { // it may have changed while it waited for its turn
		return err
	}
	d.Intent = &intent{At: s.config.Now().UTC()}
	if err := s.keep(ctx, id, d); err != nil {
		return err
	}
	if err := s.late(d.Intent); err != nil {
		return err
	}
	done, err := s.client.post(ctx, d.Channel, "", p.message, d.Bare, false, tag{kind: tagRoot, incident: id.String()})
	if err != nil {
		return s.unposted(ctx, id, d, err)
	}
	d.Intent, d.Channel, d.TS, d.Shown, d.Events = nil, done.Channel, done.TS, p.hash, len(p.events)
	return s.keep(ctx, id, d)
}

// late stops a process that slept between its intent and its post: others may have taken the intent for a dead one's by now.
func (s *Sink) late(in *intent) error {
	if age := s.config.Now().Sub(in.At); age > keepWithin {
		return fmt.Errorf("it took %s from the intent to the post: it is not made any more", age)
	}
	return nil
}

// turn waits for the turn of a call, unless no call makes sense: nothing is said to a workspace that is not the one of the policy.
func (s *Sink) turn(ctx context.Context, what string, r rate) error {
	if _, err := s.client.who(ctx); err != nil {
		return err
	}
	if err := s.client.health.gate(); err != nil {
		return err
	}
	return s.client.pace.wait(ctx, what, r)
}

// unposted is for a post that failed. Where it is certain that nothing was posted the intent is taken back; else it stays, and whoever
// comes next looks first.
func (s *Sink) unposted(ctx context.Context, id incidents.ID, d *document, err error) error {
	var e *callError
	if errors.As(err, &e) && e.outcome == unclear {
		return err
	}
	d.Intent = nil
	if is(err, badMessage) && !d.Bare {
		d.Bare = true // better a poor message than none
		s.log.Error().Err(err).Str("incident", id.String()).Msg("slack refused the blocks of a message: it is shown as text only")
		err = nil
	}
	if is(err, gone) {
		d.Frozen, err = goneForGood, nil // the thread of a reply is not there any more
	}
	if kept := s.keep(ctx, id, d); kept != nil {
		return errors.Join(err, kept)
	}
	return err
}

// settle finds out how a post ended that nobody wrote the end of.
func (s *Sink) settle(ctx context.Context, id incidents.ID, d *document) error {
	in := *d.Intent
	if age := s.config.Now().Sub(in.At); age < settleAfter {
		return fmt.Errorf("a message of it may be under way: it is looked for from %s on", clock(in.At.Add(settleAfter)))
	}
	t, thread := tag{kind: tagRoot, incident: id.String()}, ""
	if in.Reply {
		t.kind, t.upto, thread = tagReply, in.Upto, d.TS
	}
	ts, err := s.client.find(ctx, d.Channel, thread, in.At.Add(-lookBack), t)
	switch {
	case in.Reply && is(err, gone):
		d.Frozen = goneForGood
	case is(err, badMessage) || is(err, badChannel) || codeOf(err) == "missing_scope" || codeOf(err) == "no_permission":
		// It cannot be looked for, and that will not change. Twice is better than never, and it says so.
		d.Twice = true
		s.metrics.blind.Inc()
		s.log.Warn().Err(err).Str("incident", id.String()).Msg("a message may be shown twice: the channel cannot be read")
	case err != nil:
		return err
	case ts != "" && in.Reply:
		d.Told = max(d.Told, in.Upto)
	case ts != "":
		d.TS, d.Shown, d.Events = ts, "", 0
	}
	d.Intent = nil
	return s.keep(ctx, id, d)
}

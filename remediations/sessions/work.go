package sessions

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/sessions/bounds"
	"github.com/firebreak-sre/firebreak/remediations/sessions/params"
)

// work is a step, read.
type work struct {
	epoch uint64
	// undo says that it can be taken back; orphans that it is about those.
	undo, orphans bool
	// to is who gets the sessions; "" where nobody does.
	to    string
	parts []part
}

// part is one order to the store.
type part struct {
	change
	// suffix makes the order's action an action of its own.
	suffix string
	// after is how long after the first part it may begin.
	after time.Duration
}

// change is what an order is about.
type change interface {
	// keys are what the answer says something about.
	keys() []store.Key
	// most is how many of them may be changed.
	most() int
	// check refuses what no store takes.
	check(o store.Order) error
	// send orders it, once. The words are for people.
	send(ctx context.Context, s store.Changer, o store.Order) (store.Answer, string, error)
	// left counts what is as it was seen, and can still be done.
	left(s sight) int
}

// order is a part as the store gets it.
func (p part) order(o remediations.Order, epoch uint64, deadline time.Time) store.Order {
	return store.Order{Action: o.Action + p.suffix, Epoch: epoch, Max: p.most(), Deadline: deadline}
}

// decode reads the settings of a step. Nothing that is unknown, missing or out of its bounds passes.
func decode(s remediations.Step) (work, error) {
	w, err := read(s)
	if err != nil {
		return work{}, err
	}
	for _, p := range w.parts {
		if err := p.check(p.order(remediations.Order{Action: "action"}, w.epoch, longPast())); err != nil {
			return work{}, err
		}
	}
	if len(w.parts) == 0 {
		return work{}, errors.New("they name no session")
	}
	return w, nil
}

func read(s remediations.Step) (work, error) {
	switch s.Fix {
	case bounds.FixSync:
		p, err := params.ReadSync(s.Params)
		within := min(store.LongestWait, s.Timeout.D()/2) // the answer needs some of the timeout too
		return work{epoch: p.Epoch, parts: []part{{change: syncing{p.IDs, within}}}}, err
	case bounds.FixQuarantine:
		p, err := params.ReadQuarantine(s.Params)
		return work{epoch: p.Epoch, undo: true, orphans: true, parts: []part{{change: quarantining(p.Sessions)}}}, err
	case bounds.FixReconcile, bounds.FixSetAside:
		p, err := params.ReadReconcile(s.Params)
		r := reconciling{p.Sessions, s.Fix == bounds.FixSetAside}
		if n := r.most(); err == nil && (n < 1 || n > store.MostAtOnce) {
			err = fmt.Errorf("%d copies would be set aside, not 1 to %d", n, store.MostAtOnce)
		}
		return work{epoch: p.Epoch, undo: true, parts: []part{{change: r}}}, err
	case bounds.FixRecover:
		p, err := params.ReadRecover(s.Params)
		if err != nil {
			return work{}, err
		}
		w := work{epoch: p.Epoch, undo: true, orphans: true, to: p.To}
		w.parts, err = staged(p, s.Timeout.D())
		return w, err
	}
	return work{}, fmt.Errorf("there is no fix %.40q", s.Fix)
}

// allows refuses what passes the store's own limits. They are for what is begun, not for what is asked for or given back: they may have
// been other ones when it was begun.
func (t target) allows(w work) error {
	limit := t.MaxSessions
	if w.to != "" {
		limit = t.MaxRecovered
	}
	if n := w.most(); w.undo && n > limit {
		return fmt.Errorf("it is for %d sessions, and at most %d may be changed in this store at once", n, limit)
	}
	return nil
}

// most is how many the whole work may change.
func (w work) most() int {
	n := 0
	for _, p := range w.parts {
		n += p.most()
	}
	return n
}

// staged are the parts of a recovery, the first at once.
func staged(p params.Recover, timeout time.Duration) ([]part, error) {
	// A part is no larger than what a quarantine may take, so that somebody looks before more than that was changed.
	stages := store.Stages(p.Sessions, store.MostAtOnce)
	named := 0
	var parts []part
	for i, stage := range stages {
		named += len(stage.Sessions)
		parts = append(parts, part{change: recovering{stage.Sessions, stage.Priority, p.To}, suffix: "-" + strconv.Itoa(i),
			after: stage.After - stages[0].After})
	}
	if named != len(p.Sessions) {
		return nil, fmt.Errorf("%d sessions have no priority that is known", len(p.Sessions)-named)
	}
	if n := len(parts); n > 0 && timeout < parts[n-1].after+bounds.StageSpare {
		return nil, fmt.Errorf("the stages take %s, and the timeout of %s must be %s longer at least", parts[n-1].after, timeout, bounds.StageSpare)
	}
	return parts, nil
}

package sessions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/remediations"
)

// before is kept in a receipt.
type before struct {
	// Actions are those that the store carried out, in their order. Each took something.
	Actions []string `json:"actions,omitempty"`
	// Until is how long all that they took can surely be given back.
	Until time.Time `json:"until,omitzero"`
}

// progress is how far an order has come.
type progress struct {
	before
	tally tally
	// parts is how many were carried out. stopped says why no more were, words what else there is to say.
	parts          int
	stopped, words string
}

// apply orders the parts one after the other. It is refused only if nothing was changed by any of them.
func (t target) apply(ctx context.Context, w work, o remediations.Order) (remediations.Receipt, error) {
	p := progress{tally: tally{of: w.most()}}
	begun := time.Now()
	for i, one := range w.parts {
		if i > 0 {
			if p.stopped = t.next(ctx, w.parts[i-1], one, p.tally, begun.Add(one.after), o.Deadline); p.stopped != "" {
				break
			}
		}
		if err := t.step(ctx, one, one.order(o, w.epoch, deadline(o)), &p); err != nil {
			return remediations.Receipt{}, err
		}
		if p.stopped != "" {
			break
		}
	}
	if p.tally.done == 0 {
		return remediations.Receipt{}, fmt.Errorf("%w: %s", remediations.ErrRefused, p.tally.words())
	}
	if w.to != "" && p.stopped == "" {
		p.words = t.helped(ctx, w.parts[p.parts-1], p.tally)
	}
	text, err := json.Marshal(p.before)
	if err != nil {
		return remediations.Receipt{}, fmt.Errorf("write the receipt: %w", err)
	}
	return remediations.Receipt{Note: p.note(len(w.parts)), Before: text}, nil
}

// step carries one part out. An error leaves the order in doubt, or proves that nothing of it was done.
func (t target) step(ctx context.Context, one part, o store.Order, p *progress) error {
	a, words, err := one.send(ctx, t.Store, o)
	switch {
	case errors.Is(err, store.ErrRefused) && p.parts > 0:
		p.stopped = err.Error()
		return nil
	case errors.Is(err, store.ErrRefused):
		return fmt.Errorf("%w: %w", remediations.ErrRefused, err)
	case err != nil:
		return err
	}
	if err := about(a, one, o); err != nil {
		return err
	}
	p.parts++
	p.words = words
	if p.tally.add(a) == 0 {
		p.stopped = "nothing was done of a part"
		return nil
	}
	p.Actions = append(p.Actions, o.Action)
	if !a.Until.IsZero() && (p.Until.IsZero() || a.Until.Before(p.Until)) {
		p.Until = a.Until
	}
	return nil
}

// about refuses an answer that is not about what was ordered. What happened then is not known.
func about(a store.Answer, one part, o store.Order) error {
	named := map[store.Key]bool{}
	for _, key := range one.keys() {
		named[key] = true
	}
	if a.Action != o.Action {
		return fmt.Errorf("the answer is about action %.60q, and %q was ordered", a.Action, o.Action)
	}
	for _, item := range a.Items {
		if !named[item.Key] {
			return fmt.Errorf("the answer is about session %.60q, which was not named, or is there twice", item.Key.String())
		}
		delete(named, item.Key)
	}
	if n := a.Count(store.Done); n > o.Max {
		return fmt.Errorf("%d sessions were changed, and %d was the most", n, o.Max)
	}
	return nil
}

// note says what was done, for people.
func (p progress) note(parts int) string {
	words := []string{p.tally.words()}
	if parts > 1 {
		words = append(words, fmt.Sprintf("%d of %d parts", p.parts, parts))
	}
	for _, more := range []string{p.words, p.stopped} {
		if more != "" {
			words = append(words, more)
		}
	}
	if !p.Until.IsZero() {
		words = append(words, "can be given back until "+p.Until.UTC().Format(time.RFC3339))
	}
	return strings.Join(words, "; ")
}

// tally counts what became of sessions.
type tally struct {
	of, done int
	// last are the sessions that the last answer says are done.
	last []store.Key
	// why counts the others.
	why map[store.Outcome]int
}

// add counts an answer, and says how many it did.
func (t *tally) add(a store.Answer) int {
	t.last = nil
	if t.why == nil {
		t.why = map[store.Outcome]int{}
	}
	for _, item := range a.Items {
		if item.Outcome == store.Done {
			t.last = append(t.last, item.Key)
		} else {
			t.why[item.Outcome]++
		}
	}
	t.done += len(t.last)
	return len(t.last)
}

// words are such as "31 of 50; 19 changed meanwhile".
func (t tally) words() string {
	words := fmt.Sprintf("%d of %d", t.done, t.of)
	separator, others := "; ", 0
	for _, n := range t.why {
		others += n
	}
	for _, o := range []struct {
		outcome store.Outcome
		words   string
	}{
		{store.Changed, "changed meanwhile"}, {store.Missing, "gone"}, {store.NotOrphan, "no orphans"},
		{store.OverBound, "over the store's bound"}, {store.Conflict, "concurrent"}, {store.Kept, "left as they are"},
		{store.Taken, "written since"}, {store.Expired, "expired"}, {store.Unreadable, "unreadable"},
	} {
		if n := t.why[o.outcome]; n > 0 {
			words += fmt.Sprintf("%s%d %s", separator, n, o.words)
			separator, others = ", ", others-n
		}
	}
	if others > 0 {
		words += fmt.Sprintf("%s%d left alone for no reason that is known here", separator, others)
	}
	return words
}

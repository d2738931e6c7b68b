package haproxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/firebreak-sre/firebreak/internal/failpoint"
	"github.com/firebreak-sre/firebreak/internal/haproxy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// before is what a receipt keeps of the server as it was.
type before struct {
	Backend  string `json:"backend"`
	Server   string `json:"server"`
	Admin    string `json:"admin_state"`
	Weight   int    `json:"weight"`
	Sessions int    `json:"sessions"`
}

// Check looks at the pool of the order's node.
func (r *ReadPool) Check(ctx context.Context, o remediations.Order) (remediations.Presence, error) {
	p, server, err := r.find(o.Step)
	if err == nil {
		var s sight
		if s, err = p.look(ctx, server, o); err == nil {
			return remediations.Presence{State: s.state, Detail: s.words}, nil
		}
	}
	return remediations.Presence{State: remediations.Unknown}, fmt.Errorf("check %s: %w", o.Place(), err)
}

// Apply drains the server of the order's node, if it is ready and enough others are.
func (r *ReadPool) Apply(ctx context.Context, o remediations.Order) (remediations.Receipt, error) {
	receipt, err := r.apply(ctx, o)
	if err != nil {
		return remediations.Receipt{}, fmt.Errorf("drain %s: %w", o.Place(), err)
	}
	return receipt, nil
}

func (r *ReadPool) apply(ctx context.Context, o remediations.Order) (remediations.Receipt, error) {
	p, server, err := r.find(o.Step)
	if err != nil {
		return remediations.Receipt{}, err
	}
	need, err := minReady(p, o)
	if err != nil {
		return remediations.Receipt{}, fmt.Errorf("%w: %w", remediations.ErrRefused, err)
	}
	if err := valid(o); err != nil {
		return remediations.Receipt{}, err
	}
	ctx, cancel := context.WithDeadline(ctx, o.Deadline)
	defer cancel()
	s, err := p.look(ctx, server, o)
	switch {
	case err != nil:
		return remediations.Receipt{}, fmt.Errorf("%w: nothing was sent: %w", remediations.ErrRefused, err)
	case s.presumed:
		return remediations.Receipt{}, errors.New("in doubt, nothing was sent: " + s.words)
	case s.state == remediations.Ours:
		return remediations.Receipt{Until: o.Until, Note: s.words + "; it was so already"}, nil
	}
	was, err := p.claim(ctx, server, o, need, s)
	if err != nil {
		return remediations.Receipt{}, err
	}
	return p.drain(ctx, server, o, need, was)
}

// claim says that this order is about to drain the server, and looks at the pool once more: whoever claims after that sees it.
// Nothing that readers feel is changed by it.
func (p pool) claim(ctx context.Context, server string, o remediations.Order, need int, s sight) (sight, error) {
	if err := s.free(need); err != nil {
		return s, err
	}
	s, err := p.change(ctx, server, o, "", haproxy.Mark{Kind: haproxy.Claim, Server: server, Value: claimOf(o)})
	if err != nil {
		return s, fmt.Errorf("%w: haproxy does not keep whose change it is: %w", remediations.ErrRefused, err)
	}
	err = s.free(need)
	if err == nil {
		err = inTime(o)
	}
	if err != nil && s.claimant == "" {
		// Best effort: a claim that stays ends by itself soon after the deadline, and keeps others from draining until then.
		_, _ = p.change(ctx, server, o, "", haproxy.Mark{Kind: haproxy.Claim, Server: server})
	}
	return s, err
}

// free says that the server is as it must be to be drained.
func (s *sight) free(need int) error {
	switch {
	case s.state != remediations.Absent:
		return fmt.Errorf("%w: it changed since it was seen: %s", remediations.ErrRefused, s.words)
	case s.claimant != "":
		return fmt.Errorf("%w: another action is about to drain it: %s", remediations.ErrRefused, s.claimant)
	}
	if s.ready < need {
		return s.tooFew(need)
	}
	return nil
}

// drain sends the change and judges it by what was read back.
func (p pool) drain(ctx context.Context, server string, o remediations.Order, need int, was sight) (remediations.Receipt, error) {
	failpoint.Hit("haproxy:send")
	s, err := p.change(ctx, server, o, haproxy.StateDrain, haproxy.Mark{Kind: haproxy.Held, Server: server, Value: o.Action})
	switch {
	case errors.Is(err, haproxy.ErrNotSent):
		return remediations.Receipt{}, fmt.Errorf("%w: %w", remediations.ErrRefused, err)
	case err != nil && s.state == remediations.Absent:
		return remediations.Receipt{}, fmt.Errorf("%w: %w", remediations.ErrRefused, err)
	case err != nil:
		return remediations.Receipt{}, fmt.Errorf("in doubt: %w", err)
	case s.state != remediations.Ours:
		return remediations.Receipt{}, errors.New("in doubt: right after the command " + s.words)
	}
	if s.ready+s.claims < need { // whoever claimed after us and is not out sees us, and withdraws
		// Somebody who claims nothing took another reader in the moment between. Ours is taken back at once.
		if err := p.putBack(context.WithoutCancel(ctx), server, o); err != nil {
			return remediations.Receipt{}, fmt.Errorf("in doubt, too few readers were left, and it could not be taken back: %s: %w", s.words, err)
		}
		return remediations.Receipt{}, errors.New("in doubt, too few readers were left, and it was taken back at once: " + s.words)
	}
	kept, err := json.Marshal(before{Backend: p.Backend, Server: server, Admin: was.server.Admin.String(), Weight: was.server.Weight,
		Sessions: was.server.Sessions})
	if err != nil {
		return remediations.Receipt{}, fmt.Errorf("in doubt: write down what it was before: %w", err)
	}
	return remediations.Receipt{Until: o.Until, Before: kept,
		Note: fmt.Sprintf("%s; %d open connections go on until they end", s.words, s.server.Sessions)}, nil
}

// Revert puts the server back if it is still ours. If it is ready already, nothing is to be done.
func (r *ReadPool) Revert(ctx context.Context, o remediations.Order, _ remediations.Receipt) error {
	p, server, err := r.find(o.Step)
	if err == nil {
		err = p.putBack(ctx, server, o)
	}
	if err != nil {
		return fmt.Errorf("put %s back: %w", o.Place(), err)
	}
	return nil
}

func (p pool) putBack(ctx context.Context, server string, o remediations.Order) error {
	s, err := p.look(ctx, server, o)
	if err != nil {
		return err
	}
	to := haproxy.StateReady
	switch {
	case s.state == remediations.Absent && s.holder != o.Action:
		return nil
	case s.state == remediations.Absent:
		to = "" // only our mark is left of it
	case s.state != remediations.Ours:
		return fmt.Errorf("%w: %s", remediations.ErrNotOurs, s.words)
	}
	marks := []haproxy.Mark{{Kind: haproxy.Held, Server: server}, {Kind: haproxy.Claim, Server: server}}
	s, err = p.change(ctx, server, o, to, marks...)
	switch {
	case err != nil && s.state != remediations.Absent:
		return err
	case s.state == remediations.Ours:
		return errors.New("it stands still: " + s.words)
	}
	return nil // it is ready, or somebody else has changed it since, which is theirs
}

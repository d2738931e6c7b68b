package haproxy

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/internal/haproxy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// sight is one server as it was seen, and the others of its pool.
type sight struct {
	server   haproxy.Server
	state    remediations.State
	presumed bool     // it is ours for want of a mark
	holder   string   // whose mark it carries, if it is drained with one
	claimant string   // who else is about to drain it
	others   int      // how many others the pool has
	ready    int      // how many of them take connections, and are claimed by nobody
	claims   int      // how many take connections still, and are claimed
	away     []string // why the rest of them do not
	words    string   // all of it, for people
}

// look reads the pool of the order's node.
func (p pool) look(ctx context.Context, server string, o remediations.Order) (sight, error) {
	ctx, cancel := bounded(ctx, o)
	defer cancel()
	v, err := p.Client.Look(ctx, p.Backend, p.servers)
	if err != nil {
		return sight{}, err
	}
	return p.read(v, server, o)
}

// change writes marks of the server, sets its state unless to is empty, and reads the pool back.
func (p pool) change(ctx context.Context, server string, o remediations.Order, to haproxy.State, marks ...haproxy.Mark) (sight, error) {
	ctx, cancel := bounded(ctx, o)
	defer cancel()
	v, err := p.Client.Change(ctx, p.Backend, server, to, marks, p.servers)
	if len(v.Servers) == 0 {
		return sight{}, fmt.Errorf("nothing was read back: %w", err)
	}
	s, unread := p.read(v, server, o)
	if unread != nil {
		return sight{}, unread
	}
	return s, err // what HAProxy said against it, if anything, and how it is all the same
}

// read says what a view comes to for the order.
func (p pool) read(v haproxy.View, server string, o remediations.Order) (sight, error) {
	found, known := v.Find(server)
	if !known {
		return sight{}, fmt.Errorf("backend %s has no server %s", p.Backend, server)
	}
	now := time.Now()
	s := sight{server: found, holder: v.Mark(haproxy.Held, server), claimant: claimed(v, server, o.Action, now, 0)}
	s.judge(v, o)
	for i, other := range p.servers {
		if other == server {
			continue
		}
		s.others++
		switch found, known := v.Find(other); {
		case !known:
			s.away = append(s.away, p.nodes[i]+" is not in the backend")
		case !found.Takes():
			s.away = append(s.away, p.nodes[i]+" is "+found.Why())
		case claimed(v, other, o.Action, now, claimGrace) != "":
			s.claims++
			s.away = append(s.away, p.nodes[i]+" is about to be drained by another action")
		default:
			s.ready++
		}
	}
	s.words = fmt.Sprintf("%s is %s; %d of %d other readers ready", o.Node, s.is(), s.ready, s.others)
	if len(s.away) > 0 {
		s.words += " (" + strings.Join(s.away, ", ") + ")"
	}
	return s, nil
}

// judge says whose change stands at the server; see the package's documentation.
func (s *sight) judge(v haproxy.View, o remediations.Order) {
	s.state = remediations.Foreign
	switch admin := s.server.Admin; {
	case admin.Ready() && s.server.Weight > 0:
		s.state = remediations.Absent
	case !admin.OnlyDrained():
	case s.holder == o.Action && o.Action != "":
		s.state = remediations.Ours
	case s.holder == "" && o.Seen.State == remediations.Absent && v.Carried(s.server):
		s.state, s.presumed = remediations.Ours, true
	}
}

// is says in words how the server is.
func (s *sight) is() string {
	admin := s.server.Admin
	switch {
	case s.state == remediations.Absent && !s.server.OperationalUp:
		return "ready, but down"
	case s.state == remediations.Absent:
		return "ready"
	case s.presumed:
		return "drained since before HAProxy was reloaded, presumed by us"
	case s.state == remediations.Ours:
		return "drained"
	case admin.Ready():
		return "at weight 0, which somebody else set"
	case !admin.OnlyDrained():
		return admin.String() + ", which somebody else set"
	case s.holder == "":
		return "drained by somebody else: there is no mark of ours"
	}
	return "drained by action " + s.holder
}

// tooFew says that a change would leave too few readers.
func (s *sight) tooFew(need int) error {
	return fmt.Errorf("%w: %d other readers must stay: %s", remediations.ErrRefused, need, s.words)
}

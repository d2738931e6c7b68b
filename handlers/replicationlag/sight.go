package replicationlag

import (
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/policy"
)

type look = think.Look[Observation]

// sight is one look, with its nodes in their roles.
type sight struct {
	at      time.Time
	seen    Observation
	primary *Node // the only one that takes writes; nil if the look cannot be judged
	// trouble is why it cannot be judged, or must not be acted on; "" if it can. why says it in words.
	trouble Cause
	why     string
}

// sightOf reads the roles out of a look. The order of the troubles is that of their weight.
func (c cluster) sightOf(l look) sight {
	s := sight{at: l.At, seen: l.Seen}
	var primaries, unread []string
	for i := range s.seen.Nodes {
		switch n := &s.seen.Nodes[i]; {
		case n.Problem != "":
			unread = append(unread, n.Name+" ("+n.Problem+")")
		case n.Primary != nil:
			primaries = append(primaries, n.Name)
			s.primary = n
		}
	}
	foreign := c.foreign(s.seen)
	switch {
	case len(primaries) > 1:
		s.stop(CauseTwoPrimaries, words("%s take writes at the same time: rows written on the one that loses are lost", strings.Join(primaries, " and ")))
	case foreign != "":
		s.stop(CauseProbeUnknown, foreign)
	case len(primaries) == 0 && (len(unread) > 0 || len(s.seen.Nodes) == 0):
		s.stop(CauseProbeUnknown, "no node that could be read takes writes, and these could not be read: "+strings.Join(unread, ", "))
	case len(primaries) == 0:
		s.stop(CauseNoPrimary, "every node answers, and all are in recovery: nobody takes writes")
	case s.primary.Primary.Hidden:
		s.stop(CauseProbeUnknown, words("the views of %s hide their numbers from us, which reads as \"no lag\" and is not: grant pg_monitor to the probe's role", s.primary.Name))
	default:
		s.managed()
	}
	return s
}

func (s *sight) stop(c Cause, why string) { s.trouble, s.why = c, why }

// managed holds the look against what Patroni says.
func (s *sight) managed() {
	p := s.seen.Patroni
	if p == nil || p.Problem != "" {
		return // who cannot be asked is dealt with before anything is changed
	}
	switch leader := p.leader(); {
	case p.Paused:
		s.stop(CauseOwnerPaused, "Patroni is paused: a person has taken the cluster over")
	case p.Switchover:
		s.stop(CauseOwnerPaused, "Patroni has a switchover scheduled: who is the primary is about to change")
	case leader != "" && leader != s.primary.Name:
		s.stop(CauseProbeUnknown, words("Patroni says that %s is the leader, and %s takes writes", leader, s.primary.Name))
	}
}

func (p *Patroni) leader() string {
	for _, m := range p.Members {
		if slices.Contains([]string{"leader", "master", "primary"}, m.Role) {
			return m.Name
		}
	}
	return ""
}

// foreign says that a node is not of this cluster, or does not say of which it is.
func (c cluster) foreign(o Observation) string {
	want, whose := c.topology.SystemIdentifier, "the policy"
	for _, n := range o.Nodes {
		switch {
		case n.Problem != "" && n.SystemIdentifier == "": // it said nothing at all
		case n.SystemIdentifier == "":
			return words("%s does not say its system identifier, so it may be another cluster's", n.Name)
		case want == "":
			want, whose = n.SystemIdentifier, n.Name
		case n.SystemIdentifier != want:
			return words("%s has the system identifier %s, and %s says %s: they are not of the same cluster", n.Name, n.SystemIdentifier, whose, want)
		}
	}
	return ""
}

// node is what one node said; nil if it is not in the look.
func (s sight) node(name string) *Node {
	for i := range s.seen.Nodes {
		if s.seen.Nodes[i].Name == name {
			return &s.seen.Nodes[i]
		}
	}
	return nil
}

// named is a node as the policy has it.
func (r deciding) named(node string) (policy.PostgresNode, bool) {
	i := slices.IndexFunc(r.cluster.topology.Nodes, func(n policy.PostgresNode) bool { return n.Node == node })
	if i < 0 {
		return policy.PostgresNode{}, false
	}
	return r.cluster.topology.Nodes[i], true
}

// recent are the last looks without a long pause or a step back in time between them, oldest first.
func (h *Handler) recent(sights []sight) []sight {
	start := len(sights)
	for start > 0 {
		if start < len(sights) {
			if gap := sights[start].at.Sub(sights[start-1].at); gap < 0 || gap > h.maxGap() {
				break
			}
		}
		start--
	}
	return sights[start:]
}

// reader is a standby's place in the read pool.
func (o Observation) reader(node string) (Reader, bool) {
	if o.Pool == nil || o.Pool.Problem != "" {
		return Reader{}, false
	}
	i := slices.IndexFunc(o.Pool.Readers, func(r Reader) bool { return r.Node == node })
	if i < 0 {
		return Reader{}, false
	}
	return o.Pool.Readers[i], true
}

// ready counts the readers that take new sessions, without one.
func (o Observation) ready(without string) int {
	n := 0
	if o.Pool != nil && o.Pool.Problem == "" {
		for _, r := range o.Pool.Readers {
			if r.Ready && r.Node != without {
				n++
			}
		}
	}
	return n
}

// streaming are the standbys that WAL is sent to, by what they call themselves and their process.
func (p *Primary) streaming() []*Sender {
	var out []*Sender
	for i := range p.Senders {
		if streams(&p.Senders[i]) {
			out = append(out, &p.Senders[i])
		}
	}
	return out
}

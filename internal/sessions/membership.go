package sessions

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// State says what the membership knows of a member.
type State string

// The states of a member.
const (
	// Alive has a lease.
	Alive State = "alive"
	// Silent has none, or has not been without one for long, or somebody vouches for it still. It may be behind a partition.
	Silent State = "silent"
	// Gone had its lease end more than 2 x TTL ago, and no voter of a quorum vouches for it.
	Gone State = "gone"
)

// Node is what one registered node says of itself to the store: the raw material of a membership.
type Node struct {
	Name string
	// Epoch is the generation of the membership that it believes in.
	Epoch uint64
	// Since is when its state last changed, as it says.
	Since time.Time
	// LeaseUntil is when it must have said so again, by the store's clock.
	LeaseUntil time.Time
	// Sees are the nodes that it hears from.
	Sees []string
}

// Member is one registered node, as the store's nodes together know it.
type Member struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	// Since is when this state began.
	Since time.Time `json:"since,omitzero"`
	// Vouched are the voters, beside itself, that say they hear from it.
	Vouched []string `json:"vouched"`
}

// Membership is who is there, and who vouches for it.
type Membership struct {
	// Epoch is the generation. It grows whenever the application changes who is registered.
	Epoch   uint64   `json:"epoch"`
	Members []Member `json:"members"`
	// Quorum says whether more than half of the registered nodes are alive and believe in this epoch: the voters. Without it
	// nobody is gone, and nothing is taken away.
	Quorum bool `json:"quorum"`
	// StableSince is when the last member changed its state.
	StableSince time.Time `json:"stable_since,omitzero"`
	// At is the store's clock when it answered. Deadlines are counted from it.
	At time.Time `json:"at"`
	// TTL is how long a lease lasts. Twice as long after its end it is over for good.
	TTL Seconds `json:"ttl_seconds"`
	// Total is how many live sessions there are; a store may stop counting at [CountUpTo], where the bound does not grow any more.
	Total int `json:"total"`
}

// Judge is the membership that registered nodes make, at a time by the store's clock. It is the rule; stores that cannot call it write it
// again in their own language.
func Judge(now time.Time, ttl time.Duration, nodes []Node) Membership {
	m := Membership{At: now, TTL: Seconds(ttl), Members: []Member{}}
	for _, n := range nodes {
		m.Epoch = max(m.Epoch, n.Epoch)
	}
	var voters []Node
	for _, n := range nodes {
		if n.LeaseUntil.After(now) && n.Epoch == m.Epoch {
			voters = append(voters, n)
		}
	}
	m.Quorum = 2*len(voters) > len(nodes)
	for _, n := range nodes {
		member := n.judge(now, ttl, m.Quorum, voters)
		m.Members = append(m.Members, member)
		if member.Since.After(m.StableSince) {
			m.StableSince = member.Since
		}
	}
	slices.SortFunc(m.Members, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	return m
}

func (n Node) judge(now time.Time, ttl time.Duration, quorum bool, voters []Node) Member {
	m := Member{Name: n.Name, State: Silent, Since: n.LeaseUntil, Vouched: []string{}}
	for _, v := range voters {
		if v.Name != n.Name && slices.Contains(v.Sees, n.Name) {
			m.Vouched = append(m.Vouched, v.Name)
		}
	}
	slices.Sort(m.Vouched)
	switch {
	case n.LeaseUntil.After(now):
		m.State, m.Since = Alive, n.Since
	case quorum && len(m.Vouched) == 0 && now.Sub(n.LeaseUntil) > 2*ttl:
		m.State = Gone
	}
	return m
}

// Is is the state of a name. Who is not registered is gone, but only to a quorum.
func (m Membership) Is(name string) State {
	for _, member := range m.Members {
		if member.Name == name {
			return member.State
		}
	}
	if m.Quorum {
		return Gone
	}
	return Silent
}

// Orphan says whether a session is one, by what this membership knows; see the package's words. A membership without a quorum or a TTL
// knows none.
func Orphan(s Session, m Membership) bool {
	return m.Quorum && m.TTL > 0 && s.Quarantined == nil && s.Epoch <= m.Epoch &&
		m.At.Sub(s.LeaseUntil) > 2*m.TTL.Duration() && m.Is(s.Owner) == Gone
}

// Check refuses a membership that contradicts itself. What comes from another program is checked before it is believed.
func (m Membership) Check() error {
	alive := 0
	seen := map[string]bool{}
	for _, member := range m.Members {
		switch {
		case !isName(member.Name, longestName) || seen[member.Name]:
			return fmt.Errorf("member %q: no name, or there twice", member.Name)
		case !slices.Contains([]State{Alive, Silent, Gone}, member.State):
			return fmt.Errorf("member %q: state %q is unknown", member.Name, member.State)
		case member.State == Gone && (!m.Quorum || len(member.Vouched) > 0):
			return fmt.Errorf("member %q: gone without a quorum, or while somebody vouches for it", member.Name)
		}
		seen[member.Name] = true
		if member.State == Alive {
			alive++
		}
	}
	switch {
	case m.At.IsZero() || m.TTL <= 0:
		return errors.New("the membership has no time or no TTL")
	case m.Epoch > MaxNumber || m.Total < 0:
		return errors.New("the membership has an epoch or a total out of range")
	case m.Quorum && 2*alive <= len(m.Members):
		return errors.New("the membership says that it has a quorum, and not more than half of its members are alive")
	}
	return nil
}

package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// Seat is what one server says of its place.
type Seat struct {
	// Name is what the store calls it, "" for its primary. Addr is where it answers.
	Name, Addr string
	Primary    bool
	// Follows is the address of the server that it follows, as it was told; "" for a primary.
	Follows string
	// Linked says that it hears from that server and has a whole copy.
	Linked bool
	// Failover is its own word for one that it carries out, [NoFailover] if it does not.
	Failover string
	Cut      sessions.Cut
}

// The states of a failover, in the words of Redis.
const (
	// NoFailover: none is under way.
	NoFailover = "no-failover"
	// WaitingForSync: writes are held up until the replica has everything. Ending it here has no effect but to let them go.
	WaitingForSync = "waiting-for-sync"
	// HandingOver: the primary has given up its role, and the replica may have taken it already.
	HandingOver = "failover-in-progress"
)

// Seat asks a server.
func (s *Store) Seat(ctx context.Context, node string) (Seat, error) {
	c, err := s.node(node)
	if err != nil {
		return Seat{}, err
	}
	i, err := readInfo(ctx, c)
	if err != nil {
		return Seat{}, err
	}
	seat := Seat{Name: node, Addr: s.addr(node), Primary: i["role"] == "master", Failover: i["master_failover_state"]}
	if !seat.Primary {
		seat.Follows = net.JoinHostPort(i["master_host"], i["master_port"])
		seat.Linked = i["master_link_status"] == "up" && i["master_sync_in_progress"] == "0"
	}
	seat.Cut, err = i.cut()
	return seat, err
}

func (s *Store) addr(node string) string {
	for _, r := range s.config.Replicas {
		if r.Name == node {
			return r.Addr
		}
	}
	return s.config.Primary
}

// Facing is the same store with the roles that its servers have now: after a failover the primary is another one than the policy says. All
// servers that answer are asked, and exactly one must be a primary. What the policy calls the primary has no name there; as a replica it
// is called by its address. Connections are shared: closing either closes both.
func (s *Store) Facing(ctx context.Context) (*Store, error) {
	var found []Seat
	var errs []error
	for _, name := range s.Names() {
		seat, err := s.Seat(ctx, name)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", s.addr(name), err))
		case seat.Primary:
			found = append(found, seat)
		}
	}
	switch {
	case len(found) == 0:
		return nil, fmt.Errorf("%w: no server is a primary: %w", sessions.ErrBusy, errors.Join(errs...))
	case len(found) > 1:
		return nil, fmt.Errorf("%w: %s and %s are both primaries", sessions.ErrBusy, found[0].Addr, found[1].Addr)
	}
	return s.At(found[0].Name)
}

// Names are what the store calls its servers, its primary first.
func (s *Store) Names() []string {
	names := []string{sessions.Primary}
	for _, r := range s.config.Replicas {
		names = append(names, r.Name)
	}
	return names
}

// At is the same store with one of its servers as the primary, whatever that server says of itself.
func (s *Store) At(name string) (*Store, error) {
	switch _, known := s.replicas[name]; {
	case name == sessions.Primary:
		return s, nil
	case known:
		return s.turned(name), nil
	}
	return nil, fmt.Errorf("%w: %q", sessions.ErrUnknownNode, name)
}

// turned is the store as it is when a replica has become the primary.
func (s *Store) turned(to string) *Store {
	t := &Store{config: s.config, primary: s.replicas[to], replicas: maps.Clone(s.replicas), scripts: s.scripts}
	was := Replica{Name: s.config.Primary, Addr: s.config.Primary}
	t.config.Primary, t.config.Replicas = s.addr(to), []Replica{was}
	for _, r := range s.config.Replicas {
		if r.Name != to {
			t.config.Replicas = append(t.config.Replicas, r)
		}
	}
	delete(t.replicas, to)
	t.replicas[was.Name] = s.primary
	return t
}

// listed is how the primary knows the replica at an address: it may have a name, where the primary has a number.
func (i info) listed(ctx context.Context, addr string) (info, error) {
	if line, ok := i.of(addr); ok {
		return line, nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("read the address of a replica: %w", err)
	}
	numbers, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("look up a replica: %w", err)
	}
	for _, n := range numbers {
		if line, ok := i.of(n + ":" + port); ok {
			return line, nil
		}
	}
	return nil, fmt.Errorf("the primary lists no replica at %s (which is %s)", addr, strings.Join(numbers, ", "))
}

package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// Heir is what has to be known of a replica before it may become the primary.
type Heir struct {
	// Host and Port are what the primary calls it. State is the primary's word for it, "online" for one that follows.
	Host, Port, State string
	// Mode is the primary's: only "standalone" can be failed over here.
	Mode string
	// Sentinels is how many watch the primary: they would take a failover for a failure.
	Sentinels int64
	// Used and Limit are the replica's memory, in bytes. A replica does not keep its limit; as a primary it would throw sessions away. Limit
	// is 0 where there is none.
	Used, Limit uint64
}

// sentinelChannel is where Sentinels meet at every server that they watch.
const sentinelChannel = "__sentinel__:hello"

// Heir asks the primary and the replica.
func (s *Store) Heir(ctx context.Context, node string) (Heir, error) {
	var h Heir
	c, err := s.node(node)
	if err != nil {
		return h, err
	}
	if node == sessions.Primary {
		return h, fmt.Errorf("%w: the primary is no replica", sessions.ErrUnknownNode)
	}
	primary, err := s.primaryInfo(ctx)
	if err != nil {
		return h, err
	}
	line, err := primary.listed(ctx, s.addr(node))
	if err != nil {
		return h, err
	}
	h.Host, h.Port, h.State = line["ip"], line["port"], line["state"]
	server, err := infoOf(ctx, s.primary, "server")
	if err != nil {
		return h, err
	}
	h.Mode = server["redis_mode"]
	watched, err := s.primary.PubSubNumSub(ctx, sentinelChannel).Result()
	if err != nil {
		return h, fmt.Errorf("ask whether a Sentinel watches: %w", err)
	}
	h.Sentinels = watched[sentinelChannel]
	memory, err := infoOf(ctx, c, "memory")
	if err != nil {
		return h, err
	}
	if h.Used, err = number(memory["used_memory"]); err == nil {
		h.Limit, err = number(memory["maxmemory"])
	}
	if err != nil {
		return h, fmt.Errorf("read the memory of %s: %w", s.addr(node), err)
	}
	return h, nil
}

// Failover asks the primary to hand its role to a replica, and returns at once: the server does it by itself, also if nobody watches. It
// holds writes up until the replica has everything, gives up by itself after within if that does not come to be, and never forces
// anything. An error that wraps sessions.ErrRefused proves that nothing was begun.
func (s *Store) Failover(ctx context.Context, to Heir, within time.Duration) error {
	if within < time.Millisecond {
		return fmt.Errorf("%w: a failover takes a time limit, and got %s", sessions.ErrRequest, within)
	}
	err := s.primary.Do(ctx, "FAILOVER", "TO", to.Host, to.Port, "TIMEOUT", within.Milliseconds()).Err()
	return said("begin a failover", err)
}

// EndFailover takes a failover back. In the state HandingOver that can make two primaries, see package move.
func (s *Store) EndFailover(ctx context.Context) error {
	return said("end the failover", s.primary.Do(ctx, "FAILOVER", "ABORT").Err())
}

// said makes a refusal of what the server answered no to.
func said(what string, err error) error {
	var answer goredis.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer):
		return fmt.Errorf("%s: %w: %s", what, sessions.ErrBusy, strings.TrimPrefix(answer.Error(), "ERR "))
	}
	return fmt.Errorf("%s: %w", what, err)
}

package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// info is a section of INFO, by its fields.
type info map[string]string

func readInfo(ctx context.Context, c *goredis.Client) (info, error) {
	return infoOf(ctx, c, "replication")
}

func infoOf(ctx context.Context, c *goredis.Client, section string) (info, error) {
	text, err := c.Info(ctx, section).Result()
	if err != nil {
		return nil, fmt.Errorf("read %s of redis: %w", section, err)
	}
	i := info{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			i[key] = value
		}
	}
	return i, nil
}

// cut is the server's position. A replica counts what it has applied.
func (i info) cut() (sessions.Cut, error) {
	field := "master_repl_offset"
	if i["role"] == "slave" {
		field = "slave_repl_offset"
	}
	n, err := number(i[field])
	if err != nil || i["master_replid"] == "" {
		return sessions.Cut{}, fmt.Errorf("read the position of redis: %s is %q of %q", field, i[field], i["master_replid"])
	}
	return sessions.Cut{History: i["master_replid"], Position: n}, nil
}

// contact is how long ago a replica heard from its primary, by itself.
func (i info) contact() (time.Duration, bool) {
	longest, known := time.Duration(0), false
	for _, field := range []string{"master_last_io_seconds_ago", "master_link_down_since_seconds"} {
		if n, err := strconv.Atoi(i[field]); err == nil && n >= 0 {
			longest, known = max(longest, time.Duration(n)*time.Second), true
		}
	}
	return longest, known
}

// Cut is the primary's position.
func (s *Store) Cut(ctx context.Context) (sessions.Cut, error) {
	i, err := s.primaryInfo(ctx)
	if err != nil {
		return sessions.Cut{}, err
	}
	return i.cut()
}

// errNotPrimary is a primary that follows another one: it was failed over, and the policy does not know yet.
var errNotPrimary = errors.New("it is not a primary")

func (s *Store) primaryInfo(ctx context.Context) (info, error) {
	i, err := readInfo(ctx, s.primary)
	if err == nil && i["role"] != "master" {
		err = fmt.Errorf("%w: %s: %w", sessions.ErrBusy, s.config.Primary, errNotPrimary)
	}
	return i, err
}

// Replication is how far each replica is: by its own position, and by what the primary has heard of it.
func (s *Store) Replication(ctx context.Context) (sessions.Replication, error) {
	at, err := now(ctx, s.primary)
	if err != nil {
		return sessions.Replication{}, err
	}
	// The replicas first: a position of the primary that is read later is never under theirs.
	infos := make([]info, len(s.config.Replicas))
	var asked sync.WaitGroup // side by side: one that hangs must not hold up the others
	for n, r := range s.config.Replicas {
		asked.Go(func() { infos[n], _ = readInfo(ctx, s.replicas[r.Name]) }) // one that does not answer is unreachable
	}
	asked.Wait()
	primary, err := s.primaryInfo(ctx)
	if err != nil {
		return sessions.Replication{}, err
	}
	cut, err := primary.cut()
	if err != nil {
		return sessions.Replication{}, err
	}
	result := sessions.Replication{Cut: cut, At: at, Replicas: []sessions.Replica{}}
	for n, r := range s.config.Replicas {
		result.Replicas = append(result.Replicas, replica(r, infos[n], primary, cut, at))
	}
	for n, r := range s.config.Replicas {
		if found := &result.Replicas[n]; found.Known && found.LagUnits > 0 {
			asked.Go(func() { s.catchUp(ctx, s.replicas[r.Name], cut, found) })
		}
	}
	asked.Wait()
	return result, nil
}

// catchUp waits for a replica that is behind. When it was last heard from says how old what it lacks is only if its link is silent: a stream
// that comes late, and all the time, looks fresh. One that does not arrive in time, and is heard from, is behind by nobody knows how much.
func (s *Store) catchUp(ctx context.Context, c *goredis.Client, cut sessions.Cut, found *sessions.Replica) {
	began := time.Now()
	_, err := reach(ctx, c, cut, s.config.Wait)
	switch took := time.Since(began).Seconds(); {
	case err == nil:
		found.LagSeconds = max(found.LagSeconds, took)
	case found.LagSeconds <= s.config.Wait.Seconds()+1:
		found.Known = false
	}
}

func replica(r Replica, own, primary info, cut sessions.Cut, at time.Time) sessions.Replica {
	result := sessions.Replica{Name: r.Name, State: "unreachable"}
	if own == nil {
		return result
	}
	if own["role"] != "slave" {
		result.State = "not a replica"
		return result
	}
	result.State = own["master_link_status"]
	heard, known := own.contact()
	if line, ok := primary.of(r.Addr); ok && line["state"] != "" {
		if result.State == "up" {
			result.State = line["state"]
		}
		// A held link looks up from the replica for a while. What the primary hears of it ages.
		if n, err := strconv.Atoi(line["lag"]); err == nil {
			heard, known = max(heard, time.Duration(n)*time.Second), true
		}
	}
	if known {
		result.LastContact = at.Add(-heard)
	}
	position, err := own.cut()
	if err != nil || position.History != cut.History {
		result.State += ", another history"
		return result
	}
	result.Known = true
	if position.Position < cut.Position {
		result.LagUnits = cut.Position - position.Position
		result.LagSeconds = heard.Seconds() + 1 // whole seconds are all that Redis says
	}
	return result
}

// of is the primary's line about the replica at an address: slave0:ip=…,port=…,state=…,offset=…,lag=….
func (i info) of(addr string) (info, bool) {
	for n := 0; ; n++ {
		line, ok := i["slave"+strconv.Itoa(n)]
		if !ok {
			return nil, false
		}
		parts := info{}
		for part := range strings.SplitSeq(line, ",") {
			if key, value, ok := strings.Cut(part, "="); ok {
				parts[key] = value
			}
		}
		if parts["ip"]+":"+parts["port"] == addr {
			return parts, true
		}
	}
}

// pollEvery is how often a replica is asked whether it has reached a cut.
const pollEvery = 20 * time.Millisecond

// reach waits until a server has reached a cut.
func reach(ctx context.Context, c *goredis.Client, cut sessions.Cut, within time.Duration) (sessions.Cut, error) {
	end := time.NewTimer(within)
	defer end.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for over := false; ; {
		i, err := readInfo(ctx, c)
		if err != nil {
			return sessions.Cut{}, err
		}
		at, err := i.cut()
		if err != nil {
			return sessions.Cut{}, err
		}
		behind := at.History != cut.History || at.Position < cut.Position
		if cut.IsZero() || !behind {
			return at, nil
		}
		if over || at.History != cut.History {
			return at, fmt.Errorf("%w: it is at %d of %s", sessions.ErrBehind, at.Position, at.History)
		}
		select {
		case <-ctx.Done():
			return at, fmt.Errorf("wait for a position: %w", context.Cause(ctx))
		case <-end.C:
			over = true
		case <-tick.C:
		}
	}
}

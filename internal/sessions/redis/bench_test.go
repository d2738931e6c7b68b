package redis_test

import (
	"context"
	"encoding/json"
	"strconv"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/redis"
	"github.com/firebreak-sre/firebreak/internal/sessions/sessionstest"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

const (
	patience = 30 * time.Second
	prefix   = "sess:"
	ttl      = time.Minute
)

// bench is a real Redis with an application's sessions in it.
type bench struct {
	*testbed.Redis
	store *redis.Store
	app   *goredis.Client
}

var (
	_ sessionstest.Bench       = (*bench)(nil)
	_ sessionstest.Partitioner = (*bench)(nil)
)

func newBench(t *testing.T, o testbed.RedisOptions) *bench {
	t.Helper()
	b := &bench{Redis: testbed.StartRedis(t, o)}
	b.app = goredis.NewClient(&goredis.Options{Addr: b.Primary.Addr, Protocol: 2})
	t.Cleanup(func() { _ = b.app.Close() })
	b.store = open(t, b.config())
	if err := b.SetQuorum(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) config() redis.Config {
	c := redis.Config{Primary: b.Primary.Addr, Prefix: prefix, TTL: ttl, Timeout: patience, Wait: 500 * time.Millisecond}
	for _, r := range b.Replicas {
		c.Replicas = append(c.Replicas, redis.Replica{Name: r.Name, Addr: r.Addr})
	}
	return c
}

func open(t *testing.T, c redis.Config) *redis.Store {
	t.Helper()
	s, err := redis.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// SetQuorum registers three nodes, of which two have a lease or have lost it.
func (b *bench) SetQuorum(ctx context.Context, has bool) error {
	now, err := b.app.Time(ctx).Result()
	if err != nil {
		return err
	}
	for name, sees := range map[string][]string{"a": {"b", "c"}, "b": {"a", "c"}, "c": {"a", "b"}} {
		lease := now.Add(time.Hour)
		if !has && name != "a" {
			lease = now.Add(-time.Second)
		}
		text, err := json.Marshal(map[string]any{"epoch": 7, "since": now.Add(-time.Hour).UnixMilli(), "lease_until": lease.UnixMilli(), "sees": sees})
		if err != nil {
			return err
		}
		if err := b.app.HSet(ctx, prefix+"nodes", name, text).Err(); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) Make(ctx context.Context, m sessionstest.Made) error {
	now, err := b.app.Time(ctx).Result()
	if err != nil {
		return err
	}
	values := []any{"owner", m.Owner, "epoch", m.Epoch, "version", m.Version.String(), "lease_until", m.Lease(now).UnixMilli(),
		"priority", string(m.Priority), "updated_at", now.UnixMilli()}
	for key, value := range m.Contents {
		values = append(values, "c:"+key, value)
	}
	name := prefix + "s:" + m.Key.String()
	_, err = b.app.TxPipelined(ctx, func(p goredis.Pipeliner) error {
		p.Del(ctx, name)
		p.HSet(ctx, name, values...)
		return nil
	})
	return err
}

func (b *bench) Contents(ctx context.Context, key sessions.Key) (map[string]string, bool, error) {
	all, err := b.app.HGetAll(ctx, prefix+"s:"+key.String()).Result()
	contents := map[string]string{}
	for field, value := range all {
		if len(field) > 2 && field[:2] == "c:" {
			contents[field[2:]] = value
		}
	}
	return contents, len(all) > 0, err
}

func (b *bench) Remove(ctx context.Context, key sessions.Key) error {
	keys, err := b.app.Keys(ctx, prefix+"q:*@"+key.String()).Result()
	if err != nil {
		return err
	}
	return b.app.Del(ctx, append(keys, prefix+"s:"+key.String())...).Err()
}

// fill makes orphans, in one go.
func (b *bench) fill(t *testing.T, n int) {
	t.Helper()
	now, err := b.app.Time(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.app.Pipelined(t.Context(), func(p goredis.Pipeliner) error {
		for i := range n {
			p.HSet(t.Context(), prefix+"s:"+id(i), "owner", "dead", "epoch", 5, "version", 1, "lease_until", now.Add(-time.Hour).UnixMilli(),
				"data", "contents of "+id(i))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func id(i int) string { return "user-" + strconv.Itoa(i) }

// order is one that may be carried out.
func order(t *testing.T, s sessions.Looker, action string, limit int) sessions.Order {
	t.Helper()
	m, err := s.Membership(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return sessions.Order{Action: action, Epoch: m.Epoch, Max: limit, Deadline: m.At.Add(time.Minute)}
}

// list is sessions by their ids.
func list(t *testing.T, s sessions.Looker, node string, ids ...string) []sessions.Session {
	t.Helper()
	page, err := s.List(t.Context(), sessions.Query{Node: node, IDs: ids})
	if err != nil {
		t.Fatal(err)
	}
	return page.Sessions
}

package drifttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// prefix begins the names of all keys.
const prefix = "sess:"

// redisStore is the application's store in Redis.
type redisStore struct {
	*testbed.Redis
	admin *goredis.Client
}

var _ store = (*redisStore)(nil)

func redisClient(addr string) *goredis.Client {
	return goredis.NewClient(&goredis.Options{
		Addr: addr, Protocol: 2, MaxRetries: -1, DialerRetries: 1, DialTimeout: time.Second, ReadTimeout: callWithin, WriteTimeout: callWithin,
		DisableIdentity: true, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

// startRedis starts a primary with a replica, which takes writes, so that a run can spoil it, and which gives its primary up only when a run is
// over.
func startRedis(t testbed.TB) *redisStore {
	r := testbed.StartRedis(t, testbed.RedisOptions{Args: []string{"--replica-read-only", "no", "--repl-timeout", "60"}})
	s := &redisStore{Redis: r, admin: redisClient(r.Primary.Addr)}
	t.Cleanup(func() { _ = s.admin.Close() })
	return s
}

func (s *redisStore) addr() string { return s.Primary.Addr }

func (s *redisStore) open(addr string) client { return &redisNode{redisClient(addr)} }

// empty takes everything out, and waits until the replica has seen it.
func (s *redisStore) empty(ctx context.Context) error {
	return s.admin.FlushAll(ctx).Err()
}

// level says whether the replica has all that was written.
func (s *redisStore) level() bool {
	line, err := s.Primary.Info("replication", "slave0")
	if err != nil || !strings.Contains(line, "state=online") {
		return false
	}
	sent, err := s.Primary.Info("replication", "master_repl_offset")
	if err != nil {
		return false
	}
	got, err := s.Replicas[0].Info("replication", "slave_repl_offset")
	at, wrong := strconv.Atoi(got)
	of, odd := strconv.Atoi(sent)
	return err == nil && wrong == nil && odd == nil && of-at < 1<<16
}

func (s *redisStore) put(ctx context.Context, all []record) error {
	_, err := s.admin.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for _, r := range all {
			p.HSet(ctx, prefix+"s:"+r.key, "owner", r.owner, "epoch", r.epoch, "version", r.version, "lease_until", r.lease.UnixMilli(),
				"priority", r.priority, "data", r.data)
		}
		return nil
	})
	return err
}

// age puts back by d whatever a node that has ended last wrote: its own lease and those of its sessions.
func (s *redisStore) age(ctx context.Context, name string, d time.Duration) error {
	text, err := s.admin.HGet(ctx, prefix+"nodes", name).Result()
	if err != nil {
		return err
	}
	var said redisMember
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		return err
	}
	said.Lease -= d.Milliseconds()
	all, err := s.read(ctx)
	if err != nil {
		return err
	}
	aged, err := json.Marshal(said)
	if err != nil {
		return err
	}
	_, err = s.admin.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for key, r := range all {
			if r.owner == name && r.by == "" {
				p.HSet(ctx, prefix+"s:"+key, "lease_until", r.lease.Add(-d).UnixMilli())
			}
		}
		p.HSet(ctx, prefix+"nodes", name, aged)
		return nil
	})
	return err
}

// read is what the primary holds, by the application's own means.
func (s *redisStore) read(ctx context.Context) (map[string]record, error) {
	return readRedis(ctx, s.admin)
}

// readRedis reads all sessions at one server, those in quarantine too. Each has its name without an action.
func readRedis(ctx context.Context, c *goredis.Client) (map[string]record, error) {
	keys, err := c.Keys(ctx, prefix+"*").Result()
	if err != nil {
		return nil, err
	}
	all, reads := map[string]record{}, map[string]*goredis.MapStringStringCmd{}
	_, err = c.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for _, key := range keys {
			if rest := strings.TrimPrefix(key, prefix); strings.HasPrefix(rest, "s:") || strings.HasPrefix(rest, "q:") {
				reads[rest] = p.HGetAll(ctx, key)
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, goredis.Nil) {
		return nil, err
	}
	for rest, read := range reads {
		r, err := redisRecord(read.Val())
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", rest, err)
		}
		kind, name, _ := strings.Cut(rest, ":")
		if kind == "q" {
			r.by, name, _ = strings.Cut(name, "@")
		}
		r.key = name
		if other, twice := all[name]; twice {
			return nil, fmt.Errorf("session %s is there twice: %v and %v", name, r, other)
		}
		all[name] = r
	}
	return all, nil
}

func redisRecord(fields map[string]string) (record, error) {
	r := record{owner: fields["owner"], version: fields["version"], priority: fields["priority"], data: fields["data"]}
	var errs [2]error
	var lease int64
	r.epoch, errs[0] = strconv.Atoi(fields["epoch"])
	lease, errs[1] = strconv.ParseInt(fields["lease_until"], 10, 64)
	r.lease = time.UnixMilli(lease).UTC()
	for _, name := range []string{"owner", "version", "priority", "data", "epoch", "lease_until"} {
		delete(fields, name)
	}
	if len(fields) > 0 {
		return r, fmt.Errorf("it has fields that nobody wrote: %v", fields)
	}
	return r, errors.Join(errs[:]...)
}

func (s *redisStore) actions(ctx context.Context) ([]string, error) {
	keys, err := s.admin.Keys(ctx, prefix+"a:*").Result()
	for i, key := range keys {
		keys[i] = strings.TrimPrefix(key, prefix+"a:")
	}
	return keys, err
}

// registered are the nodes that the store knows, by what they say of themselves.
func (s *redisStore) registered(ctx context.Context) (map[string]member, error) {
	fields, err := s.admin.HGetAll(ctx, prefix+"nodes").Result()
	if err != nil {
		return nil, err
	}
	all := map[string]member{}
	for name, text := range fields {
		var said redisMember
		if err := json.Unmarshal([]byte(text), &said); err != nil {
			return nil, err
		}
		all[name] = member{name: name, epoch: said.Epoch, since: time.UnixMilli(said.Since), lease: time.UnixMilli(said.Lease), sees: said.Sees}
	}
	return all, nil
}

// policy is what an operator writes about the store.
func (s *redisStore) policy() (clusters, place string) {
	return "", fmt.Sprintf("redis: {primary: %q, replicas: [{name: replica1, address: %q}], prefix: %q, timeout: 1s, wait: 1s}",
		s.Primary.Addr, s.Replicas[0].Addr, prefix)
}

// redisMember is a node in the store.
type redisMember struct {
	Epoch int      `json:"epoch"`
	Since int64    `json:"since"`
	Lease int64    `json:"lease_until"`
	Sees  []string `json:"sees"`
}

// redisNode is a node's client.
type redisNode struct{ c *goredis.Client }

func (n *redisNode) close() { _ = n.c.Close() }

func (n *redisNode) register(ctx context.Context, m member) error {
	text, err := json.Marshal(redisMember{Epoch: m.epoch, Since: m.since.UnixMilli(), Lease: m.lease.UnixMilli(), Sees: m.sees})
	if err != nil {
		return err
	}
	return n.c.HSet(ctx, prefix+"nodes", m.name, text).Err()
}

// renewScript renews what is the node's: nobody serves what is another one's.
const renewScript = `local mine = {}
for i = 4, #ARGV do
  local key = ARGV[1] .. ARGV[i]
  if redis.call('HGET', key, 'owner') == ARGV[2] then
    redis.call('HSET', key, 'lease_until', ARGV[3])
    mine[#mine + 1] = ARGV[i]
  end
end
return mine`

func (n *redisNode) renew(ctx context.Context, node string, lease time.Time, ids []string) ([]string, error) {
	args := []any{prefix + "s:", node, lease.UnixMilli()}
	for _, id := range ids {
		args = append(args, id)
	}
	return n.c.Eval(ctx, renewScript, nil, args...).StringSlice()
}

const writeScript = `if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'version', ARGV[2], 'data', ARGV[3])
  return 1
end
return 0`

func (n *redisNode) write(ctx context.Context, node, id string, version int, data string) error {
	done, err := n.c.Eval(ctx, writeScript, []string{prefix + "s:" + id}, node, version, data).Int()
	if err == nil && done == 0 {
		err = fmt.Errorf("write %s: %w", id, errNotMine)
	}
	return err
}

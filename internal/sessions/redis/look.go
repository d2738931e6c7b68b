package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// member is what a registered node writes of itself.
type member struct {
	Epoch      uint64   `json:"epoch"`
	Since      int64    `json:"since"`
	LeaseUntil int64    `json:"lease_until"`
	Sees       []string `json:"sees"`
}

// Membership is who is there by the primary.
func (s *Store) Membership(ctx context.Context) (sessions.Membership, error) {
	if _, err := s.primaryInfo(ctx); err != nil {
		return sessions.Membership{}, err
	}
	total, err := s.count(ctx)
	if err != nil {
		return sessions.Membership{}, err
	}
	raw, err := s.primary.HGetAll(ctx, s.nodesKey()).Result()
	if err != nil {
		return sessions.Membership{}, fmt.Errorf("read the nodes: %w", err)
	}
	if len(raw) > maxNodes {
		return sessions.Membership{}, fmt.Errorf("read the nodes: there are %d, at most %d", len(raw), maxNodes)
	}
	var nodes []sessions.Node
	for name, text := range raw {
		var m member
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			return sessions.Membership{}, fmt.Errorf("read node %q: %w", name, err)
		}
		nodes = append(nodes, sessions.Node{Name: name, Epoch: m.Epoch, Sees: m.Sees,
			Since: time.UnixMilli(m.Since).UTC(), LeaseUntil: time.UnixMilli(m.LeaseUntil).UTC()})
	}
	// The clock last: nobody is taken for alive whose lease ended meanwhile.
	at, err := now(ctx, s.primary)
	if err != nil {
		return sessions.Membership{}, err
	}
	m := sessions.Judge(at, s.config.TTL, nodes)
	m.Total = total
	return m, m.Check()
}

// countSteps bounds the steps of a count.
const countSteps = 4000

// count counts live sessions, up to where it does not matter any more. A scan may show a key twice; it is counted once. Where sessions are
// few among millions of other keys it stops early: fewer are counted then, so less is allowed.
func (s *Store) count(ctx context.Context) (int, error) {
	seen, steps := map[string]struct{}{}, 0
	err := scan(ctx, s.primary, s.livePattern(), func(keys []string) bool {
		steps++
		for _, key := range keys {
			seen[key] = struct{}{}
		}
		return len(seen) < sessions.CountUpTo && steps < countSteps
	})
	return len(seen), err
}

// scan walks over the keys of a pattern until more says no.
func scan(ctx context.Context, c *goredis.Client, pattern string, more func(keys []string) bool) error {
	for cursor := uint64(0); ; {
		keys, next, err := c.Scan(ctx, cursor, pattern, scanStep).Result()
		if err != nil {
			return fmt.Errorf("scan keys: %w", err)
		}
		if !more(keys) || next == 0 {
			return nil
		}
		cursor = next
	}
}

// List gives sessions of a server. Without ids it is a scan: each page is a step of it, and may hold more than was asked for, as Redis
// cannot cut a step in two. What is in quarantine is always found by a scan, also by its ids.
func (s *Store) List(ctx context.Context, q sessions.Query) (sessions.Page, error) {
	if err := q.Check(); err != nil {
		return sessions.Page{}, err
	}
	c, err := s.node(q.Node)
	if err != nil {
		return sessions.Page{}, err
	}
	if _, err := reach(ctx, c, q.Cut, s.config.Wait); err != nil {
		return sessions.Page{}, err
	}
	keys, next, err := s.keys(ctx, c, q)
	if err != nil {
		return sessions.Page{}, err
	}
	page := sessions.Page{Sessions: []sessions.Session{}, Next: next}
	if page.At, err = now(ctx, c); err != nil {
		return sessions.Page{}, err
	}
	list, unreadable, err := s.read(ctx, c, keys)
	if err != nil {
		return sessions.Page{}, err
	}
	page.Unreadable = unreadable
	for _, found := range list {
		if (q.Owner == "" || found.Owner == q.Owner) && (q.Bucket == 0 || bucketOf(found.ID)+1 == q.Bucket) &&
			(len(q.IDs) == 0 || slices.Contains(q.IDs, found.ID)) {
			page.Sessions = append(page.Sessions, found)
		}
	}
	page.Cut, err = reach(ctx, c, sessions.Cut{}, 0)
	return page, err
}

// keys are those of one page.
func (s *Store) keys(ctx context.Context, c *goredis.Client, q sessions.Query) ([]string, string, error) {
	if len(q.IDs) > 0 && !q.Quarantined {
		names, err := c.HKeys(ctx, s.nodesKey()).Result()
		if err != nil {
			return nil, "", fmt.Errorf("read the nodes: %w", err)
		}
		var keys []string
		for _, id := range q.IDs {
			keys = append(keys, s.liveKey(sessions.Key{ID: id}))
			for _, name := range names[:min(len(names), maxNodes)] {
				keys = append(keys, s.liveKey(sessions.Key{ID: id, Copy: name}))
			}
		}
		return keys, "", nil
	}
	cursor := uint64(0)
	if q.Cursor != "" {
		var err error
		if cursor, err = strconv.ParseUint(q.Cursor, 10, 64); err != nil {
			return nil, "", fmt.Errorf("%w: cursor %q", sessions.ErrRequest, q.Cursor)
		}
	}
	pattern := s.livePattern()
	if q.Quarantined {
		pattern = s.quarantinedPattern()
	}
	keys, next, err := c.Scan(ctx, cursor, pattern, int64(q.Limit)).Result()
	if err != nil {
		return nil, "", fmt.Errorf("scan keys: %w", err)
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	if next == 0 {
		return keys, "", nil
	}
	return keys, strconv.FormatUint(next, 10), nil
}

// read reads the sessions of keys, live or quarantined. Keys that are not there any more are left out.
func (s *Store) read(ctx context.Context, c *goredis.Client, keys []string) (list []sessions.Session, unreadable int, err error) {
	if len(keys) == 0 {
		return nil, 0, nil
	}
	values := make([]*goredis.SliceCmd, len(keys))
	there := make([]*goredis.DurationCmd, len(keys))
	_, err = c.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for i, key := range keys {
			values[i], there[i] = p.HMGet(ctx, key, fields()...), p.PExpireTime(ctx, key)
		}
		return nil
	})
	var said goredis.Error
	if err != nil && !errors.As(err, &said) {
		return nil, 0, fmt.Errorf("read sessions: %w", err)
	}
	for i, key := range keys {
		expires, err := there[i].Result()
		if err != nil {
			return nil, 0, fmt.Errorf("read %s: %w", key, err)
		}
		if expires == -2 { // there is no such key
			continue
		}
		found, err := s.parseAs(key, values[i], expires)
		if err != nil {
			unreadable++
			continue
		}
		list = append(list, found)
	}
	return list, unreadable, nil
}

// parseAs reads a session by the name of its key, which says whether it is live.
func (s *Store) parseAs(name string, values *goredis.SliceCmd, expires time.Duration) (sessions.Session, error) {
	if values.Err() != nil {
		return sessions.Session{}, values.Err()
	}
	text, live := s.isLive(name)
	action := ""
	if !live {
		action, text, _ = strings.Cut(strings.TrimPrefix(name, s.config.Prefix+"q:"), "@")
	}
	key, ok := parseKey(text)
	if !ok {
		return sessions.Session{}, fmt.Errorf("read key %q: it names no session", name)
	}
	found, err := parse(key, values.Val())
	if err == nil && !live {
		until := time.UnixMilli(expires.Milliseconds()).UTC()
		found.Quarantined = &sessions.Quarantined{Action: action, At: until.Add(-sessions.QuarantineFor), Until: until}
	}
	return found, err
}

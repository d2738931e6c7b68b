package redis

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	goredis "github.com/redis/go-redis/v9"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

var _ sessions.Reader = (*Store)(nil)

// contentsStep is how many sessions are read whole at once: they may be large.
const contentsStep = 100

// Contents gives sessions of a server with a print of each. Both are from one read of the session, so they belong together.
func (s *Store) Contents(ctx context.Context, q sessions.Query) (sessions.Contents, error) {
	var result sessions.Contents
	if err := q.Check(); err != nil {
		return result, err
	}
	if q.Quarantined {
		return result, fmt.Errorf("%w: contents are read of live sessions only", sessions.ErrRequest)
	}
	q.Limit = min(q.Limit, contentsStep)
	c, err := s.node(q.Node)
	if err != nil {
		return result, err
	}
	if _, err := reach(ctx, c, q.Cut, s.config.Wait); err != nil {
		return result, err
	}
	keys, next, err := s.keys(ctx, c, q)
	if err != nil {
		return result, err
	}
	result.Page = sessions.Page{Sessions: []sessions.Session{}, Next: next}
	if result.At, err = now(ctx, c); err != nil {
		return sessions.Contents{}, err
	}
	for part := range slices.Chunk(keys, contentsStep) {
		if err := s.readWhole(ctx, c, q, part, &result); err != nil {
			return sessions.Contents{}, err
		}
	}
	result.Cut, err = reach(ctx, c, sessions.Cut{}, 0)
	return result, err
}

// readWhole adds the sessions of keys that the query wants.
func (s *Store) readWhole(ctx context.Context, c *goredis.Client, q sessions.Query, keys []string, into *sessions.Contents) error {
	values := make([]*goredis.MapStringStringCmd, len(keys))
	_, err := c.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for i, key := range keys {
			values[i] = p.HGetAll(ctx, key)
		}
		return nil
	})
	var said goredis.Error
	if err != nil && !errors.As(err, &said) {
		return fmt.Errorf("read sessions: %w", err)
	}
	for i, name := range keys {
		all, err := values[i].Result()
		if err == nil && len(all) == 0 { // there is no such key
			continue
		}
		text, _ := s.isLive(name)
		key, ok := parseKey(text)
		if err != nil || !ok {
			into.Unreadable++
			continue
		}
		var list []any
		for _, field := range fields() {
			list = append(list, all[field])
		}
		found, err := parse(key, list)
		switch {
		case err != nil:
			into.Unreadable++
		case q.Owner == "" || found.Owner == q.Owner:
			if q.Bucket == 0 || bucketOf(found.ID)+1 == q.Bucket {
				into.Sessions, into.Prints = append(into.Sessions, found), append(into.Prints, printOf(all))
			}
		}
	}
	return nil
}

// printOf is over all fields but those that move on without a write. Names and values are written with their lengths, so that no two
// sessions are written in the same way.
func printOf(all map[string]string) string {
	sum := sha256.New()
	add := func(text string) {
		sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
		sum.Write([]byte(text))
	}
	for _, field := range slices.Sorted(maps.Keys(all)) {
		if field != "lease_until" && field != "updated_at" {
			add(field)
			add(all[field])
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:12])
}

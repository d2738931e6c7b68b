package redis

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// Digest scans a server. Redis has no snapshots: what is written meanwhile may be in it or not, which is why From and To differ then. Keys
// that are no sessions are only counted, all in the first bucket's hash.
func (s *Store) Digest(ctx context.Context, node string, cut sessions.Cut) (sessions.Digest, error) {
	c, err := s.node(node)
	if err != nil {
		return sessions.Digest{}, err
	}
	d := sessions.Digest{Node: node, Buckets: make([]sessions.Bucket, sessions.Buckets)}
	if d.From, err = reach(ctx, c, cut, s.config.Wait); err != nil {
		return sessions.Digest{}, err
	}
	var sums [sessions.Buckets]uint64
	seen := map[string]struct{}{}
	var failed error
	err = scan(ctx, c, s.livePattern(), func(keys []string) bool {
		var fresh []string
		for _, key := range keys { // a scan may show a key twice
			if _, twice := seen[key]; !twice {
				seen[key] = struct{}{}
				fresh = append(fresh, key)
			}
		}
		list, unreadable, err := s.read(ctx, c, fresh)
		switch {
		case err != nil:
			failed = err
		case unreadable > 0:
			sums[0] += uint64(unreadable) // they are not compared, but not hidden either
		case len(seen) > maxSessions:
			failed = fmt.Errorf("count sessions: there are more than %d", maxSessions)
		}
		for _, found := range list {
			b := bucketOf(found.ID)
			d.Buckets[b].Count++
			sums[b] += fingerprint(found)
		}
		return failed == nil
	})
	if err != nil || failed != nil {
		return sessions.Digest{}, fmt.Errorf("digest: %w", firstOf(err, failed))
	}
	for i, sum := range sums {
		d.Buckets[i].Hash = fmt.Sprintf("%016x", sum)
	}
	d.To, err = reach(ctx, c, sessions.Cut{}, 0)
	return d, err
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// fingerprint is added up, so the order in which sessions are found does not matter.
func fingerprint(s sessions.Session) uint64 {
	sum := sha256.Sum256([]byte(strings.Join([]string{s.ID, s.Copy, s.Owner, fmt.Sprint(s.Epoch), s.Version.String()}, "\x00")))
	return binary.BigEndian.Uint64(sum[:])
}

func bucketOf(id string) int {
	sum := sha256.Sum256([]byte(id))
	return int(sum[0]) % sessions.Buckets
}

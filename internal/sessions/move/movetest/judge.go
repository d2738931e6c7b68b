package movetest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Verdict is what became of acknowledged writes.
type Verdict struct {
	// Sessions is how many were acknowledged at least once, Acked how many writes were.
	Sessions int
	Acked    uint64
	// Lost are sessions that are not there, Older those in a version before one that was acknowledged, Torn those whose contents are not
	// those of their version, Strange those that nobody wrote.
	Lost, Older, Torn, Strange []string
}

// OK says whether nothing was lost or doubled.
func (v Verdict) OK() bool {
	return len(v.Lost)+len(v.Older)+len(v.Torn)+len(v.Strange) == 0
}

// String is the verdict in a line.
func (v Verdict) String() string {
	return fmt.Sprintf("%d sessions, %d acknowledged writes: %d lost %s, %d older %s, %d torn %s, %d strange %s", v.Sessions, v.Acked,
		len(v.Lost), few(v.Lost), len(v.Older), few(v.Older), len(v.Torn), few(v.Torn), len(v.Strange), few(v.Strange))
}

func few(names []string) string { return fmt.Sprint(names[:min(len(names), 5)]) }

// Judge reads every session at one server, by the application's own means. Nothing may write meanwhile.
func (l *Load) Judge(ctx context.Context, addr string) (Verdict, error) {
	var v Verdict
	at := slices.Index(l.config.Addrs, addr)
	if at < 0 {
		return v, fmt.Errorf("judge: there is no server %s", addr)
	}
	c := l.clients[at]
	written := map[string]bool{}
	for _, w := range l.writers {
		for _, s := range w.sessions {
			written[l.key(s.id)] = true
			if s.acked == 0 {
				continue
			}
			v.Sessions++
			v.Acked += s.acked
			all, err := c.HGetAll(ctx, l.key(s.id)).Result()
			if err != nil {
				return v, fmt.Errorf("judge: %w", err)
			}
			version, err := strconv.ParseUint(all["version"], 10, 64)
			switch {
			case len(all) == 0:
				v.Lost = append(v.Lost, s.id)
			case err != nil || version < s.acked:
				v.Older = append(v.Older, s.id)
			case version > s.tried || all["cart"] != l.Contents(s.id, version):
				v.Torn = append(v.Torn, s.id)
			}
		}
	}
	keys, err := c.Keys(ctx, l.config.Prefix+"s:*").Result()
	if err != nil {
		return v, fmt.Errorf("judge: %w", err)
	}
	for _, key := range keys {
		if !written[key] {
			v.Strange = append(v.Strange, strings.TrimPrefix(key, l.config.Prefix+"s:"))
		}
	}
	return v, nil
}

// Package movetest is an application that keeps its sessions in Redis while they are moved: writers that know which of their writes were
// acknowledged, and a judge that says what became of those.
package movetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Config is the application.
type Config struct {
	// Addrs are all servers. Writers find out which of them is the primary, as clients of Redis do.
	Addrs []string
	// Prefix begins the names of all keys.
	Prefix string
	// Sessions is how many there are at the beginning. One write in twenty makes a new one.
	Sessions int
	// Writers is how many write at once, default 4; each has sessions of its own. Every is how long each rests between two writes.
	Writers int
	Every   time.Duration
	// Size is how many bytes each session holds besides, default 200.
	Size int
}

// Load is the application at work.
type Load struct {
	config  Config
	clients []*goredis.Client
	writers []*writer

	mu      sync.Mutex
	slowest time.Duration // the longest that one write took since Mark; guarded by mu
	writes  int           // how many were acknowledged since Mark; guarded by mu
}

// writer writes sessions of its own, so that the versions of each go up by one.
type writer struct {
	name     string
	sessions []*session
	primary  int // the server that it believes in
	round    int
}

// session is what a writer knows of one.
type session struct {
	id string
	// acked is the last version that was acknowledged, tried the last that was sent.
	acked, tried uint64
}

// New makes the application. It connects to nothing.
func New(c Config) *Load {
	if c.Writers == 0 {
		c.Writers = 4
	}
	if c.Size == 0 {
		c.Size = 200
	}
	l := &Load{config: c}
	for _, addr := range c.Addrs {
		l.clients = append(l.clients, goredis.NewClient(&goredis.Options{
			Addr: addr, Protocol: 2, MaxRetries: -1, DialerRetries: 1, DialTimeout: time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute,
			DisableIdentity: true, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		}))
	}
	for i := range c.Writers {
		l.writers = append(l.writers, &writer{name: "app" + strconv.Itoa(i)})
	}
	for i := range c.Sessions {
		w := l.writers[i%c.Writers]
		w.sessions = append(w.sessions, &session{id: "s" + strconv.Itoa(i)})
	}
	return l
}

// Close ends all connections.
func (l *Load) Close() error {
	var errs []error
	for _, c := range l.clients {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Fill registers the application's nodes and writes each session once.
func (l *Load) Fill(ctx context.Context) error {
	now := time.Now()
	var names []string
	for _, w := range l.writers {
		names = append(names, w.name)
	}
	for _, w := range l.writers {
		node, err := json.Marshal(map[string]any{"epoch": 1, "since": now.UnixMilli(), "lease_until": now.Add(time.Hour).UnixMilli(),
			"sees": names})
		if err != nil {
			return fmt.Errorf("write a node: %w", err)
		}
		if err := l.clients[w.primary].HSet(ctx, l.config.Prefix+"nodes", w.name, node).Err(); err != nil {
			return fmt.Errorf("register a node: %w", err)
		}
		for part := range slices.Chunk(w.sessions, 500) {
			_, err := l.clients[w.primary].Pipelined(ctx, func(p goredis.Pipeliner) error {
				for _, s := range part {
					s.tried = 1
					p.HSet(ctx, l.key(s.id), l.fields(w, s)...)
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("make sessions: %w", err)
			}
			for _, s := range part {
				s.acked = 1
			}
		}
	}
	return nil
}

func (l *Load) key(id string) string { return l.config.Prefix + "s:" + id }

// Contents is what a session holds in a version: whoever reads another text has a mixture of two versions.
func (l *Load) Contents(id string, version uint64) string {
	text := fmt.Sprintf("contents of %s in version %d ", id, version)
	for len(text) < l.config.Size {
		text += text
	}
	return text[:max(l.config.Size, 1)]
}

func (l *Load) fields(w *writer, s *session) []any {
	now := time.Now()
	return []any{"owner", w.name, "epoch", 1, "version", s.tried, "lease_until", now.Add(time.Hour).UnixMilli(), "updated_at", now.UnixMilli(),
		"cart", l.Contents(s.id, s.tried)}
}

// Run writes until ctx ends. It returns when each writer has got the answer to its last write.
func (l *Load) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, w := range l.writers {
		all.Go(func() { l.work(ctx, w) })
	}
	all.Wait()
}

func (l *Load) work(ctx context.Context, w *writer) {
	tick := time.NewTicker(max(l.config.Every, time.Microsecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		w.round++
		if w.round%20 == 0 {
			w.sessions = append(w.sessions, &session{id: w.name + "-" + strconv.Itoa(w.round)})
			l.write(ctx, w, w.sessions[len(w.sessions)-1])
			continue
		}
		if len(w.sessions) > 0 {
			l.write(ctx, w, w.sessions[(w.round*7919)%len(w.sessions)])
		}
	}
}

// write writes the next version of a session until it is acknowledged, or ctx ends. A write whose answer is lost may have been done: the
// next try has the next version, so no version has two contents.
func (l *Load) write(ctx context.Context, w *writer, s *session) {
	began := time.Now()
	for ctx.Err() == nil {
		s.tried++
		// The answer to what was sent is awaited in any case: that it was acknowledged must be known.
		err := l.clients[w.primary].HSet(context.WithoutCancel(ctx), l.key(s.id), l.fields(w, s)...).Err()
		if err == nil {
			s.acked = s.tried
			l.note(time.Since(began))
			return
		}
		w.primary = l.find(ctx, w.primary)
	}
}

// find asks all servers for the primary, and keeps to the old one if none says that it is.
func (l *Load) find(ctx context.Context, was int) int {
	for i := range l.clients {
		n := (was + 1 + i) % len(l.clients)
		if role, err := l.clients[n].Do(ctx, "ROLE").Slice(); err == nil && len(role) > 0 && role[0] == "master" {
			return n
		}
	}
	return was
}

func (l *Load) note(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slowest = max(l.slowest, took)
	l.writes++
}

// Mark gives the time that the slowest write took since the mark before, and of how many. From the first try until the acknowledgement:
// it is the pause that a client sees.
func (l *Load) Mark() (slowest time.Duration, writes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slowest, writes = l.slowest, l.writes
	l.slowest, l.writes = 0, 0
	return slowest, writes
}

package movetest

import (
	"context"
	"errors"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Lag measures how long it takes until another server has what was just written, again and again until ctx ends: in the mean time the
// servers may exchange their roles. What was not acknowledged, or has not arrived when ctx ends, is no measurement. Redis itself only
// knows whole seconds.
func (l *Load) Lag(ctx context.Context, every time.Duration) []time.Duration {
	var all []time.Duration
	tick := time.NewTicker(every)
	defer tick.Stop()
	primary := 0
	for {
		select {
		case <-ctx.Done():
			return all
		case <-tick.C:
		}
		written := time.Now()
		beat := strconv.FormatInt(written.UnixNano(), 10)
		if err := l.clients[primary].Set(ctx, l.config.Prefix+"beat", beat, 0).Err(); err != nil {
			primary = l.find(ctx, primary)
			continue
		}
		acked := time.Now()
		for i := range l.clients {
			if i != primary && l.arrived(ctx, i, beat) {
				all = append(all, time.Since(acked))
			}
		}
	}
}

// arrived waits until a server has a beat. It is false when ctx ends, or the server does not answer.
func (l *Load) arrived(ctx context.Context, server int, beat string) bool {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		got, err := l.clients[server].Get(ctx, l.config.Prefix+"beat").Result()
		if got == beat {
			return true
		}
		if err != nil && !errors.Is(err, goredis.Nil) || ctx.Err() != nil {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

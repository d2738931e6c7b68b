package storm

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// payments serves a bounded queue, first come first served, with a fixed number of workers. A worker finishes what it took,
// whether or not anybody still waits for it.
type payments struct {
	workers int
	work    time.Duration
	queue   chan chan struct{}
	arrived atomic.Uint64

	mu        sync.Mutex // guards the fields below
	factor    int
	slowUntil time.Time
}

func newPayments(cfg Config) *payments {
	return &payments{workers: cfg.Workers, work: cfg.Work, queue: make(chan chan struct{}, cfg.Queue)}
}

func (p *payments) slow(factor int, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.factor, p.slowUntil = factor, time.Now().Add(d)
}

func (p *payments) duration() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.slowUntil) {
		return p.work * time.Duration(p.factor)
	}
	return p.work
}

func (p *payments) run(ctx context.Context) {
	var wg sync.WaitGroup
	for range p.workers {
		wg.Go(func() {
			for {
				select {
				case done := <-p.queue:
					if !nap(ctx, p.duration()) {
						return
					}
					close(done)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	wg.Wait()
}

// nap waits, as work does that is not the processor's. It is false if ctx ended first.
func nap(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// ServeHTTP queues a request, or refuses it with 503 when the queue is full.
func (p *payments) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.arrived.Add(1)
	done := make(chan struct{})
	select {
	case p.queue <- done:
	default:
		http.Error(w, "queue full", http.StatusServiceUnavailable)
		return
	}
	select {
	case <-done:
		w.WriteHeader(http.StatusOK)
	case <-r.Context().Done(): // the caller has gone; its place in the queue stays
	}
}

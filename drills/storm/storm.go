// Package storm is a real two-service system that can be brought into a real retry storm: checkout calls payments over HTTP, with
// retries, and users call checkout at a steady rate. It is what the demo, the end-to-end test and the benchmarks act on.
//
// Payments serves a queue with a fixed number of workers, and finishes what it has begun, as most servers do. Slow makes it slow for a while: the
// queue grows past checkout's patience, checkout tries again, and now payments works for callers that have gone. When it is fast
// again the storm goes on by itself: each user's request costs it several attempts, and by the time that it answers one nobody waits any more. That state is
// called metastable. It ends when the attempts stop for as long as the queue needs to drain.
//
// Nothing here knows of Firebreak but the breaker client inside of checkout.
package storm

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/remediations/breaker/client"
	"github.com/nats-io/nats.go"
)

// Config is the size of the system. Zero fields take the defaults, which make a storm on one slow core as well.
type Config struct {
	// Conn is checkout's connection to the bus. Required.
	Conn *nats.Conn
	// Rate is how many requests a second users make. Default 80.
	Rate float64
	// Workers and Work are payments' capacity: so many at once, each that long. Default 4 and 30ms: 133 a second.
	Workers int
	Work    time.Duration
	// Queue is how many requests payments lets wait. Default 300.
	Queue int
	// Patience is how long checkout waits for one attempt, Attempts how many it makes. Default 300ms and 4.
	Patience time.Duration
	Attempts int
}

func (c Config) withDefaults() Config {
	if c.Rate == 0 {
		c.Rate = 80
	}
	if c.Workers == 0 {
		c.Workers = 4
	}
	if c.Work == 0 {
		c.Work = 30 * time.Millisecond
	}
	if c.Queue == 0 {
		c.Queue = 300
	}
	if c.Patience == 0 {
		c.Patience = 300 * time.Millisecond
	}
	if c.Attempts == 0 {
		c.Attempts = 4
	}
	return c
}

// System is the two services and their users, running.
type System struct {
	payments *payments
	checkout *checkout
	users    *users
	client   *client.Client
	servers  []*http.Server
	wg       sync.WaitGroup
	stop     context.CancelFunc
	urls     [2]string
}

// Start runs the system on free ports of the loopback address, until ctx ends or Close.
func Start(ctx context.Context, cfg Config) (*System, error) {
	cfg = cfg.withDefaults()
	ctx, stop := context.WithCancel(ctx)
	s := &System{stop: stop, payments: newPayments(cfg)}
	if err := s.start(ctx, cfg); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *System) start(ctx context.Context, cfg Config) error {
	s.wg.Go(func() { s.payments.run(ctx) })
	var err error
	if s.urls[0], err = s.listen(s.payments); err != nil {
		return err
	}
	s.client, err = client.Start(ctx, client.Config{Conn: cfg.Conn, Service: "checkout", Instance: "checkout-1", Edges: []string{"payments"}})
	if err != nil {
		return fmt.Errorf("start the breaker client: %w", err)
	}
	s.checkout = newCheckout(cfg, s.client, s.urls[0])
	if s.urls[1], err = s.listen(s.checkout.routes()); err != nil {
		return err
	}
	s.users = newUsers(cfg.Rate, s.urls[1]+"/buy")
	s.wg.Go(func() { s.users.run(ctx) })
	return nil
}

func (s *System) listen(h http.Handler) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	s.servers = append(s.servers, srv)
	s.wg.Go(func() { _ = srv.Serve(l) }) // returns when it is closed
	return "http://" + l.Addr().String(), nil
}

// Slow makes payments slower by a factor for a while. It returns at once.
func (s *System) Slow(factor int, d time.Duration) { s.payments.slow(factor, d) }

// StatsURL is where checkout shows its counters as JSON; MetricsURL as Prometheus reads them.
func (s *System) StatsURL() string { return s.urls[1] + "/debug/edges" }

// MetricsURL is checkout's /metrics.
func (s *System) MetricsURL() string { return s.urls[1] + "/metrics" }

// Reading is the system's counters at one moment.
type Reading struct {
	At time.Time
	// Edge is what checkout counts of its calls to payments.
	Edge client.Counts
	// Asked, Served and Refused are the users' requests: all, those answered well, and those refused at once.
	Asked, Served, Refused uint64
	// Arrived counts the attempts that reached payments. Waiting is how many wait there now.
	Arrived uint64
	Waiting int
	// Held says whether the edge is held, and Released which share of the calls goes free all the same.
	Held     bool
	Released int
}

// Read reads all counters.
func (s *System) Read() Reading {
	edge := s.client.Edge("payments")
	r := Reading{At: time.Now(), Edge: edge.Counts(), Asked: s.users.asked.Load(), Served: s.users.served.Load(),
		Refused: s.users.refused.Load(), Arrived: s.payments.arrived.Load(), Waiting: len(s.payments.queue)}
	if lease, held := edge.Held(); held {
		r.Held, r.Released = true, lease.Released
	}
	return r
}

// Rates are what happened between two readings, a second.
type Rates struct {
	// Ratio is attempts per call.
	Ratio float64
	// Goodput is the users' requests that were answered well, Offered all of them, Attempts those that reached payments.
	Goodput, Offered, Attempts float64
	Waiting                    int
	Held                       bool
	Released                   int
}

// Since are the rates from an earlier reading to this one.
func (r Reading) Since(e Reading) Rates {
	sec := r.At.Sub(e.At).Seconds()
	if sec <= 0 {
		return Rates{}
	}
	per := func(now, then uint64) float64 { return float64(now-then) / sec }
	rates := Rates{Goodput: per(r.Served, e.Served), Offered: per(r.Asked, e.Asked), Attempts: per(r.Arrived, e.Arrived),
		Waiting: r.Waiting, Held: r.Held, Released: r.Released}
	if calls := r.Edge.Calls - e.Edge.Calls; calls > 0 {
		rates.Ratio = float64(r.Edge.Attempts-e.Edge.Attempts) / float64(calls)
	}
	return rates
}

// Close ends everything and waits for it.
func (s *System) Close() {
	s.stop()
	for _, srv := range s.servers {
		_ = srv.Close()
	}
	if s.client != nil {
		s.client.Close()
	}
	s.wg.Wait()
}

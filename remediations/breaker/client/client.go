package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/firebreak-sre/firebreak/remediations/breaker/lease"
)

// DefaultMaxTTL is the longest that one lease is held without being renewed if Config does not say otherwise.
const DefaultMaxTTL = 15 * time.Minute

// Config is what a service says about itself.
type Config struct {
	// Conn is the service's connection to NATS. Required; it stays the caller's. Let it reconnect for ever.
	Conn *nats.Conn
	// Service is the name by which Firebreak knows the service, [A-Za-z0-9_-]+. Required.
	Service string
	// Instance tells the instances of a service apart. Empty: host name and process id. What cannot be in a key becomes "_".
	Instance string
	// Edges are the dependencies that the service has, each [A-Za-z0-9_-]+. Edge may name further ones later.
	Edges []string
	// MaxTTL bounds what a lease may ask for. Zero: DefaultMaxTTL.
	MaxTTL time.Duration
	// Logger is told when an edge is held and let go. Nil: silent.
	Logger *slog.Logger
}

// Client holds the edges of one instance of a service as Firebreak says.
type Client struct {
	conn     *nats.Conn
	js       jetstream.JetStream
	service  string
	instance string
	maxTTL   time.Duration
	log      *slog.Logger
	pace     pace

	table   table
	changed chan struct{} // has room for one: something is new to report
	stop    context.CancelFunc
	running sync.WaitGroup
}

// pace is how often things happen. Only tests use another one than the default.
type pace struct {
	relist, retry, setup, report time.Duration
}

func defaultPace() pace {
	return pace{relist: 30 * time.Second, retry: 2 * time.Second, setup: 10 * time.Second, report: lease.ReportEvery}
}

// Start begins to watch, and returns at once: a service starts whether or not NATS or Firebreak are there. It fails only if
// the configuration is wrong. The client ends with ctx, or with Close.
func Start(ctx context.Context, cfg Config) (*Client, error) { return start(ctx, cfg, defaultPace()) }

func start(ctx context.Context, cfg Config, p pace) (*Client, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("start breaker client: %w", err)
	}
	js, err := jetstream.New(cfg.Conn)
	if err != nil {
		return nil, fmt.Errorf("start breaker client: %w", err)
	}
	c := &Client{
		conn: cfg.Conn, js: js, service: cfg.Service, instance: lease.Token(cfg.Instance), maxTTL: cfg.MaxTTL, log: cfg.Logger,
		pace: p, changed: make(chan struct{}, 1), table: table{edges: map[string]*Edge{}, holds: map[string]*hold{}},
	}
	if cfg.Instance == "" {
		c.instance = ownName()
	}
	if c.maxTTL == 0 {
		c.maxTTL = DefaultMaxTTL
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	for _, name := range cfg.Edges {
		c.Edge(name)
	}
	ctx, c.stop = context.WithCancel(ctx)
	c.running.Go(func() { c.follow(ctx) })
	c.running.Go(func() { c.attend(ctx) })
	return c, nil
}

func (cfg Config) check() error {
	if cfg.Conn == nil {
		return errors.New("no connection to NATS")
	}
	if cfg.MaxTTL < 0 {
		return fmt.Errorf("max TTL %s is negative", cfg.MaxTTL)
	}
	if !lease.ValidToken(cfg.Service) {
		return fmt.Errorf("%w: service %q is not [A-Za-z0-9_-]+", lease.ErrInvalid, cfg.Service)
	}
	for _, e := range cfg.Edges {
		if !lease.ValidToken(e) {
			return fmt.Errorf("%w: edge %q is not [A-Za-z0-9_-]+", lease.ErrInvalid, e)
		}
	}
	return nil
}

func ownName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return lease.Token(host + "-" + strconv.Itoa(os.Getpid()))
}

// Close stops watching and says that this instance is gone. Edges that are held stay so until their deadlines.
func (c *Client) Close() {
	c.stop()
	c.running.Wait()
}

// Edge is the edge of that name. It is the same value each time.
func (c *Client) Edge(name string) *Edge {
	e, isNew := c.table.edge(name)
	if isNew {
		c.touch()
	}
	return e
}

// touch asks for a report.
func (c *Client) touch() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

func (c *Client) all() []*Edge { return c.table.all() }

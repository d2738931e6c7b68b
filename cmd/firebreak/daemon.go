package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/console/backlog"
	"github.com/firebreak-sre/firebreak/handlers"
	orders "github.com/firebreak-sre/firebreak/incidents/desk"
	sessionwatch "github.com/firebreak-sre/firebreak/internal/sessions/watch"
	"github.com/firebreak-sre/firebreak/internal/tracing/otlp"
	"github.com/firebreak-sre/firebreak/internal/trust"
	"github.com/firebreak-sre/firebreak/notify"
	"github.com/firebreak-sre/firebreak/notify/ladder"
	"github.com/firebreak-sre/firebreak/notify/slack"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/receiver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
)

// daemon is everything that serves, put together. This and wire.go are the only places where things are built.
type daemon struct {
	log     zerolog.Logger
	policy  settings
	trust   *trust.Trust
	tracing *otlp.Exporter // nil if the policy names no collector
	bus     *bus.Bus
	journal *bus.Journal
	kernel  *kernel
	servers *databases
	runner  *handlers.Runner
	desk    *orders.Desk
	reread  *receiver.Reread
	// beside are the parts that watch: each runs as long as everything else.
	beside   []part
	places   []place
	tellers  []*notify.Teller
	slack    *slack.Slack   // nil if the policy names none
	ladder   *ladder.Runner // nil if the policy has none
	listener net.Listener
	server   *http.Server
	// stopping ends with endWatches, when the server begins to stop: a watch would hold it up.
	stopping   context.Context //nolint:containedctx // a running service
	endWatches context.CancelFunc
}

// newDaemon builds everything and takes the listener; nothing runs yet, but the embedded bus.
func newDaemon(ctx context.Context, s settings, log zerolog.Logger) (*daemon, error) {
	d := &daemon{log: log, policy: s}
	d.stopping, d.endWatches = context.WithCancel(context.WithoutCancel(ctx))
	if err := d.build(ctx); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (d *daemon) build(ctx context.Context) error {
	var err error
	if d.trust, err = openTrust(d.policy.Policy, d.log); err != nil {
		return err
	}
	store, err := busConfig(d.policy.Bus, d.trust, d.log)
	if err != nil {
		return err
	}
	if d.bus, err = bus.Open(ctx, store); err != nil {
		return trust.Hint(err)
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(), busUsage(d.bus), incidentsUsage(d.bus))
	agenda, err := d.bus.Agenda(ctx, handlers.AgendaName)
	if err != nil {
		return err
	}
	reg.MustRegister(backlog.New(d.bus, agenda))
	if d.tracing, err = newTracing(d.policy.Tracing, d.trust.Config(), d.bus.Name(), reg, d.log); err != nil {
		return err
	}
	d.journal = d.bus.Journal()
	if d.kernel, err = newKernel(ctx, d.bus, d.policy.Policy, d.trust); err != nil {
		return err
	}
	if d.servers, err = openDatabases(d.policy.Policy, d.trust, d.log); err != nil {
		return err
	}
	if d.runner, err = newRunner(ctx, d.bus, d.kernel, d.servers, d.policy, d.trust, d.tracing.Tracer(), reg, d.log); err != nil {
		return err
	}
	if d.desk, err = d.newDesk(ctx); err != nil {
		return err
	}
	if d.beside, err = d.withArchive(d.watchers(reg), reg); err != nil {
		return err
	}
	if d.slack, err = newSlack(ctx, d.bus, d.desk, d.policy.Policy, d.trust, reg, d.log); err != nil {
		return err
	}
	if d.places, err = newPlaces(d.bus, d.policy.Policy, d.slack, d.trust); err != nil {
		return err
	}
	if d.ladder, err = newLadder(ctx, d.bus, d.policy.Policy, d.places, d.log); err != nil {
		return err
	}
	d.tellers = newTellers(d.bus, d.places, d.ladder, d.tracing.Tracer(), reg, d.log)
	routes, err := d.routes(ctx, reg)
	if err != nil {
		return err
	}
	if d.listener, err = listen(d.policy.Server, d.log); err != nil {
		return err
	}
	d.server = &http.Server{Handler: routes, ErrorLog: stdlog.New(strangers{d.log}, "", 0), ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	d.server.RegisterOnShutdown(d.endWatches)
	return nil
}

// part is something that runs until it is told to stop.
type part struct {
	name string
	run  func(context.Context) error
}

// watchers are what looks after us, and after what no webhook says.
func (d *daemon) watchers(reg prometheus.Registerer) []part {
	sources := make([]handlers.Source, len(d.kernel.peers))
	for i, am := range d.policy.Alertmanagers {
		sources[i] = handlers.Source{Alertmanager: d.kernel.peers[i], Receiver: am.Receiver}
	}
	parts := []part{
		{"databases", d.servers.Run},
		{"reconciling", handlers.NewReconciler(d.runner.Loop, sources, d.journal, 0).Run},
		{"heartbeat", newHeartbeat(d.bus.Ready, d.policy.Guard.Heartbeat, outgoing(d.trust), reg, d.log).Run},
		{"signals", func(ctx context.Context) error { return watchSignals(ctx, d.kernel.brake, d.log) }},
	}
	if len(d.policy.Sessions) > 0 {
		measured := sessionwatch.New(sessionwatch.Config{Stores: d.servers.stores.lookers(), Log: d.log})
		reg.MustRegister(measured)
		parts = append(parts, part{"measuring sessions", measured.Run})
	}
	if w := d.policy.Guard.Watchdog; w != nil {
		parts = append(parts, part{"watchdog", handlers.NewDeaf(d.runner.Loop, d.bus, d.kernel.watchdog, *w).Run})
	}
	return parts
}

func (d *daemon) routes(ctx context.Context, reg *prometheus.Registry) (http.Handler, error) {
	metrics := receiver.NewMetrics(reg)
	ams := make([]receiver.Alertmanager, len(d.kernel.peers))
	for i, am := range d.kernel.peers {
		ams[i] = am
	}
	d.reread = receiver.NewReread(ams, d.journal, metrics, d.log)
	d.reread.Tracer = d.tracing.Tracer()
	api, err := d.newAPI(ctx)
	if err != nil {
		return nil, err
	}
	srv := d.policy.Server
	return receiver.NewGuarded(receiver.Routes{
		Webhook: receiver.NewWebhook(receiver.Config{
			Journal: d.journal, Auth: webhookAuth(srv.Webhook), MaxBody: int64(srv.MaxBody), StoreTimeout: srv.StoreTimeout.D(),
			Metrics: metrics, Tracer: d.tracing.Tracer(), Log: d.log, Truncated: d.reread.Ask,
		}),
		Health:  receiver.Healthy(),
		Ready:   receiver.Ready([]receiver.Check{{Name: "bus", Ask: d.bus.Ready}}),
		Metrics: promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg, MaxRequestsInFlight: 4}),
		API:     d.withBackups(api),
		Slack:   interactions(d.slack),
	}, reg, nil, d.log), nil
}

// watchesUntil ends with ctx what may take long: watches, and the reading of many records. Everything else is short, and is finished.
func watchesUntil(ctx context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path := strings.TrimSuffix(r.URL.Path, "/"); strings.HasSuffix(path, "/watch") || strings.HasSuffix(path, "/records") {
			until, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(ctx, cancel)()
			r = r.WithContext(until)
		}
		next.ServeHTTP(w, r)
	})
}

// strangers is where the server's own words go: nearly all are about connections of which no request came, and whoever reaches the listener can
// make any number of them.
type strangers struct{ log zerolog.Logger }

// Write logs one line, for those who look for it.
func (s strangers) Write(line []byte) (int, error) {
	s.log.Debug().Str("words", string(bytes.TrimRight(line, "\n"))).Msg("the http server says something of a connection")
	return len(line), nil
}

func listen(s policy.Server, log zerolog.Logger) (net.Listener, error) {
	cfg, err := listening("server.tls", s.TLS, log)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", s.Listen, err)
	}
	if cfg == nil {
		return l, nil
	}
	return tls.NewListener(l, cfg), nil
}

// URL is where the daemon is reached.
func (d *daemon) URL() string {
	scheme := "http"
	if d.policy.Server.TLS.CertFile != "" {
		scheme = "https"
	}
	return scheme + "://" + d.listener.Addr().String()
}

// Run serves until ctx ends: first nothing new is taken, then what is in hand is finished, then the bus is closed by Close.
func (d *daemon) Run(ctx context.Context) error {
	g := newGroup(ctx)
	stopJournal := make(chan struct{})
	g.run("http server", func(ctx context.Context) error { return d.serve(ctx, stopJournal) })
	g.run("journal", func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		go func() { <-stopJournal; cancel() }() // bodies that were taken are stored, so it ends behind the server
		return d.journal.Run(ctx)
	})
	g.run("bus", func(ctx context.Context) error {
		select {
		case <-d.bus.Lost():
			return errors.New("the connection was refused for good")
		case <-ctx.Done():
			return nil
		}
	})
	g.run("handlers", d.runner.Run)
	for _, p := range d.beside {
		g.run(p.name, p.run)
	}
	g.run("re-reads", d.reread.Run)
	if d.slack != nil {
		g.run("slack", d.slack.Run)
	}
	if d.ladder != nil {
		g.run("escalation", d.ladder.Run)
	}
	for _, t := range d.tellers {
		g.run("outcomes", t.Run)
	}
	return g.wait()
}

func (d *daemon) serve(ctx context.Context, done chan<- struct{}) error {
	defer close(done)
	failed := make(chan error, 1)
	go func() { failed <- d.server.Serve(d.listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := d.server.Shutdown(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// Close gives back what newDaemon took. Run must have ended.
func (d *daemon) Close() {
	d.endWatches()
	if d.listener != nil {
		_ = d.listener.Close() // closed already if it was served
	}
	if d.servers != nil {
		d.servers.Close()
	}
	if d.bus != nil {
		d.bus.Close()
	}
	d.tracing.Close() // last, since it may wait for the collector
}

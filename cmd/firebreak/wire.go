package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/handlers"
	"github.com/firebreak-sre/firebreak/handlers/poolexhaustion"
	"github.com/firebreak-sre/firebreak/handlers/replicationlag"
	"github.com/firebreak-sre/firebreak/handlers/retrystorm"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/tracing"
	"github.com/firebreak-sre/firebreak/internal/trust"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/receiver"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/breaker"
	"github.com/firebreak-sre/firebreak/remediations/haproxy"
	"github.com/firebreak-sre/firebreak/remediations/httpadmin"
	endpoints "github.com/firebreak-sre/firebreak/remediations/httpadmin/bounds"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer"
	"github.com/firebreak-sre/firebreak/remediations/postgres"
	"github.com/firebreak-sre/firebreak/remediations/sessions"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	poolprobe "github.com/firebreak-sre/firebreak/handlers/poolexhaustion/probe"
	lagprobe "github.com/firebreak-sre/firebreak/handlers/replicationlag/probe"
	stormprobe "github.com/firebreak-sre/firebreak/handlers/retrystorm/probe"
)

func busConfig(b policy.Bus, to *trust.Trust, log zerolog.Logger) (bus.Config, error) {
	listen, err := listening("bus.tls", b.TLS, log)
	cfg := bus.Config{URL: b.URL, CredentialsFile: b.CredentialsFile, Username: b.Username, Password: b.Password.Reveal(), TLS: to.Config(),
		ListenTLS: listen, Replicas: b.Replicas,
		Listen: b.Listen, Token: b.Token.Reveal(), MaxBytes: int64(b.MaxBytes),
		IncidentsMaxBytes: int64(b.IncidentsMaxBytes), MaxAge: b.MaxAge.D(), Log: log}
	if b.URL == "" {
		cfg.Dir = b.Data
	}
	return cfg, err
}

// newRunner puts together the handlers and what they may use. A new fix is one line here, a new failure family one in allFamilies.
func newRunner(ctx context.Context, b *bus.Bus, k *kernel, db *databases, p settings, to *trust.Trust, tracer *tracing.Tracer, reg prometheus.Registerer, log zerolog.Logger) (*handlers.Runner, error) {
	breakers, err := breaker.Open(ctx, b.JetStream(), b.Replicas())
	if err != nil {
		return nil, err
	}
	places := adminConfig(p.Policy, to)
	places.Client = adminClient(places.Client, tracer)
	admin, err := httpadmin.New(places)
	if err != nil {
		return nil, err
	}
	all, err := allFamilies(p.Policy, db, admin, to)
	if err != nil {
		return nil, err
	}
	carried, err := chosen(all, p.handlers)
	if err != nil {
		return nil, err
	}
	return handlers.NewRunner(ctx, handlers.Config{
		Handlers: carried,
		Remediations: map[string]remediations.Remediation{"breaker": breakers, httpadmin.Name: admin, haproxy.Name: db.reads,
			postgres.Name: db.sessions, pgbouncer.Name: db.changing, sessions.Name: db.stores.fixes},
		Ledger: k.ledger, Gate: k.guard, Permits: p.Permits, Approvals: approvals{p.Policy}, Limits: p.Limits,
		Basis: incidents.Basis{Policy: p.Policy.Hash(), Build: buildVersion()}, Metrics: handlers.NewMetrics(reg), Tracer: tracer, Log: log,
	}, b)
}

// allFamilies are all failure families: what each thinks, with what it looks with.
func allFamilies(p policy.Policy, db *databases, admin *httpadmin.Admin, to *trust.Trust) ([]*handlers.Bound, error) {
	storm, err := retrystorm.New(p.Handlers.RetryStorm)
	if err != nil {
		return nil, err
	}
	stormProbe, err := stormprobe.New(p.Handlers.RetryStorm, probeClient(to))
	if err != nil {
		return nil, err
	}
	lag, err := replicationlag.New(p)
	if err != nil {
		return nil, err
	}
	lagProbe, err := lagprobe.New(p, db.fleet, httpPools{policy: p, admin: admin}, probeClient(to), to.Config())
	if err != nil {
		return nil, err
	}
	pool, err := poolexhaustion.New(p)
	if err != nil {
		return nil, err
	}
	poolProbe, err := poolprobe.New(p, db.fleet, db.lookers(), probeClient(to))
	if err != nil {
		return nil, err
	}
	drift, err := driftHandler(p, db.stores, to)
	if err != nil {
		return nil, err
	}
	return []*handlers.Bound{handlers.Bind(storm, stormProbe), handlers.Bind(lag, lagProbe), handlers.Bind(pool, poolProbe), drift}, nil
}

// noHandlers is what --handlers says for a process that carries no incidents.
const noHandlers = "none"

// chosen are the handlers that the command line names, all if it names none.
func chosen(all []*handlers.Bound, names []string) ([]*handlers.Bound, error) {
	if len(names) == 0 {
		return all, nil
	}
	var known []string
	for _, h := range all {
		known = append(known, h.Name())
	}
	for _, name := range names {
		if !slices.Contains(known, name) && (name != noHandlers || len(names) > 1) {
			return nil, fmt.Errorf("--handlers %s: there is no such handler; there are %s, and %q by itself", name, strings.Join(known, ", "), noHandlers)
		}
	}
	return slices.DeleteFunc(all, func(h *handlers.Bound) bool { return !slices.Contains(names, h.Name()) }), nil
}

// adminConfig are the HTTP endpoints of all edges, nodes and pools that have some.
func adminConfig(p policy.Policy, to *trust.Trust) httpadmin.Config {
	return httpadmin.Config{Edges: endpoints.Edges(p), Nodes: endpoints.Nodes(p), Client: outgoing(to)}
}

func webhookAuth(a policy.WebhookAuth) receiver.Auth {
	auth := receiver.Auth{Username: a.Username}
	for _, token := range a.Tokens() {
		auth.Tokens = append(auth.Tokens, token)
	}
	if password, ok := a.PasswordDigest(); ok {
		auth.Password = password
	}
	return auth
}

func buildInfo() prometheus.Collector {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "firebreak_build_info", Help: "1, with the version of this build."}, []string{"version"})
	g.WithLabelValues(buildVersion()).Set(1)
	return g
}

// busUsage says how full the alerts' stream is: when it is full, alerts are answered with 503.
func busUsage(b *bus.Bus) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "firebreak_journal_fill_ratio",
		Help: "How full the alerts' journal is, from 0 to 1. At 1 new alerts are refused with 503."}, func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		bytes, limit, err := b.Usage(ctx)
		if err != nil || limit <= 0 {
			return -1 // not readable
		}
		return float64(bytes) / float64(limit)
	})
}

package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/console"
	"github.com/firebreak-sre/firebreak/console/operate"
	"github.com/firebreak-sre/firebreak/handlers"
	"github.com/firebreak-sre/firebreak/incidents"
	orders "github.com/firebreak-sre/firebreak/incidents/desk"
	"github.com/firebreak-sre/firebreak/policy"
)

// newDesk is where people order something, however they come.
func (d *daemon) newDesk(ctx context.Context) (*orders.Desk, error) {
	agenda, err := d.bus.Agenda(ctx, handlers.AgendaName)
	if err != nil {
		return nil, err
	}
	return orders.New(incidents.NewStore(d.bus), agenda, d.kernel.ledger, d.bus.Name(), time.Now), nil
}

// newAPI is everything below /api: what people read, and what they may order.
func (d *daemon) newAPI(ctx context.Context) (http.Handler, error) {
	agenda, err := d.bus.Agenda(ctx, handlers.AgendaName)
	if err != nil {
		return nil, err
	}
	srv := d.policy.Server
	who := operate.Identify(srv.API, srv.TLS.ClientCAFile != "")
	read, err := d.recordings(who, console.NewAPI(d.bus))
	if err != nil {
		return nil, err
	}
	cfg := operate.Config{Desk: d.desk, Brake: d.kernel.brake, Ledger: d.kernel.ledger, Agenda: agenda, Records: incidents.NewStore(d.bus),
		Windows: d.kernel.windows, Watchdog: d.kernel.watchdog, Targets: d.policy.Targets(),
		Who:        who,
		NotifyTest: d.notifyTest, MayApprove: mayApprove(d.policy.Policy), Next: watchesUntil(d.stopping, read), Log: d.log}
	return operate.New(cfg)
}

// mayApprove says whom the policy lets approve a fix over the API: operators that it names for it, and nobody else.
func mayApprove(p policy.Policy) func(who incidents.Person, handler, target, fix string) error {
	return func(who incidents.Person, handler, target, fix string) error {
		if who.Operator != "" && slices.Contains(p.Approvers(handler, target, fix).Operators, who.Operator) {
			return nil
		}
		return fmt.Errorf("the policy does not name %s among those who may approve %s on %s (approvals.rules)", who, fix, target)
	}
}

// approvals is the policy as the handlers ask it.
type approvals struct{ policy.Policy }

// Expire is how long people are waited for.
func (a approvals) Expire() time.Duration { return a.Approvals.Expire.D() }

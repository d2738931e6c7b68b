package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/firebreak-sre/firebreak/alerts/live"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/internal/trust"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations/guard"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
	"github.com/firebreak-sre/firebreak/remediations/windows"
)

// kernel is everything that bounds the handlers from outside.
type kernel struct {
	ledger   *ledger.Ledger
	brake    *guard.Brake
	guard    *guard.Guard
	windows  *windows.Windows
	watchdog *guard.Watchdog
	// peers are the Alertmanagers of the policy, in its order.
	peers []*live.Client
}

// newKernel builds it on a bus: the ledger and the brake are shared by all replicas.
func newKernel(ctx context.Context, b *bus.Bus, p policy.Policy, to *trust.Trust) (*kernel, error) {
	k := &kernel{}
	books, err := b.Cell(ctx, "ledger", "ledger")
	if err != nil {
		return nil, err
	}
	k.ledger = ledger.New(books, p.Limits)
	switches, err := b.Cell(ctx, "switch", "switch")
	if err != nil {
		return nil, err
	}
	if k.brake, err = guard.NewBrake(switches, p.Guard.StopFile); err != nil {
		return nil, err
	}
	if k.peers, err = newAlertmanagers(p.Alertmanagers, to); err != nil {
		return nil, err
	}
	if k.watchdog, err = guard.NewWatchdog(p.Guard.Watchdog, time.Now()); err != nil {
		return nil, err
	}
	k.guard, err = k.newGuard(p, to)
	return k, err
}

func (k *kernel) newGuard(p policy.Policy, to *trust.Trust) (*guard.Guard, error) {
	var err error
	if k.windows, err = windows.New(p.Guard.Maintenance); err != nil {
		return nil, err
	}
	observer, err := guard.NewObserver(p.Guard.Observer)
	if err != nil {
		return nil, err
	}
	peers := make([]guard.Peer, len(k.peers))
	for i, am := range p.Alertmanagers {
		peers[i] = guard.Peer{Name: hostOf(am.URL), Source: k.peers[i], Receiver: am.Receiver}
	}
	alertmanagers, err := guard.NewAlertmanagers(peers)
	if err != nil {
		return nil, err
	}
	return guard.New(guard.Config{Brake: k.brake, Windows: k.windows, Alertmanagers: alertmanagers, Observer: observer.Trusting(to.Config()), Watchdog: k.watchdog})
}

// hostOf is a URL as people may read it: without credentials.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "alertmanager"
	}
	return u.Host
}

func newAlertmanagers(ams []policy.Alertmanager, to *trust.Trust) ([]*live.Client, error) {
	out := make([]*live.Client, 0, len(ams))
	for _, am := range ams {
		c, err := live.New(live.Config{URL: am.URL, BearerToken: am.BearerToken.Reveal(),
			Username: am.Username, Password: am.Password.Reveal(), Timeout: 10 * time.Second, HTTPClient: outgoing(to)})
		if err != nil {
			return nil, fmt.Errorf("alertmanager %s: %w", am.URL, err)
		}
		out = append(out, c)
	}
	return out, nil
}

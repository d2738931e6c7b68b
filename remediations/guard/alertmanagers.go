package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/alerts/live"
	"github.com/firebreak-sre/firebreak/remediations"
)

// alertsWithin is how long all Alertmanagers together may take. They are asked at the same time.
const alertsWithin = 2 * time.Second

// Source is an Alertmanager that can be asked. [live.Client] is one.
type Source interface {
	// Ready is nil if it knows its peers' silences, and [live.ErrSettling] while it still gathers them.
	Ready(ctx context.Context) error
	// Alerts are those that fire now and match all matchers, suppressed ones included.
	Alerts(ctx context.Context, matchers []string) ([]live.Alert, error)
	// Muted are those of them that time intervals mute on their way to a receiver, which the list does not say.
	Muted(ctx context.Context, matchers []string, receiver string) (map[string][]string, error)
}

var _ Source = (*live.Client)(nil)

// Peer is one Alertmanager of the policy.
type Peer struct {
	// Name is what people read, such as its host and port. It must hold no credentials.
	Name   string
	Source Source
	// Receiver is the name of the receiver there that posts to us. Empty: not compared.
	Receiver string
}

// Alertmanagers are asked whether an alert is still what its webhook said: firing, and not silenced, inhibited or muted since.
// The nil value and one without peers have nothing to ask, and say yes.
type Alertmanagers struct {
	peers []Peer
}

// NewAlertmanagers returns them all.
func NewAlertmanagers(peers []Peer) (*Alertmanagers, error) {
	for i, p := range peers {
		if p.Source == nil {
			return nil, fmt.Errorf("configure Alertmanager %d of the guard: it has no source", i+1)
		}
	}
	return &Alertmanagers{peers: slices.Clone(peers)}, nil
}

// answer is what one of them said, or why it said nothing.
type answer struct {
	peer Peer
	list map[string]live.Alert // by fingerprint
	err  error
}

// Check says yes if at least one of the incident's alerts is active now and not suppressed. Of peers that differ the strictest
// counts for each alert, since a silence that one of them does not know yet is a silence. Peers that do not answer, or still
// settle, do not count as long as one does; if none does, the no is [remediations.ReasonUnconfirmed]. Alerts
// that all who answered do not know are [remediations.ReasonResolved].
func (a *Alertmanagers) Check(ctx context.Context, list []alerts.Alert) *remediations.NoError {
	if a == nil || len(a.peers) == 0 {
		return nil
	}
	list = slices.DeleteFunc(slices.Clone(list), func(one alerts.Alert) bool { return one.Status == alerts.Resolved })
	if len(list) == 0 {
		return refuse(remediations.ReasonResolved, "none of the incident's alerts fires any more")
	}
	answered, silent := a.ask(ctx, matchers(list))
	if len(answered) == 0 {
		return refuse(remediations.ReasonUnconfirmed, "no Alertmanager could say whether the alert still fires: "+strings.Join(silent, "; "))
	}
	no := judge(list, answered)
	if no != nil && len(silent) > 0 {
		no.Words += " (not asked: " + strings.Join(silent, "; ") + ")"
	}
	return no
}

// ask asks all at once. It returns those that answered, and words about those that did not.
func (a *Alertmanagers) ask(ctx context.Context, matchers []string) (answered []answer, silent []string) {
	got := make([]chan answer, len(a.peers))
	for i, p := range a.peers {
		got[i] = make(chan answer, 1)
		go func() {
			list, err := within(ctx, alertsWithin, func(ctx context.Context) (map[string]live.Alert, error) { return p.alerts(ctx, matchers) })
			got[i] <- answer{peer: p, list: list, err: err}
		}()
	}
	for _, ch := range got {
		one := <-ch
		switch {
		case one.err == nil:
			answered = append(answered, one)
		case errors.Is(one.err, live.ErrSettling):
			silent = append(silent, one.peer.Name+" is still settling, so that silences may be missing there")
		default:
			silent = append(silent, one.peer.Name+": "+cause(one.err))
		}
	}
	return answered, silent
}

// alerts asks one. That it is ready is asked first: what a peer says while it settles may lack a silence.
func (p Peer) alerts(ctx context.Context, matchers []string) (map[string]live.Alert, error) {
	if err := p.Source.Ready(ctx); err != nil {
		return nil, err
	}
	list, err := p.Source.Alerts(ctx, matchers)
	if err != nil {
		return nil, err
	}
	muted, err := p.Source.Muted(ctx, matchers, p.Receiver)
	if err != nil {
		return nil, err
	}
	found := make(map[string]live.Alert, len(list))
	for _, one := range list {
		if by := muted[one.Fingerprint]; len(by) > 0 {
			one.MutedBy = by
		}
		found[one.Fingerprint] = one
	}
	return found, nil
}

package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Observer asks whether we ourselves are well: whether we reach places that are not targets, and whether our clock is right.
// Who is cut off sees everything broken, and must not repair it. The nil Observer asks nothing.
type Observer struct {
	anchors []anchor
	need    int
	timeout time.Duration
	skew    time.Duration
	client  *http.Client
}

// anchor is one of those places.
type anchor struct {
	name string // without credentials
	addr string // host:port, if it is no URL
	url  string
}

// NewObserver reads the anchors of a policy. None is allowed: nothing is asked then.
func NewObserver(p policy.Observer) (*Observer, error) {
	o := &Observer{need: p.Need, timeout: p.Timeout.D(), skew: p.ClockSkew.D(), client: anchorClient(nil)}
	for _, text := range p.Anchors {
		a, err := newAnchor(text)
		if err != nil {
			return nil, fmt.Errorf("configure the observer: %w", err)
		}
		o.anchors = append(o.anchors, a)
	}
	if o.need == 0 {
		o.need = len(o.anchors)/2 + 1
	}
	switch {
	case len(o.anchors) > 0 && (o.need < 1 || o.need > len(o.anchors)):
		return nil, fmt.Errorf("configure the observer: %d of %d anchors cannot be needed", o.need, len(o.anchors))
	case len(o.anchors) > 0 && o.timeout <= 0:
		return nil, errors.New("configure the observer: anchors need a timeout")
	case o.skew < 0:
		return nil, fmt.Errorf("configure the observer: clock_skew %s is negative", o.skew)
	}
	return o, nil
}

// Trusting is the same observer, which believes and shows to anchors behind HTTPS what trust says. Nil changes nothing.
func (o *Observer) Trusting(trust *tls.Config) *Observer {
	if o == nil || trust == nil {
		return o
	}
	other := *o
	other.client = anchorClient(trust)
	return &other
}

func newAnchor(text string) (anchor, error) {
	if strings.Contains(text, "://") {
		u, err := url.Parse(text)
		if err != nil {
			// The parser's own error quotes the address, which may hold a password.
			return anchor{}, errors.New("an anchor is not a URL")
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
			return anchor{}, fmt.Errorf("anchor %s://%s: want http or https and a host", clean(u.Scheme, maxName), clean(u.Host, maxName))
		}
		return anchor{name: u.Scheme + "://" + u.Host, url: text}, nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return anchor{}, fmt.Errorf("anchor %s: want host:port or a URL", clean(text, maxName))
	}
	if n, err := strconv.Atoi(port); host == "" || err != nil || n < 1 || n > 65535 {
		return anchor{}, fmt.Errorf("anchor %s: want a host and a port from 1 to 65535", clean(text, maxName))
	}
	return anchor{name: text, addr: text}, nil
}

// anchorClient asks an anchor itself and anew each time: over no proxy, which would answer in its place, over no connection
// that was opened when all was well, and not where the anchor redirects to.
func anchorClient(trust *tls.Config) *http.Client {
	return &http.Client{
		Transport:     &http.Transport{Proxy: nil, DisableKeepAlives: true, TLSClientConfig: trust.Clone(), MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Anchors says no with [remediations.ReasonObserver] if fewer anchors are reached than are needed. All are asked at once; it
// returns as soon as enough have answered.
func (o *Observer) Anchors(ctx context.Context) *remediations.NoError {
	if o == nil || len(o.anchors) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	failed := make([]chan string, len(o.anchors)) // by anchor, "" if it was reached
	reached := make(chan bool, len(o.anchors))
	for i, a := range o.anchors {
		failed[i] = make(chan string, 1)
		go func() {
			_, err := within(ctx, o.timeout, func(ctx context.Context) (struct{}, error) { return struct{}{}, o.reach(ctx, a) })
			if err != nil {
				failed[i] <- a.name + ": " + cause(err)
			} else {
				failed[i] <- ""
			}
			reached <- err == nil
		}()
	}
	n := 0
	for range o.anchors {
		if <-reached {
			n++
		}
		if n >= o.need {
			return nil
		}
	}
	var words []string
	for _, ch := range failed {
		if why := <-ch; why != "" {
			words = append(words, why)
		}
	}
	return refuse(remediations.ReasonObserver, fmt.Sprintf("we reach only %d of %d anchors and need %d, so we may be the one that is cut off: %s",
		n, len(o.anchors), o.need, some(words, "; ")))
}

// reach asks one anchor.
func (o *Observer) reach(ctx context.Context, a anchor) error {
	if a.url == "" {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", a.addr)
		if err != nil {
			return err
		}
		_ = conn.Close()
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url, nil)
	if err != nil {
		return errors.New("the address cannot be asked")
	}
	res, err := o.client.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("answered %d", res.StatusCode)
	}
	return nil
}

// Clock says no with [remediations.ReasonObserver] if our clock and that of a target differ by more than is allowed. Asked and
// answered are when the target was asked and when it had answered, by our clock: it told its time somewhere between. What
// cannot be known because the answer took long, or because the target's time is coarse, speaks for the clock. A target
// that does not tell its time is not compared.
func (o *Observer) Clock(p remediations.Presence, asked, answered time.Time) *remediations.NoError {
	if o == nil || p.Clock.IsZero() {
		return nil
	}
	if asked.IsZero() || answered.IsZero() {
		return refuse(remediations.ReasonObserver, "our clock cannot be compared: nobody noted when the target was asked")
	}
	// Only what the clock on the wall says counts here: the other one never jumps.
	asked, answered, told := asked.Round(0), answered.Round(0), p.Clock.Round(0)
	if answered.Before(asked) {
		return refuse(remediations.ReasonObserver,
			fmt.Sprintf("our clock was put back by %s or more while the target was asked", asked.Sub(answered)))
	}
	tolerance := o.skew + max(p.ClockWithin.D(), 0)
	if ahead := asked.Sub(told); ahead > tolerance {
		return refuse(remediations.ReasonObserver, fmt.Sprintf("our clock is %s ahead of the target's; %s are allowed", ahead, tolerance))
	}
	if behind := told.Sub(answered); behind > tolerance {
		return refuse(remediations.ReasonObserver, fmt.Sprintf("our clock is %s behind the target's; %s are allowed", behind, tolerance))
	}
	return nil
}

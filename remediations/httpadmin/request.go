package httpadmin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// maxBody bounds an answer.
const maxBody = 1 << 20

// idempotencyKey is in lower case on purpose: under its canonical name Go's transport takes it as leave to send a request
// again by itself when a connection breaks.
const idempotencyKey = "idempotency-key"

// standing is what one instance shows.
type standing int

const (
	unread standing = iota
	off
	ours
	theirs
)

// sight is one instance as it was seen.
type sight struct {
	instance instance
	standing standing
	action   string // whose change stands there, if the instance says
	presumed bool   // it is ours for want of a better
	clock    time.Time
	paused   string // what it says of being paused by whoever manages it
	err      error
}

// look reads all instances at once.
func (t *target) look(ctx context.Context, o remediations.Order, c control, at []instance) []sight {
	return each(at, func(i instance) sight { return t.lookAt(ctx, o, c, i) })
}

func (t *target) lookAt(ctx context.Context, o remediations.Order, c control, i instance) sight {
	s := sight{instance: i}
	said, err := t.do(ctx, i, c.read, o, "")
	code, body := said.code, said.body
	s.clock = said.date
	switch {
	case err != nil:
		s.err = fmt.Errorf("read %s: %w", i.name, err)
		return s
	case code < 200 || code > 299:
		s.err = fmt.Errorf("read %s: status %d", i.name, code)
		return s
	case !gjson.ValidBytes(body):
		s.err = fmt.Errorf("read %s: answer is not JSON", i.name)
		return s
	}
	s.paused = pausedBy(i, c, body)
	switch state := gjson.GetBytes(body, c.state.State).String(); state {
	case c.state.On:
	case c.state.Off:
		s.standing = off
		return s
	default:
		s.err = fmt.Errorf("read %s: %s is %.64q, neither on nor off", i.name, c.state.State, state)
		return s
	}
	if c.state.Action == "" {
		s.standing = theirs
		if o.Seen.State == remediations.Absent {
			s.standing, s.presumed = ours, true
		}
		return s
	}
	s.action = gjson.GetBytes(body, c.state.Action).String()
	s.standing = theirs
	if s.action == o.Action && o.Action != "" {
		s.standing = ours
	}
	return s
}

// tally is what a command came to at all instances.
type tally struct {
	sent, done, refused int
	codes               []string
	errs                []error
}

// note is for people.
func (y tally) note() string {
	return fmt.Sprintf("%d of %d instances answered %s", y.done, y.sent, strings.Join(y.codes, ", "))
}

// err is nil if all of them did it, ErrRefused if none could have, and in doubt otherwise.
func (y tally) err() error {
	switch {
	case y.done == y.sent:
		return nil
	case y.refused == y.sent:
		return fmt.Errorf("%w: %w", remediations.ErrRefused, errors.Join(y.errs...))
	}
	return fmt.Errorf("in doubt, %d of %d instances did it: %w", y.done, y.sent, errors.Join(y.errs...))
}

// send gives a command to instances, all at once and to each of them once.
func (t *target) send(ctx context.Context, o remediations.Order, c command, key string, to []instance) tally {
	type reply struct {
		code int
		err  error
	}
	y := tally{sent: len(to)}
	for n, r := range each(to, func(i instance) reply {
		said, err := t.do(ctx, i, c, o, key)
		return reply{said.code, err}
	}) {
		name := to[n].name
		switch {
		case r.err != nil:
			y.errs = append(y.errs, fmt.Errorf("%s: %w", name, r.err))
			if neverSent(r.err) {
				y.refused++
			}
		case r.code >= 200 && r.code < 300:
			y.done++
			if code := strconv.Itoa(r.code); !slices.Contains(y.codes, code) {
				y.codes = append(y.codes, code)
			}
		default:
			y.errs = append(y.errs, fmt.Errorf("%s: status %d", name, r.code))
			if r.code >= 400 && r.code < 500 {
				y.refused++
			}
		}
	}
	return y
}

// errUnsent marks what failed before there was anything to send.
var errUnsent = errors.New("not sent")

// neverSent says that the instance cannot have got the command.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.Is(err, errUnsent) || errors.As(err, &op) && op.Op == "dial"
}

// pausedBy is what an instance says of being paused by whoever manages it: "" if it is not, or does not say.
func pausedBy(i instance, c control, body []byte) string {
	if c.state.Paused == "" {
		return ""
	}
	switch v := gjson.GetBytes(body, c.state.Paused).String(); strings.ToLower(v) {
	case "", "false", "0", "no", "off", "null":
		return ""
	default:
		return fmt.Sprintf("%s says %s: %.100s", i.name, c.state.Paused, v)
	}
}

// answer is what one instance said. date is its own clock, in whole seconds; zero if it does not tell.
type answer struct {
	code int
	body []byte
	date time.Time
}

// do sends one request, once. Errors do not repeat the URL, which may hold a password.
func (t *target) do(ctx context.Context, i instance, c command, o remediations.Order, key string) (answer, error) {
	r, err := t.request(ctx, i, c, o, key)
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", errUnsent, err)
	}
	response, err := t.client.Do(r)
	if err != nil {
		var bare *url.Error
		if errors.As(err, &bare) {
			err = bare.Err
		}
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	said := answer{code: response.StatusCode}
	said.date, _ = http.ParseTime(response.Header.Get("Date")) // zero if there is none
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	switch {
	case key != "":
		// The status has said it; what follows is only for the connection's sake.
		return said, nil
	case err != nil:
		return answer{}, fmt.Errorf("read answer: %w", err)
	case len(body) > maxBody:
		return answer{}, fmt.Errorf("answer is longer than %d bytes", maxBody)
	}
	token, err := t.token()
	if err != nil {
		return answer{}, err
	}
	said.body = []byte(policy.Secret(token).Hidden(string(body))) // some values of it are quoted, and the instance may say back what it hears
	return said, nil
}

func (t *target) request(ctx context.Context, i instance, c command, o remediations.Order, key string) (*http.Request, error) {
	path, body, err := c.fill(o)
	if err != nil {
		return nil, err
	}
	token, err := t.token()
	if err != nil {
		return nil, err
	}
	var payload io.Reader
	if body != "" {
		payload = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, c.method, i.base+path, payload)
	if err != nil {
		return nil, errors.New("build request: method or path is not valid")
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		r.Header[idempotencyKey] = []string{key}
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r, nil
}

// each runs f for all instances at once and returns the results in their order.
func each[R any](at []instance, f func(instance) R) []R {
	results := make([]R, len(at))
	var running sync.WaitGroup
	for n, i := range at {
		running.Go(func() { results[n] = f(i) })
	}
	running.Wait()
	return results
}

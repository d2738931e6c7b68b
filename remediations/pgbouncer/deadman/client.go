package deadman

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// ErrRefused wraps what the dead-man said against a request: nothing was armed or changed by it.
var ErrRefused = errors.New("the dead-man refuses")

// Client asks one dead-man. It keeps no connection; its methods are safe for concurrent use.
type Client struct {
	network, address, token string
}

// NewClient takes what [Config] calls Listen and Token. It does not connect.
func NewClient(listen, token string) (*Client, error) {
	network, address, err := place(listen, token)
	if err != nil {
		return nil, err
	}
	return &Client{network: network, address: address, token: token}, nil
}

// Arm says that the action is about to pause the database, and returns what is armed by now.
func (c *Client) Arm(ctx context.Context, action, database string, span time.Duration) (Armed, error) {
	return c.armed(ctx, request{Do: doArm, Action: action, Database: database, ForMS: span.Milliseconds()})
}

// Renew gives what the action has armed so much more time from now on, as far as [MaxFor] lets it.
func (c *Client) Renew(ctx context.Context, action string, span time.Duration) (Armed, error) {
	return c.armed(ctx, request{Do: doRenew, Action: action, ForMS: span.Milliseconds()})
}

// Disarm says that the action has resumed the database itself.
func (c *Client) Disarm(ctx context.Context, action string) error {
	_, err := c.ask(ctx, request{Do: doDisarm, Action: action})
	return err
}

// State is what is armed; false if nothing is.
func (c *Client) State(ctx context.Context) (Armed, bool, error) {
	a, err := c.ask(ctx, request{Do: doState})
	if err != nil || a.Armed == nil {
		return Armed{}, false, err
	}
	return *a.Armed, true, nil
}

func (c *Client) armed(ctx context.Context, r request) (Armed, error) {
	a, err := c.ask(ctx, r)
	switch {
	case err != nil:
		return Armed{}, err
	case a.Armed == nil || a.Armed.Action != r.Action:
		return Armed{}, fmt.Errorf("%s the dead-man: it does not say that it did", r.Do)
	}
	return *a.Armed, nil
}

func (c *Client) ask(ctx context.Context, r request) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, talkWithin)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, c.network, c.address)
	if err != nil {
		return answer{}, fmt.Errorf("reach the dead-man: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	r.Token = c.token
	var a answer
	if err = writeLine(conn, r); err == nil {
		err = readLine(conn, &a)
	}
	switch {
	case ctx.Err() != nil:
		return answer{}, fmt.Errorf("ask the dead-man: %w", context.Cause(ctx))
	case err != nil:
		return answer{}, fmt.Errorf("ask the dead-man: %w", err)
	case !a.OK:
		return answer{}, fmt.Errorf("%w: %s", ErrRefused, a.Error)
	}
	if a.Armed != nil {
		a.Armed.Left = a.Armed.Until.Sub(a.Now)
	}
	return a, nil
}

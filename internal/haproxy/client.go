package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
)

// MaxAnswer bounds the answer to one line, in bytes: a backend of some thousand servers.
const MaxAnswer = 4 << 20

// ErrNotSent marks what HAProxy cannot have carried out: the line never left here as a whole.
var ErrNotSent = errors.New("not sent")

// ErrSaid wraps what HAProxy said against a command, in its own words.
var ErrSaid = errors.New("haproxy says")

// Client reaches one HAProxy process. Its methods are safe for concurrent use; it keeps no connection.
type Client struct {
	network, address string
}

// New takes the path of a socket, e.g. "/run/haproxy/admin.sock", or "tcp://host:port". It does not connect.
func New(address string) (*Client, error) {
	hostPort, tcp := strings.CutPrefix(address, "tcp://")
	if !tcp {
		if !filepath.IsAbs(address) {
			return nil, fmt.Errorf("read address %q: neither the absolute path of a socket nor tcp://host:port", address)
		}
		return &Client{network: "unix", address: address}, nil
	}
	if _, port, err := net.SplitHostPort(hostPort); err != nil || port == "" {
		return nil, fmt.Errorf("read address %q: not tcp://host:port", address)
	}
	return &Client{network: "tcp", address: hostPort}, nil
}

// String is the address, for people.
func (c *Client) String() string {
	if c.network == "tcp" {
		return "tcp://" + c.address
	}
	return c.address
}

// send carries one line over and returns the whole answer.
func (c *Client) send(ctx context.Context, commands ...string) (string, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, c.network, c.address)
	if err != nil {
		return "", fmt.Errorf("reach haproxy at %s: %w: %w", c, ErrNotSent, err)
	}
	defer conn.Close()
	// A context that ends makes every read and write of this connection end.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	line := strings.Join(commands, "; ") + "\n"
	if n, err := io.WriteString(conn, line); err != nil {
		return "", c.unwritten(ctx, n, len(line), err)
	}
	answer, err := io.ReadAll(io.LimitReader(conn, MaxAnswer+1))
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("read answer of haproxy at %s: %w", c, context.Cause(ctx))
	case err != nil:
		return "", fmt.Errorf("read answer of haproxy at %s: %w", c, err)
	case len(answer) > MaxAnswer:
		return "", fmt.Errorf("read answer of haproxy at %s: it is longer than %d bytes", c, MaxAnswer)
	}
	return string(answer), nil
}

// unwritten is why a line could not be written. HAProxy carries nothing out before the end of the line has come.
func (c *Client) unwritten(ctx context.Context, n, length int, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if n < length {
		err = fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	return fmt.Errorf("write to haproxy at %s: %w", c, err)
}

package haproxy

import (
	"context"
	"crypto/tls"
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
	scheme, address string
	// tls is nil but for the scheme tls.
	tls *tls.Config
}

// The schemes of an address. The path of a socket has none.
const (
	schemeTCP = "tcp://"
	schemeTLS = "tls://"
)

// New takes the path of a socket, e.g. "/run/haproxy/admin.sock", or "tcp://host:port", or "tls://host:port". It does not connect. Over TLS it
// believes whom the system does, and shows nothing; see [Client.Trusting].
func New(address string) (*Client, error) {
	for _, scheme := range []string{schemeTCP, schemeTLS} {
		hostPort, ok := strings.CutPrefix(address, scheme)
		if !ok {
			continue
		}
		host, port, err := net.SplitHostPort(hostPort)
		if err != nil || port == "" {
			return nil, fmt.Errorf("read address %q: not %shost:port", address, scheme)
		}
		c := &Client{scheme: scheme, address: hostPort}
		if scheme == schemeTLS {
			c.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
		}
		return c, nil
	}
	if !filepath.IsAbs(address) {
		return nil, fmt.Errorf("read address %q: neither the absolute path of a socket nor tls://host:port nor tcp://host:port", address)
	}
	return &Client{address: address}, nil
}

// Trusting is the same client, which believes and shows over TLS what trust says. The name that the certificate must be for stays that of the
// address. Without TLS, and with nil, nothing changes.
func (c *Client) Trusting(trust *tls.Config) *Client {
	if c.tls == nil || trust == nil {
		return c
	}
	other := *c
	other.tls = trust.Clone()
	other.tls.ServerName = c.tls.ServerName
	return &other
}

// String is the address, for people.
func (c *Client) String() string { return c.scheme + c.address }

// dial opens a connection. Over TLS both ends have agreed when it returns, as far as this end can tell.
func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	switch c.scheme {
	case schemeTLS:
		return (&tls.Dialer{Config: c.tls}).DialContext(ctx, "tcp", c.address)
	case schemeTCP:
		return (&net.Dialer{}).DialContext(ctx, "tcp", c.address)
	}
	return (&net.Dialer{}).DialContext(ctx, "unix", c.address)
}

// send carries one line over and returns the whole answer.
func (c *Client) send(ctx context.Context, commands ...string) (string, error) {
	conn, err := c.dial(ctx)
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

// Package client is what a service imports so that Firebreak can hold its edges: its calls to one dependency each. It is
// the other half of the protocol that the package breaker draws, and imports nothing of Firebreak but the lease.
//
//	c, err := client.Start(ctx, client.Config{Conn: nc, Service: "checkout", Edges: []string{"payments"}})
//	payments := c.Edge("payments")
//
//	// with failsafe-go: retry outermost, the gate inside of it, the breaker inside of the gate
//	retry := retrypolicy.NewBuilder[R]().AbortOnErrors(client.ErrHeld).Build()
//	failsafe.With(retry, client.Gate[R](payments), breaker).Get(…)
//
//	// with net/http
//	httpClient.Transport = payments.RoundTripper(http.DefaultTransport)
//
//	// with a loop of one's own
//	payments.Call(ctx, func(ctx context.Context, attempt func(func() error) error) error {
//		for { if err := attempt(func() error { return charge(ctx) }); … }
//	})
//
// An attempt belongs in one of the three; in two it would be counted twice.
//
// # A lease at the client
//
//	           new lease, or a renewal                 until its deadline by the local clock
//	clear ───────────────────────────▶ held ─────────────────────────────────────────────────▶ clear
//	                                    │  released by Firebreak, or gone when all are listed
//	                                    └───────────────────────────────────────────────────▶ clear
//
// The deadline is the moment of receipt plus the lease's TTL, at most [Config].MaxTTL. A lease that was stored a while
// before it was received (the service has just started, or was cut off) gets what is left of it by the server's own
// clock. No clock is compared with that of another machine, and what the local clock counts with does not jump.
//
// Nothing else moves the state. A call that succeeds does not heal a lease; the lease does not touch the service's own
// breakers. If NATS is gone, a lease ends on time; if Firebreak was never there, nothing is ever held; Start returns
// without waiting for either. The watch is made anew, and all leases are listed, every 30 s and when the connection is
// back, since a watch does not always survive a lost connection (nats.go #1777).
package client

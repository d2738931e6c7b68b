package bus

import (
	"context"
	"time"
)

// A node of a cluster that answers its clients and reaches no other node is of no use, and its clients would stay with it for as long as
// that lasts. So a node that could not say anything about the cluster so many times in a row is left for another one. All in all this
// takes longer than a cluster needs to elect a leader, during which no node can say anything.
const (
	nodeAskEvery = 3 * time.Second
	nodeAskFor   = 2 * time.Second
	nodeSilent   = 4
)

// watchNode leaves nodes that are cut off, until Close.
func (b *Bus) watchNode() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	b.endWatch = func() { cancel(); <-done }
	go func() {
		defer close(done)
		tick := time.NewTicker(nodeAskEvery)
		defer tick.Stop()
		for silent := 0; ; {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if silent = b.askNode(ctx, silent); silent == nodeSilent {
				silent = 0
				b.leaveNode()
			}
		}
	}()
}

// askNode asks for the alerts' stream, by way of our node. It says how often in a row there was no answer.
func (b *Bus) askNode(ctx context.Context, silent int) int {
	ctx, cancel := context.WithTimeout(ctx, nodeAskFor)
	defer cancel()
	// Without a connection the library is looking for another node by itself.
	if b.Ready(ctx) != nil && b.nc.IsConnected() {
		return silent + 1
	}
	return 0
}

func (b *Bus) leaveNode() {
	if len(b.nc.Servers()) < 2 {
		return // there is nowhere to go
	}
	b.log.Warn().Str("node", b.nc.ConnectedUrlRedacted()).Msg("this nats node does not reach its cluster; trying another")
	if err := b.nc.ForceReconnect(); err != nil {
		b.log.Warn().Err(err).Msg("leaving a nats node failed")
	}
}

package testbed

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const natsPatience = 60 * time.Second

// client is a stream of three copies, reached through one node, and how to put something into it.
func client(t *testing.T, n *NATS, node int) (jetstream.JetStream, func() error) {
	t.Helper()
	nc, err := nats.Connect(n.ClientURLs()[node], nats.Token(n.Token), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	Await(t, natsPatience, "the stream", func() bool { // a request can get lost while routes are being made
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, Replicas: len(n.nodes)})
		return err == nil
	})
	return js, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_, err := js.Publish(ctx, "s", []byte("x"))
		return err
	}
}

// The cluster is what it says: three nodes that know each other through the links only, a token, a leader that changes when it
// is killed or hangs, and clients that are told the links' addresses.
func TestNATSCluster(t *testing.T) {
	t.Parallel()
	n := NATSCluster(t, NATSConfig{})
	if _, err := nats.Connect(n.URL(), nats.Token("wrong")); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("got %v with a wrong token, want it refused", err)
	}
	leader := n.Leader("S")
	if leader != -1 {
		t.Errorf("got leader %d of a stream that does not exist", leader)
	}
	js, put := client(t, n, 0)
	Await(t, natsPatience, "a leader", func() bool { leader = n.Leader("S"); return leader >= 0 && n.MetaLeader() >= 0 })
	if known := js.Conn().DiscoveredServers(); len(known) != 2 {
		t.Errorf("the client was told of %v, want the links of the two other nodes", known)
	}
	for _, url := range js.Conn().DiscoveredServers() {
		if url != n.ClientURLs()[1] && url != n.ClientURLs()[2] {
			t.Errorf("the client was told of %s, want only %v", url, n.ClientURLs())
		}
	}
	faults := []struct {
		name      string
		hurt, end func(int)
	}{
		{"killed", n.Kill, n.Restart},
		{"hanging", n.Hang, n.Resume},
		{"cut off", n.Cut, n.Heal},
		{"unplugged", n.Unplug, n.Heal},
	}
	for _, f := range faults {
		Await(t, natsPatience, "a leader", func() bool { leader = n.Leader("S"); return leader >= 0 })
		f.hurt(leader)
		Await(t, natsPatience, "another leader after the first is "+f.name, func() bool {
			for i := range n.nodes {
				if i != leader && n.Leads(i, "S") {
					return true
				}
			}
			return false
		})
		f.end(leader)
		n.AwaitHealthy()
		Await(t, natsPatience, "an answer to a publish", func() bool { return put() == nil })
	}
}

// A node whose disk is full cannot store, whether by a small file system or by a limit of file sizes; the others go on, and it
// comes back when there is room and it was started again.
func TestNATSFullDisk(t *testing.T) {
	t.Parallel()
	for _, limited := range []bool{false, true} {
		t.Run(fmt.Sprintf("limited=%t", limited), func(t *testing.T) {
			t.Parallel()
			n := NATSCluster(t, NATSConfig{SmallDisks: []int{2}})
			if limited {
				n.nodes[2].disk.mount = "" // as where nothing can be mounted
			}
			_, put := client(t, n, 0)
			Await(t, natsPatience, "an answer to a publish", func() bool { return put() == nil })
			why := n.FillDisk(2)
			if !errors.Is(why, syscall.ENOSPC) && !errors.Is(why, syscall.EFBIG) {
				t.Errorf("got %v as the node's error, want that of a full disk", why)
			}
			Await(t, natsPatience, "the node to be unwell", func() bool { _ = put(); return !n.Healthy(2) })
			Await(t, natsPatience, "an answer from the others", func() bool { return put() == nil })
			n.FreeDisk(2)
			n.Restart(2)
			n.AwaitHealthy()
		})
	}
}

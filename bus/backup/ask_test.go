package backup

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// Where a part is taken is known to one node of a cluster before the others: what nobody takes is sent again.
func TestAskAgainWhileNobodyTakesIt(t *testing.T) {
	t.Parallel()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Shutdown)
	connect := func() *nats.Conn {
		nc, err := nats.Connect(s.ClientURL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}
	sender, taker := connect(), connect()
	answered := make(chan error, 1)
	go func() {
		_, err := ask(t.Context(), sender, "part", []byte("chunk"), 10*time.Second)
		answered <- err
	}()
	testbed.Await(t, 5*time.Second, "a chunk that nobody took", func() bool { return sender.Stats().OutMsgs > 1 })
	if _, err := taker.Subscribe("part", func(m *nats.Msg) { _ = m.Respond(nil) }); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("asked again: %v", err)
	}
}

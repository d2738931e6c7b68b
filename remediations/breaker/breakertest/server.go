// Package breakertest is a real NATS server inside of a test, with the hands that tests of leases need: it can be stopped
// and started again on its store, and the wire to it can be held.
package breakertest

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const patience = 30 * time.Second

// Server is an embedded NATS server with JetStream, on a port of its own on 127.0.0.1.
type Server struct {
	options server.Options
	running *server.Server
}

// Start starts a server that ends with the test.
func Start(t *testing.T) *Server {
	t.Helper()
	s := &Server{options: server.Options{
		ServerName: "breakertest", Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(),
		JetStreamMaxStore: 1 << 30, JetStreamMaxMemory: 64 << 20, SyncAlways: true, NoSigs: true, NoLog: true,
	}}
	s.Restart(t)
	t.Cleanup(s.Stop)
	return s
}

// Restart starts a stopped server again on its store and its port.
func (s *Server) Restart(t *testing.T) {
	t.Helper()
	options := s.options
	running, err := server.NewServer(&options)
	if err != nil {
		t.Fatalf("new NATS server: %v", err)
	}
	go running.Start()
	if !running.ReadyForConnections(patience) {
		t.Fatal("NATS server does not get ready")
	}
	s.options.Port = options.Port
	s.running = running
}

// Stop stops the server. A second Stop does nothing.
func (s *Server) Stop() {
	s.running.Shutdown()
	s.running.WaitForShutdown()
}

// URL is where clients connect to, also while the server is stopped.
func (s *Server) URL() string { return s.running.ClientURL() }

// Connect connects to url and keeps trying when the connection is lost, until the test ends.
func Connect(t *testing.T, url string) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond),
		nats.ReconnectJitter(0, 0), nats.RetryOnFailedConnect(true))
	if err != nil {
		t.Fatalf("connect to NATS: %v", err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatalf("open JetStream: %v", err)
	}
	return nc, js
}

// Until returns when the condition holds. It asks often, and fails the test after half a minute.
func Until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %s in vain until %s", patience, what)
		}
	}
}

package deploytest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// natsCluster is three servers in this process that loaded deploy/nats. Only addresses and folders are other ones.
type natsCluster struct {
	servers []*server.Server
	// authority is the file with the certificate of the authority, folder that with the credentials of users, NAME.creds.
	authority, folder string
}

// startNATS starts the cluster, and waits until it can keep streams.
func startNATS(t *testing.T) *natsCluster {
	t.Helper()
	dir := t.TempDir()
	certificates(t, dir)
	config := filepath.Join(dir, "cluster.conf")
	text := strings.ReplaceAll(read(t, "nats/cluster.conf"), "/etc/nats/", dir+"/")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &natsCluster{authority: filepath.Join(dir, "ca.crt"), folder: dir}
	if err := os.WriteFile(filepath.Join(dir, "accounts.conf"), []byte(accounts(t, dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	routes := freePorts(t, 3)
	for i := range 3 {
		t.Setenv("NATS_NAME", fmt.Sprintf("n%d", i+1))
		opts, err := server.ProcessConfigFile(config)
		if err != nil {
			t.Fatalf("the server does not load the file: %v", err)
		}
		if !opts.SyncAlways {
			t.Error("sync_interval is not always: acknowledged writes would be lost in a power cut")
		}
		opts.Host, opts.Port, opts.HTTPPort, opts.StoreDir, opts.NoSigs = "127.0.0.1", server.RANDOM_PORT, 0, t.TempDir(), true
		opts.Cluster.Host, opts.Cluster.Port = "127.0.0.1", routes[i]
		opts.Routes = nil
		for _, port := range routes {
			opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", port)})
		}
		s, err := server.NewServer(opts)
		if err != nil {
			t.Fatal(err)
		}
		go s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		c.servers = append(c.servers, s)
	}
	testbed.Await(t, time.Minute, "the cluster to have a leader that all nodes know", func() bool {
		for _, s := range c.servers {
			if !s.ReadyForConnections(100*time.Millisecond) || len(s.JetStreamClusterPeers()) != 3 && s.JetStreamIsLeader() || !s.JetStreamIsCurrent() {
				return false
			}
		}
		return true
	})
	return c
}

// certificates writes those that cluster.conf names into a folder: one that is its own authority, and serves and asks.
func certificates(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "nats"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"tls.crt": {Type: "CERTIFICATE", Bytes: der}, "ca.crt": {Type: "CERTIFICATE", Bytes: der},
		"tls.key": {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// freePorts are ports of this machine that nobody listened on a moment ago.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// urls are all nodes.
func (c *natsCluster) urls() string {
	var list []string
	for _, s := range c.servers {
		list = append(list, "tls://"+s.Addr().String())
	}
	return strings.Join(list, ",")
}

// creds is the file with the credentials of a user.
func (c *natsCluster) creds(user string) string { return filepath.Join(c.folder, user+".creds") }

// connect is a connection of a user. What the server reports is in its LastError.
func (c *natsCluster) connect(t *testing.T, user string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	opts = append(opts, nats.RootCAs(c.authority), nats.UserCredentials(c.creds(user)), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	nc, err := nats.Connect(c.urls(), opts...)
	if err != nil {
		t.Fatalf("connect as %s: %v", user, err)
	}
	t.Cleanup(nc.Close)
	return nc
}

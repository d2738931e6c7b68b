package testbed

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// natsModule is the server's main package. It is built from the version that go.mod names, which is the embedded server's too.
const natsModule = "github.com/nats-io/nats-server/v2"

// NATSConfig is a cluster.
type NATSConfig struct {
	// Nodes is how many, default 3.
	Nodes int
	// SmallDisks are the nodes whose disk a test will fill, see [NATS.FillDisk].
	SmallDisks []int
	// Binary is a nats-server; empty: it is built.
	Binary string
}

// NATS is a cluster of nats-server processes with JetStream on files, each write synced before it is acknowledged. All
// that its nodes say to each other, and all that clients say to them, goes through links that can be cut.
//
// Nodes are numbered from 0. Methods that take a number fail the test if something goes wrong, so call them from the test's
// own goroutine.
type NATS struct {
	// Token is what clients present.
	Token string
	// Binary is the program, for another cluster of the same test.
	Binary string

	t     TB
	nodes []*natsNode
	// routes holds, by who connects and to whom, the links between nodes.
	routes [][]*Link
}

type natsNode struct {
	*Process
	name       string
	client     *Link
	clientAddr string // behind the link
	routeAddr  string // behind the links
	monitor    api
	disk       disk
}

// NATSCluster starts a cluster and waits until it has a leader and every node is well.
func NATSCluster(t TB, c NATSConfig) *NATS {
	t.Helper()
	if c.Nodes == 0 {
		c.Nodes = 3
	}
	if c.Binary == "" {
		c.Binary = buildNATS(t)
	}
	n := &NATS{Token: "testbed-token", Binary: c.Binary, t: t}
	var held holder
	for i := range c.Nodes {
		node := &natsNode{name: "n" + strconv.Itoa(i), clientAddr: held.addr(t), routeAddr: held.addr(t)}
		node.client = Proxy(t, ProxyConfig{Target: node.clientAddr})
		node.monitor = newAPI("http://" + held.addr(t))
		node.disk = diskFor(t, slices.Contains(c.SmallDisks, i))
		n.nodes = append(n.nodes, node)
	}
	// Nodes tell each other where to find the rest, and would connect past the links. So they tell an address that refuses.
	nowhere := Proxy(t, ProxyConfig{})
	nowhere.Cut()
	for i := range n.nodes {
		n.routes = append(n.routes, n.linksFrom(i))
	}
	held.release()
	for i := range n.nodes {
		n.launch(i, nowhere.Addr)
	}
	n.AwaitHealthy()
	return n
}

// holder keeps the addresses that nodes will listen on from being handed out a second time, as a cluster wants many at once.
type holder struct{ listeners []net.Listener }

func (h *holder) addr(t TB) string {
	t.Helper()
	l := listenAnywhere(t)
	h.listeners = append(h.listeners, l)
	return l.Addr().String()
}

func (h *holder) release() {
	for _, l := range h.listeners {
		_ = l.Close()
	}
	h.listeners = nil
}

// buildNATS builds the server with the module graph as it is.
func buildNATS(t TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nats-server")
	cmd := exec.Command("go", "build", "-o", path, natsModule)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("testbed: build nats-server (it needs the go command, and a folder of this module to run in): %v\n%s", err, out)
	}
	return path
}

func (n *NATS) linksFrom(i int) []*Link {
	links := make([]*Link, len(n.nodes))
	for j, to := range n.nodes {
		if j != i {
			links[j] = Proxy(n.t, ProxyConfig{Target: to.routeAddr})
		}
	}
	return links
}

func (n *NATS) launch(i int, advertise string) {
	n.t.Helper()
	node := n.nodes[i]
	var routes []string
	for _, l := range n.routes[i] {
		if l != nil {
			routes = append(routes, "nats-route://"+l.Addr)
		}
	}
	type object map[string]any
	path := filepath.Join(n.t.TempDir(), "nats.conf")
	err := writeConfig(path, object{
		"server_name": node.name, "listen": node.clientAddr, "client_advertise": node.client.Addr,
		"http":          strings.TrimPrefix(node.monitor.base, "http://"),
		"authorization": object{"token": n.Token},
		// More than any stream of ours reserves: a reservation is a promise and takes no room.
		"jetstream": object{"store_dir": node.disk.dir, "sync_interval": "always", "max_file_store": 256 << 30, "max_memory_store": 256 << 20},
		"cluster":   object{"name": "testbed", "listen": node.routeAddr, "advertise": advertise, "routes": routes},
	})
	if err != nil {
		n.t.Fatalf("testbed: %v", err)
	}
	node.Process = Start(n.t, Command{Name: "nats-" + node.name, Path: n.Binary, Args: []string{"-c", path}})
}

// ClientURLs are where clients reach the nodes, in their order, each through its link.
func (n *NATS) ClientURLs() []string {
	var urls []string
	for _, node := range n.nodes {
		urls = append(urls, "nats://"+node.client.Addr)
	}
	return urls
}

// URL is all client URLs as clients of NATS read them, in one line.
func (n *NATS) URL() string { return strings.Join(n.ClientURLs(), ",") }

// ClientLink is the link between clients and a node.
func (n *NATS) ClientLink(i int) *Link { return n.nodes[i].client }

// Name is what node i calls itself.
func (n *NATS) Name(i int) string { return n.nodes[i].name }

// Kill ends a node as a crash would.
func (n *NATS) Kill(i int) { n.nodes[i].Kill9() }

// Stop ends a node as an operator would: it hands its work over first.
func (n *NATS) Stop(i int) { n.nodes[i].Process.Stop() }

// Restart starts a node again, after Kill, Stop, or while it runs; then it is stopped first. It returns at once, see [NATS.AwaitHealthy].
func (n *NATS) Restart(i int) {
	n.t.Helper()
	n.nodes[i].Process.Stop()
	if err := n.nodes[i].Start(); err != nil {
		n.t.Fatalf("testbed: %v", err)
	}
}

// Hang stops a node in the middle of whatever it does; its connections stay open. Resume lets it go on.
func (n *NATS) Hang(i int) { n.nodes[i].Signal(syscall.SIGSTOP) }

// Resume ends Hang.
func (n *NATS) Resume(i int) { n.nodes[i].Signal(syscall.SIGCONT) }

// Cut parts a node from all others, silently, as a broken switch does: nobody is told. Its clients still reach it.
func (n *NATS) Cut(i int) { n.between(i, func(l *Link) { l.Hold() }) }

// CutWay lets nothing pass from one node to another. The other way stays.
func (n *NATS) CutWay(from, to int) {
	n.routes[from][to].Hold(ToTarget)
	n.routes[to][from].Hold(FromTarget)
}

// DelayWay lets what one node tells another arrive later by d. The other way stays.
func (n *NATS) DelayWay(from, to int, d time.Duration) {
	n.routes[from][to].Delay(d, ToTarget)
	n.routes[to][from].Delay(d, FromTarget)
}

// Unplug parts a node from all others, and all of them notice: connections are dropped, new ones refused.
func (n *NATS) Unplug(i int) { n.between(i, (*Link).Cut) }

// Delay lets everything between a node and the others, and between it and its clients, arrive later by d.
func (n *NATS) Delay(i int, d time.Duration) {
	slow := func(l *Link) { l.Delay(d) }
	n.between(i, slow)
	slow(n.nodes[i].client)
}

// Heal mends all links of a node.
func (n *NATS) Heal(i int) {
	n.between(i, (*Link).Heal)
	n.nodes[i].client.Heal()
}

// between does something with each link between a node and the others, whoever connected.
func (n *NATS) between(i int, do func(*Link)) {
	for j := range n.nodes {
		if j != i {
			do(n.routes[i][j])
			do(n.routes[j][i])
		}
	}
}

// FillDisk leaves no room on a node's disk, which must be one of [NATSConfig.SmallDisks]. Every write that needs room fails from
// now on. It returns the error that the node will see.
func (n *NATS) FillDisk(i int) error {
	n.t.Helper()
	why, err := n.nodes[i].disk.fill(n.nodes[i].PID())
	if err != nil {
		n.t.Fatalf("testbed: fill the disk of node %d: %v", i, err)
	}
	return why
}

// FreeDisk makes room again. A node that gave up for want of room wants a restart besides.
func (n *NATS) FreeDisk(i int) {
	n.t.Helper()
	if err := n.nodes[i].disk.free(n.nodes[i].PID()); err != nil {
		n.t.Fatalf("testbed: free the disk of node %d: %v", i, err)
	}
}

// jsz is what a node knows about JetStream, as far as this package asks.
type jsz struct {
	Meta struct {
		Leader string `json:"leader"`
		Size   int    `json:"cluster_size"`
	} `json:"meta_cluster"`
	Accounts []struct {
		Streams []struct {
			Name    string `json:"name"`
			Cluster struct {
				Leader string `json:"leader"`
			} `json:"cluster"`
		} `json:"stream_detail"`
	} `json:"account_details"`
}

func (n *NATS) ask(i int) (jsz, error) {
	var out jsz
	// A node that hangs must not hold up who asks the others.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := n.nodes[i].monitor.call(ctx, http.MethodGet, "/jsz?accounts=true&streams=true", nil, &out)
	return out, err
}

// Leader is the node that says that it leads a stream, -1 if none says so. Behind a cut there can be an old one; of two that say so the
// first is given.
func (n *NATS) Leader(stream string) int {
	for i := range n.nodes {
		if n.Leads(i, stream) {
			return i
		}
	}
	return -1
}

// Leads says whether a node says that it leads a stream.
func (n *NATS) Leads(i int, stream string) bool {
	info, err := n.ask(i)
	if err != nil {
		return false
	}
	for _, account := range info.Accounts {
		for _, s := range account.Streams {
			if s.Name == stream && s.Cluster.Leader == n.nodes[i].name {
				return true
			}
		}
	}
	return false
}

// MetaLeader is the node that says that it leads the cluster, -1 if none does.
func (n *NATS) MetaLeader() int {
	for i, node := range n.nodes {
		if info, err := n.ask(i); err == nil && info.Meta.Leader == node.name {
			return i
		}
	}
	return -1
}

// Healthy says whether a node says that it has all it should have, and knows the leader of the whole cluster.
func (n *NATS) Healthy(i int) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	// The node logs each time that it says no, so what can be known before is asked before.
	if info, err := n.ask(i); err != nil || info.Meta.Leader == "" || info.Meta.Size != len(n.nodes) {
		return false
	}
	return n.nodes[i].monitor.call(ctx, http.MethodGet, "/healthz", nil, nil) == nil
}

// AwaitHealthy waits until all nodes are, as an operator waits before touching the next one.
func (n *NATS) AwaitHealthy() {
	n.t.Helper()
	sick := func() (sick []string) {
		for i, node := range n.nodes {
			if !n.Healthy(i) {
				sick = append(sick, node.name)
			}
		}
		return sick
	}
	dead := func() bool { // one that has ended does not become healthy
		return slices.ContainsFunc(n.nodes, func(node *natsNode) bool { return node.life().hasEnded() })
	}
	if !poll(readyWithin, nil, func() bool { return dead() || len(sick()) == 0 }) || dead() {
		n.t.Fatalf("testbed: await the NATS cluster: not healthy within %s, or ended: %s", readyWithin, strings.Join(sick(), ", "))
	}
}

// Store is the folder of a node's streams.
func (n *NATS) Store(i int) string { return n.nodes[i].disk.dir }

// disk is where a node keeps its streams.
type disk struct {
	dir string
	// mount is the small file system that holds dir; empty if there is none.
	mount string
	// small says that this disk can be filled.
	small bool
}

// ballast is the file that takes all room of a small file system.
const ballast = "ballast"

func diskFor(t TB, small bool) disk {
	t.Helper()
	dir := t.TempDir()
	d := disk{dir: filepath.Join(dir, "jetstream"), small: small}
	if small && mountSmall(t, dir) {
		d.mount = dir
	}
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		t.Fatalf("testbed: make the node's folder: %v", err)
	}
	return d
}

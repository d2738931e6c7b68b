package testbed

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// RedisOptions is a primary with its replicas.
type RedisOptions struct {
	// Replicas is how many, default 1. Negative: none.
	Replicas int
	// Args are more words of the command line of every node, e.g. "--maxmemory", "10mb". They win over the test bed's own.
	Args []string
}

// Redis is a primary and the replicas that follow it, each through a link of its own. Nothing is written to disk.
type Redis struct {
	Primary  *RedisNode
	Replicas []*RedisNode
}

// RedisNode is one server.
type RedisNode struct {
	*Process
	// Name is redis1, which is the primary, redis2 and so on.
	Name string
	// Addr is where it answers.
	Addr string
	// Proxy is the link through which a replica reaches its primary; the primary has none.
	Proxy *Link
}

// StartRedis starts a primary with its replicas and waits until they follow it.
func StartRedis(t TB, o RedisOptions) *Redis {
	t.Helper()
	path := find(t, "redis-server", "redis-server")
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	r := &Redis{Primary: startRedisNode(t, path, 1, nil, o.Args)}
	for i := range max(o.Replicas, 0) {
		link := Proxy(t, ProxyConfig{Target: r.Primary.Addr})
		r.Replicas = append(r.Replicas, startRedisNode(t, path, i+2, link, o.Args))
	}
	for _, n := range r.Replicas {
		Await(t, readyWithin, n.Name+" to follow the primary", n.follows)
	}
	return r
}

func startRedisNode(t TB, path string, number int, link *Link, more []string) *RedisNode {
	t.Helper()
	n := &RedisNode{Name: "redis" + strconv.Itoa(number), Addr: Addr(t), Proxy: link}
	host, port, err := net.SplitHostPort(n.Addr)
	if err != nil {
		t.Fatalf("testbed: read the address %s: %v", n.Addr, err)
	}
	args := []string{
		"--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--daemonize", "no",
		// A replica is told so often that its primary lives, and gives it up after so long. Seconds.
		"--repl-ping-replica-period", "1", "--repl-timeout", "8",
		// What a replica misses while its link is cut fits into this, so that it need not copy everything again.
		"--repl-backlog-size", "16mb", "--repl-diskless-sync-delay", "0",
	}
	if link != nil {
		host, port, err := net.SplitHostPort(link.Addr)
		if err != nil {
			t.Fatalf("testbed: read the address %s: %v", link.Addr, err)
		}
		args = append(args, "--replicaof", host, port)
	}
	n.Process = Start(t, Command{Name: n.Name, Path: path, Args: append(args, more...), Dir: t.TempDir(), Env: plainEnvironment()})
	if err := n.awaitReady(readyWithin, n.answers); err != nil {
		t.Fatalf("testbed: %v", err)
	}
	return n
}

// Do runs one command and gives its answer as text, see [RedisDo].
func (n *RedisNode) Do(words ...string) (string, error) {
	answer, err := RedisDo(n.Addr, words...)
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", n.Name, err)
	}
	return answer, nil
}

// Info is one field of a section of INFO, "" where it is missing.
func (n *RedisNode) Info(section, field string) (string, error) {
	all, err := n.Do("INFO", section)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(all) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value), nil
		}
	}
	return "", nil
}

// Restart stops it and starts it again, with nothing in it until a replica has copied its primary. It returns when it answers.
func (n *RedisNode) Restart() error {
	n.Stop()
	if err := n.Start(); err != nil {
		return err
	}
	return n.awaitReady(readyWithin, n.answers)
}

func (n *RedisNode) answers() bool {
	answer, err := n.Do("PING")
	return err == nil && answer == "PONG"
}

func (n *RedisNode) follows() bool {
	status, err := n.Info("replication", "master_link_status")
	return err == nil && status == "up"
}

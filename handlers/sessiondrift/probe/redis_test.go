package probe_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/redis"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
)

const prefix = "sess:"

// redisBench is a real Redis with an application's sessions in it, and links between us and its replicas.
type redisBench struct {
	*testbed.Redis
	app   *goredis.Client
	store *redis.Store
	links []*testbed.Link
}

func newRedis(t *testing.T, o testbed.RedisOptions, members []member) *redisBench {
	t.Helper()
	b := &redisBench{Redis: testbed.StartRedis(t, o)}
	b.app = goredis.NewClient(&goredis.Options{Addr: b.Primary.Addr, Protocol: 2})
	t.Cleanup(func() { _ = b.app.Close() })
	c := redis.Config{Primary: b.Primary.Addr, Prefix: prefix, TTL: ttl}
	for _, r := range b.Replicas {
		link := testbed.Proxy(t, testbed.ProxyConfig{Target: r.Addr})
		b.links = append(b.links, link)
		c.Replicas = append(c.Replicas, redis.Replica{Name: r.Name, Addr: link.Addr})
	}
	var err error
	if b.store, err = redis.New(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.store.Close() })
	for _, m := range members {
		b.register(t, m)
	}
	return b
}

func (b *redisBench) now(t *testing.T) time.Time {
	t.Helper()
	now, err := b.app.Time(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return now
}

func (b *redisBench) register(t *testing.T, m member) {
	t.Helper()
	now := b.now(t)
	text, err := json.Marshal(map[string]any{"epoch": m.epoch, "since": now.Add(-time.Hour).UnixMilli(),
		"lease_until": now.Add(m.lease).UnixMilli(), "sees": m.sees})
	if err == nil {
		err = b.app.HSet(t.Context(), prefix+"nodes", m.name, text).Err()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// fill writes sessions; an id may name a copy, id@node.
func (b *redisBench) fill(t *testing.T, lists ...[]made) {
	t.Helper()
	now := b.now(t)
	_, err := b.app.Pipelined(t.Context(), func(p goredis.Pipeliner) error {
		for _, list := range lists {
			for _, m := range list {
				p.HSet(t.Context(), prefix+"s:"+m.id, "owner", m.owner, "epoch", m.epoch, "version", m.version,
					"lease_until", now.Add(m.lease).UnixMilli(), "priority", m.priority)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range b.Replicas {
		testbed.Await(t, patience, r.Name+" to follow", func() bool {
			return b.position(t, r, "slave_repl_offset") >= b.position(t, b.Primary, "master_repl_offset")
		})
	}
}

func (b *redisBench) position(t *testing.T, n *testbed.RedisNode, field string) string {
	t.Helper()
	text, err := n.Info("replication", field)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Repeat("0", max(0, 20-len(text))) + text
}

// TestRedisLook: all parts of a look at a whole store: who is there, whose sessions are orphans and which are only expired, and replicas that
// hold the same.
func TestRedisLook(t *testing.T) {
	t.Parallel()
	members := whole()
	members[2].lease = -time.Hour // c is silent: the others hear it still
	b := newRedis(t, testbed.RedisOptions{Replicas: 2}, members)
	orphans := some(20, "orphan", "dead", -time.Hour)
	orphans[7].lease, orphans[7].priority = -2*time.Hour, "critical"
	b.fill(t, some(200, "live", "a", time.Minute), orphans, some(30, "silent", "c", -time.Hour), some(5, "late", "dead", -ttl))
	if err := b.app.HSet(t.Context(), prefix+"s:strange", "owner", "a").Err(); err != nil {
		t.Fatal(err)
	}
	o := look(t, prober(t, b.store, nil))
	isWell(t, o)
	if m := o.Members; !m.Quorum || m.Epoch != 7 || len(m.Members) != 3 || m.Is("c") != sessions.Silent || m.Is("dead") != sessions.Gone ||
		m.Total < 255 {
		t.Errorf("members: %+v", m)
	}
	oldest := o.Orphans.Oldest
	o.Orphans.Oldest = nil
	want := sessiondrift.Orphans{Read: 255, Complete: true, Unreadable: 1, Expired: 50, Count: 20, Owners: 2,
		ByOwner: map[string]int{"c": 30, "dead": 20}, ByPriority: map[sessions.Priority]int{sessions.Critical: 1, sessions.Normal: 19}}
	if !reflect.DeepEqual(o.Orphans, want) || len(oldest) != 20 {
		t.Errorf("orphans, of which %d are told:\ngot  %+v\nwant %+v", len(oldest), o.Orphans, want)
	}
	same(t, "oldest", ids(oldest)[:3], []string{"orphan-00007", "orphan-00000", "orphan-00001"})
	if len(o.Replicas.Replicas) != 2 || !o.Replicas.Replicas[0].Known {
		t.Errorf("replicas: %+v", o.Replicas)
	}
	c := o.Contents
	if len(c.Replicas) != 2 || c.Cut.IsZero() || c.Replicas[0].Name != "redis2" || c.Replicas[0].Buckets != 0 || c.Replicas[1].Buckets != 0 {
		t.Errorf("contents: %+v", c)
	}
	if k := o.Clock; k.Within <= 0 || k.Within > 5 || k.Offset > k.Within+0.01 || k.Offset < -k.Within-0.01 {
		t.Errorf("clock: %+v", k)
	}
	again := look(t, prober(t, b.store, nil))
	same(t, "oldest, again", ids(again.Orphans.Oldest), ids(oldest))
}

// TestRedisDrift: what a replica holds that it should not is told session by session.
func TestRedisDrift(t *testing.T) {
	t.Parallel()
	b := newRedis(t, testbed.RedisOptions{Replicas: 2, Args: []string{"--replica-read-only", "no"}}, whole())
	b.fill(t, some(300, "s", "a", time.Minute))
	for _, words := range [][]string{
		{"HSET", prefix + "s:s-00001", "version", "0"}, {"DEL", prefix + "s:s-00002"}, {"HSET", prefix + "s:s-00003", "version", "9"},
	} {
		if _, err := b.Replicas[1].Do(words...); err != nil {
			t.Fatal(err)
		}
	}
	o := look(t, prober(t, b.store, nil))
	isWell(t, o)
	same(t, "drift", drifts(o), []string{"redis3 s-00001: behind", "redis3 s-00002: lost", "redis3 s-00003: ahead"})
	if r := o.Contents.Replicas[1]; r.Buckets != 3 || r.Examined != 3 || r.More {
		t.Errorf("got %+v", r)
	}
}

// TestRedisCopies: copies of one session are told as a group where they are not equal.
func TestRedisCopies(t *testing.T) {
	t.Parallel()
	b := newRedis(t, testbed.RedisOptions{}, whole())
	copied := func(id, version string) []made {
		return []made{{id: id, owner: "a", version: version, epoch: 7, lease: time.Minute, priority: "low"}}
	}
	b.fill(t, some(50, "plain", "a", time.Minute),
		copied("equal@a", "a=1,b=1"), copied("equal@b", "a=1,b=1"),
		copied("behind@a", "a=2,b=1"), copied("behind@b", "a=1,b=1"), copied("behind@c", "a=2,b=1"),
		copied("torn@a", "a=2,b=1"), copied("torn@b", "a=1,b=2"), copied("torn@c", "a=1,b=1"))
	o := look(t, prober(t, b.store, nil))
	isWell(t, o)
	if len(o.Copies.Dominated) != 1 || len(o.Copies.Concurrent) != 1 || o.Copies.More {
		t.Fatalf("got %+v", o.Copies)
	}
	same(t, "dominated", ids(o.Copies.Dominated[0]), []string{"behind@a", "behind@b", "behind@c"})
	same(t, "concurrent", ids(o.Copies.Concurrent[0]), []string{"torn@a", "torn@b", "torn@c"})
}

// TestRedisHangs: a replica and a Prometheus that let nothing pass cost the look neither its end nor the rest.
func TestRedisHangs(t *testing.T) {
	t.Parallel()
	b := newRedis(t, testbed.RedisOptions{Replicas: 2}, whole())
	b.fill(t, some(100, "live", "a", time.Minute), some(10, "orphan", "dead", -time.Hour))
	hung := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(hung.Close)
	p := prober(t, b.store, &policy.DriftMetrics{URL: hung.URL, Partition: "p", NotFound: "n", Timeout: policy.Duration(time.Second)})
	b.links[0].Hold()
	start := time.Now()
	o := look(t, p)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the look took %s, more than the loop allows", took)
	}
	if o.Members.Problem != "" || o.Orphans.Count != 10 || !o.Orphans.Complete || o.Replicas.Problem != "" {
		t.Errorf("what does not hang was not read:\n%s", problems(o))
	}
	if r := o.Replicas.Replicas; len(r) != 2 || r[0].Known || r[0].State != "unreachable" || !r[1].Known {
		t.Errorf("replicas: %+v", r)
	}
	if r := o.Contents.Replicas; len(r) != 2 || r[0].Problem != "it does not answer" || r[1].Problem != "" {
		t.Errorf("contents: %+v", o.Contents)
	}
	if o.Around.PartitionProblem != "no answer within 1s" || o.Around.NotFoundProblem != "no answer within 1s" || o.Around.NotFound != nil {
		t.Errorf("around: %+v", o.Around)
	}
}

// TestRedisPartition: members that do not hear each other make no orphans, as the store shows it: without a quorum, and with one while
// somebody vouches.
func TestRedisPartition(t *testing.T) {
	t.Parallel()
	b := newRedis(t, testbed.RedisOptions{}, []member{
		{"a", 7, time.Hour, nil}, {"b", 7, -time.Hour, []string{"c"}}, {"c", 7, -time.Hour, []string{"b"}},
	})
	b.fill(t, some(40, "cut", "b", -time.Hour), some(40, "far", "nobody", -time.Hour))
	p := prober(t, b.store, nil)
	o := look(t, p)
	isWell(t, o)
	if o.Members.Quorum || o.Orphans.Expired != 80 || o.Orphans.Count != 0 || len(o.Orphans.Oldest) != 0 {
		t.Errorf("without a quorum: members %+v, orphans %+v", o.Members, o.Orphans)
	}
	b.register(t, member{"c", 7, time.Hour, []string{"b"}})
	o = look(t, p)
	isWell(t, o)
	if !o.Members.Quorum || o.Orphans.Expired != 80 || o.Orphans.Count != 40 || o.Orphans.ByOwner["b"] != 40 {
		t.Errorf("while c vouches for b: members %+v, orphans %+v", o.Members, o.Orphans)
	}
	for _, s := range o.Orphans.Oldest {
		if s.Owner == "b" {
			t.Fatalf("%s is an orphan, and somebody vouches for its owner", s)
		}
	}
	b.register(t, member{"c", 7, time.Hour, []string{"a"}})
	if o = look(t, p); o.Orphans.Count != 80 {
		t.Errorf("when nobody hears b: orphans %+v", o.Orphans)
	}
}

// TestRedisPrimaryGone: a store that does not answer is said in every part.
func TestRedisPrimaryGone(t *testing.T) {
	t.Parallel()
	b := newRedis(t, testbed.RedisOptions{}, whole())
	b.fill(t, some(10, "live", "a", time.Minute))
	b.Primary.Stop()
	o, err := prober(t, b.store, nil).Observe(t.Context(), name)
	if err == nil || o.Problem == "" {
		t.Errorf("got %+v, %v, want that nothing could be read", o, err)
	}
}

// TestRedisTenThousand measures a look at ten thousand sessions with drift in them.
func TestRedisTenThousand(t *testing.T) {
	t.Parallel()
	b := newRedis(t, testbed.RedisOptions{Args: []string{"--replica-read-only", "no"}}, whole())
	b.fill(t, some(9900, "live", "a", time.Minute), some(100, "orphan", "dead", -time.Hour))
	if _, err := b.Replicas[0].Do("HSET", prefix+"s:live-00001", "version", "0"); err != nil {
		t.Fatal(err)
	}
	p := prober(t, b.store, nil)
	start := time.Now()
	o := look(t, p)
	t.Logf("a look at %d sessions took %s", o.Orphans.Read, time.Since(start))
	isWell(t, o)
	if o.Orphans.Read != 10_000 || !o.Orphans.Complete || o.Orphans.Count != 100 {
		t.Errorf("got %d, complete %t, %d orphans", o.Orphans.Read, o.Orphans.Complete, o.Orphans.Count)
	}
	same(t, "drift", drifts(o), []string{"redis2 live-00001: behind"})
}

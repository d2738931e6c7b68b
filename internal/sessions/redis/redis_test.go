package redis_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/redis"
	"github.com/firebreak-sre/firebreak/internal/sessions/sessionstest"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// A real primary with a replica keeps the contract.
func TestConforms(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.RedisOptions{})
	report := sessionstest.Run(t.Context(), b.store, sessionstest.Options{Bench: b, Within: 2 * patience})
	t.Logf("\n%s", report)
	if !report.OK() || report.Count(sessionstest.Skipped) > 0 {
		t.Error("the store does not keep the contract")
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]redis.Config{
		"no primary": {TTL: ttl}, "no ttl": {Primary: "x:1"}, "pattern": {Primary: "x:1", TTL: ttl, Prefix: "a*"},
		"twice": {Primary: "x:1", TTL: ttl, Replicas: []redis.Replica{{Name: "a", Addr: "x:2"}, {Name: "a", Addr: "x:3"}}},
	} {
		if _, err := redis.New(c); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// digests are those of both sides, without waiting for anything.
func digests(t *testing.T, b *bench) (primary, replica sessions.Digest) {
	t.Helper()
	primary, err := b.store.Digest(t.Context(), sessions.Primary, sessions.Cut{})
	if err != nil {
		t.Fatal(err)
	}
	replica, err = b.store.Digest(t.Context(), "redis2", sessions.Cut{})
	if err != nil {
		t.Fatal(err)
	}
	return primary, replica
}

func lag(t *testing.T, b *bench) sessions.Replica {
	t.Helper()
	r, err := b.store.Replication(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r.Replicas[0]
}

// same waits until both sides hold the same, at a cut.
func same(t *testing.T, b *bench) {
	t.Helper()
	testbed.Await(t, patience, "both sides to be the same at a cut", func() bool {
		cut, err := b.store.Cut(t.Context())
		if err != nil {
			return false
		}
		primary, err := b.store.Digest(t.Context(), sessions.Primary, cut)
		if err != nil {
			return false
		}
		replica, err := b.store.Digest(t.Context(), "redis2", cut)
		return err == nil && len(sessions.Differ(primary, replica)) == 0 && primary.Count() > 0
	})
}

// A link that is cut shows as lag, the digests differ in what was written meanwhile, a cut is not reached, and a sync says that it is not
// complete. When it is mended everything is the same again.
func TestLinkCut(t *testing.T) {
	t.Parallel()
	linkFails(t, func(l *testbed.Link) { l.Cut() })
}

// A link that lets nothing pass and tells nobody shows too.
func TestLinkHeld(t *testing.T) {
	t.Parallel()
	linkFails(t, func(l *testbed.Link) { l.Hold() })
}

// A stream that comes late, all the time, is heard from all the time. How far the replica is behind is then not known, and never small.
func TestLinkLate(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.RedisOptions{})
	b.fill(t, 20)
	same(t, b)
	b.Replicas[0].Proxy.Delay(10*time.Second, testbed.FromTarget)
	n := 2
	testbed.Await(t, patience, "a lag that is not known", func() bool {
		n++
		if err := b.app.HSet(t.Context(), prefix+"s:"+id(3), "version", n).Err(); err != nil {
			t.Fatal(err)
		}
		r := lag(t, b)
		if r.Known && r.LagUnits > 0 && r.LagSeconds < 2 {
			t.Fatalf("a stream that is 10 s late is said to be %.1f s behind", r.LagSeconds)
		}
		return !r.Known && r.LagUnits > 0
	})
}

func linkFails(t *testing.T, fail func(*testbed.Link)) {
	b := newBench(t, testbed.RedisOptions{})
	b.fill(t, 200)
	same(t, b)
	link := b.Replicas[0].Proxy
	fail(link)
	for _, i := range []int{3, 77} {
		if err := b.app.HSet(t.Context(), prefix+"s:"+id(i), "version", 2).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.app.Del(t.Context(), prefix+"s:"+id(9)).Err(); err != nil {
		t.Fatal(err)
	}
	testbed.Await(t, patience, "lag", func() bool { r := lag(t, b); return r.Known && r.LagUnits > 0 && r.LagSeconds > 0 })
	primary, replica := digests(t, b)
	if differ := sessions.Differ(primary, replica); len(differ) < 1 || len(differ) > 3 || primary.Count() != 199 || replica.Count() != 200 {
		t.Errorf("buckets %v differ, of %d and %d sessions", differ, primary.Count(), replica.Count())
	}
	cut, err := b.store.Cut(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.Digest(t.Context(), "redis2", cut); !errors.Is(err, sessions.ErrBehind) {
		t.Errorf("a digest at a cut that is not reached: %v", err)
	}
	o := sessions.Sync{Order: order(t, b.store, "sync-1", 1), IDs: []string{id(3)}, Within: sessions.Seconds(200 * time.Millisecond)}
	synced, err := b.store.Sync(t.Context(), o)
	if err != nil || synced.Complete || synced.Replicas[0].Has {
		t.Errorf("a sync over a broken link: %+v, %v", synced, err)
	}
	link.Heal()
	same(t, b)
	testbed.Await(t, patience, "no lag", func() bool { r := lag(t, b); return r.Known && r.LagUnits == 0 && r.State == "online" })
	o.Within = sessions.Seconds(sessions.LongestWait)
	again, err := b.store.Sync(t.Context(), sessions.Sync{Order: order(t, b.store, "sync-2", 1), IDs: o.IDs, Within: o.Within})
	if err != nil || !again.Complete {
		t.Errorf("a sync over a mended link: %+v, %v", again, err)
	}
}

// A replica that was written to by hand is found as drift, session by session, and a sync of those mends it. What is only on its way is none.
func TestExamineAndSync(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.RedisOptions{Args: []string{"--replica-read-only", "no"}})
	b.fill(t, 100)
	same(t, b)
	r := b.Replicas[0]
	for _, words := range [][]string{
		{"HSET", prefix + "s:" + id(1), "version", "0"}, {"DEL", prefix + "s:" + id(2)}, {"HSET", prefix + "s:" + id(3), "owner", "x"},
	} {
		if _, err := r.Do(words...); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]sessions.Drift{id(1): sessions.Behind, id(2): sessions.Lost, id(3): sessions.OtherOwner}
	primary, replica := digests(t, b)
	got := map[string]sessions.Drift{}
	for _, bucket := range sessions.Differ(primary, replica) {
		found, err := sessions.Examine(t.Context(), b.store, "redis2", bucket, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range found {
			got[d.ID] = d.Drift
		}
	}
	for key, drift := range want {
		if got[key] != drift {
			t.Errorf("%s is %q, want %q", key, got[key], drift)
		}
	}
	if len(got) != len(want) {
		t.Errorf("found %v", got)
	}
	before := b.app.PTTL(t.Context(), prefix+"s:"+id(1)).Val()
	o := sessions.Sync{Order: order(t, b.store, "sync", 3), IDs: []string{id(1), id(2), id(3)}, Within: sessions.Seconds(sessions.LongestWait)}
	if synced, err := b.store.Sync(t.Context(), o); err != nil || !synced.Complete || synced.Count(sessions.Done) != 3 {
		t.Errorf("got %+v, %v", synced, err)
	}
	same(t, b)
	if got, err := r.Do("HGET", prefix+"s:"+id(1), "data"); err != nil || got != "contents of "+id(1) {
		t.Errorf("the contents at the replica are %q, %v", got, err)
	}
	if after := b.app.PTTL(t.Context(), prefix+"s:"+id(1)).Val(); before != after {
		t.Errorf("its expiry was %s and is %s", before, after)
	}
}

// A session's own expiry stands still in quarantine, and is there again after a restore. One that has passed is not given back.
func TestExpiry(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.RedisOptions{Replicas: -1})
	b.fill(t, 300)
	name := func(i int) string { return prefix + "s:" + id(i) }
	far := time.Now().Add(50 * time.Hour).Truncate(time.Millisecond)
	if err := b.app.PExpireAt(t.Context(), name(0), far).Err(); err != nil {
		t.Fatal(err)
	}
	if err := b.app.PExpire(t.Context(), name(1), 3*time.Second).Err(); err != nil {
		t.Fatal(err)
	}
	q := sessions.Quarantine{Order: order(t, b.store, "act", 3), Sessions: list(t, b.store, "", id(0), id(1), id(2))}
	if a, err := b.store.Quarantine(t.Context(), q); err != nil || a.Count(sessions.Done) != 3 {
		t.Fatalf("got %+v, %v", a, err)
	}
	for i := range 3 {
		left := b.app.PTTL(t.Context(), prefix+"q:act@"+id(i)).Val()
		if left > sessions.QuarantineFor || left < sessions.QuarantineFor-patience {
			t.Errorf("%s is kept for %s", id(i), left)
		}
	}
	ends := b.app.Time(t.Context()).Val().Add(3 * time.Second)
	testbed.Await(t, patience, "the expiry to pass", func() bool { return b.app.Time(t.Context()).Val().After(ends) })
	a, err := b.store.Restore(t.Context(), sessions.Restore{Order: order(t, b.store, "undo", 3), Undo: "act"})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []sessions.Outcome{sessions.Done, sessions.Expired, sessions.Done} {
		if got := a.Of(sessions.Key{ID: id(i)}); got != want {
			t.Errorf("%s: %s, want %s", id(i), got, want)
		}
	}
	if got := time.UnixMilli(b.app.PExpireTime(t.Context(), name(0)).Val().Milliseconds()); !got.Equal(far) {
		t.Errorf("it expires at %s, want %s", got, far)
	}
	if got := b.app.PTTL(t.Context(), name(2)).Val(); got != -1 {
		t.Errorf("what did not expire does, in %s", got)
	}
}

// Keys that are no sessions of the contract are counted, and never touched.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.RedisOptions{Replicas: -1})
	b.fill(t, 3)
	for _, words := range [][]string{
		{"SET", prefix + "s:text", "x"}, {"HSET", prefix + "s:empty", "data", "x"},
		{"HSET", prefix + "s:" + id(0), "version", "07"}, {"HSET", prefix + "s:" + id(1), "lease_until", "soon"},
	} {
		if _, err := b.Primary.Do(words...); err != nil {
			t.Fatal(err)
		}
	}
	page, err := b.store.List(t.Context(), sessions.Query{})
	if err != nil || page.Unreadable != 4 || len(page.Sessions) != 1 {
		t.Errorf("got %+v, %v", page, err)
	}
	now := page.At.Add(-time.Hour)
	text := sessions.Session{Key: sessions.Key{ID: "text"}, Owner: "dead", Epoch: 1, Version: sessions.Counter(1),
		LeaseUntil: now, Priority: sessions.Normal}
	a, err := b.store.Quarantine(t.Context(), sessions.Quarantine{Order: order(t, b.store, "act", 1), Sessions: []sessions.Session{text}})
	if err != nil || a.Of(text.Key) != sessions.Unreadable {
		t.Errorf("got %+v, %v", a, err)
	}
}

// A node that cannot be read, or a primary that is one no more, makes every order refused.
func TestFailsClosed(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.RedisOptions{})
	b.fill(t, 1)
	q := sessions.Quarantine{Order: order(t, b.store, "act", 1), Sessions: list(t, b.store, "", id(0))}
	if err := b.app.HSet(t.Context(), prefix+"nodes", "d", "not json").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.Membership(t.Context()); err == nil {
		t.Error("a membership is made of a node that cannot be read")
	}
	if _, err := b.store.Quarantine(t.Context(), q); !errors.Is(err, sessions.ErrBusy) {
		t.Errorf("quarantine by such a membership: %v", err)
	}
	if err := b.app.HDel(t.Context(), prefix+"nodes", "d").Err(); err != nil {
		t.Fatal(err)
	}
	c := b.config()
	c.Primary = b.Replicas[0].Addr
	wrong := open(t, c)
	if _, err := wrong.Membership(t.Context()); err == nil || !strings.Contains(err.Error(), "not a primary") {
		t.Errorf("a replica is taken for a primary: %v", err)
	}
	testbed.Await(t, patience, "the session at the replica", func() bool { return len(list(t, b.store, "redis2", id(0))) == 1 })
	if _, err := wrong.Quarantine(t.Context(), q); !errors.Is(err, sessions.ErrBusy) {
		t.Errorf("quarantine at a replica: %v", err)
	}
	b.Replicas[0].Stop()
	if r := lag(t, b); r.Known || r.State != "unreachable" {
		t.Errorf("a replica that is down: %+v", r)
	}
}

// A login that may not do all that a script does makes an error in its middle. That is no refusal, a repeat is no answer, and whatever was
// taken can be restored.
func TestHalfAScript(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.RedisOptions{Replicas: -1})
	b.fill(t, 300)
	if _, err := b.Primary.Do("ACL", "SETUSER", "half", "on", ">word", "~*", "+@all", "-rename"); err != nil {
		t.Fatal(err)
	}
	c := b.config()
	c.User, c.Password = "half", "word"
	weak := open(t, c)
	q := sessions.Quarantine{Order: order(t, weak, "act", 2), Sessions: list(t, weak, "", id(0), id(1))}
	for range 2 {
		if _, err := weak.Quarantine(t.Context(), q); err == nil || errors.Is(err, sessions.ErrRefused) {
			t.Errorf("got %v", err)
		}
	}
	// What a full login finds of it: as if the first rename had been done.
	if err := b.app.Rename(t.Context(), prefix+"s:"+id(0), prefix+"q:act@"+id(0)).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.Quarantine(t.Context(), q); err == nil || !strings.Contains(err.Error(), "began and did not end") {
		t.Errorf("a repeat: %v", err)
	}
	a, err := b.store.Restore(t.Context(), sessions.Restore{Order: order(t, b.store, "undo", 5), Undo: "act"})
	if err != nil || a.Of(sessions.Key{ID: id(0)}) != sessions.Done || a.Of(sessions.Key{ID: id(1)}) != sessions.Taken {
		t.Errorf("restore: %+v, %v", a, err)
	}
	for i := range 2 {
		if got := b.app.HGet(t.Context(), prefix+"s:"+id(i), "data").Val(); got != "contents of "+id(i) {
			t.Errorf("%s holds %q", id(i), got)
		}
	}
}

// A login with the rights that are documented, and no others, keeps the whole contract.
func TestLeastRights(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.RedisOptions{})
	reading := strings.Fields("+scan +hgetall +hkeys +hmget +pexpiretime +time +info")
	acting := append(strings.Fields("+hget +hset +hsetnx +hexists +exists +pexpire +pexpireat +persist +rename +dump +restore +wait +eval +evalsha"), reading...)
	for node, rights := range map[*testbed.RedisNode][]string{b.Primary: acting, b.Replicas[0]: reading} {
		if _, err := node.Do(append([]string{"ACL", "SETUSER", "firebreak", "on", ">word", "~" + prefix + "*"}, rights...)...); err != nil {
			t.Fatal(err)
		}
	}
	c := b.config()
	c.User, c.Password = "firebreak", "word"
	report := sessionstest.Run(t.Context(), open(t, c), sessionstest.Options{Bench: b, Within: 2 * patience})
	if !report.OK() || report.Count(sessionstest.Skipped) > 0 {
		t.Errorf("\n%s", report)
	}
}

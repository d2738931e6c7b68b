package breaker_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/breaker/breakertest"
	"github.com/firebreak-sre/firebreak/remediations/breaker/lease"
)

// A lease that nobody renews ends in NATS by itself, on time; one that is renewed ends one TTL after its renewal, which
// is where Update of a key-value goes wrong.
func TestExpiresByItself(t *testing.T) {
	t.Parallel()
	bed := newBed(t)
	const ttl = 2 * time.Second
	o := seen(t, bed.breaker, step("open", ttl), "a1")
	applied := time.Now()
	r, err := bed.breaker.Apply(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	breakertest.Until(t, "half of the TTL has passed", func() bool { return time.Since(applied) > ttl/2 })
	renewed := time.Now()
	o.Until, o.Released = renewed.Add(ttl), 50
	if r, err = bed.breaker.Adjust(t.Context(), o, r); err != nil {
		t.Fatal(err)
	}
	if p, err := bed.breaker.Check(t.Context(), o); err != nil || p.State != remediations.Ours || p.Released != 50 ||
		p.Revision != r.Revision || !p.Until.Equal(o.Until) {
		t.Errorf("after the renewal: got %+v, %v", p, err)
	}
	breakertest.Until(t, "the lease has expired", func() bool { return bed.standing() == "" })
	stood := time.Since(renewed)
	if stood < ttl-50*time.Millisecond || stood > ttl+3*time.Second {
		t.Errorf("stood for %s after its renewal with a TTL of %s", stood, ttl)
	}
	t.Logf("a lease of %s stood for %s", ttl, stood)
}

// A lease survives a restart of the server, with the end that it had.
func TestServerRestart(t *testing.T) {
	t.Parallel()
	bed := newBed(t)
	const ttl = 4 * time.Second
	o := seen(t, bed.breaker, step("open", ttl), "a1")
	applied := time.Now()
	if _, err := bed.breaker.Apply(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	bed.server.Stop()
	o.Timeout = policy.Duration(200 * time.Millisecond)
	if _, err := bed.breaker.Apply(t.Context(), o); err == nil {
		t.Error("apply without a server: got no error")
	}
	if p, err := bed.breaker.Check(t.Context(), o); err == nil || p.State != remediations.Unknown {
		t.Errorf("check without a server: got %+v, %v, want unknown", p, err)
	}
	bed.server.Restart(t)
	breakertest.Until(t, "the lease is read again", func() bool {
		p, err := bed.breaker.Check(t.Context(), o)
		return err == nil && p.State == remediations.Ours
	})
	breakertest.Until(t, "the lease has expired", func() bool {
		p, err := bed.breaker.Check(t.Context(), o)
		return err == nil && p.State == remediations.Absent
	})
	if stood := time.Since(applied); stood < ttl-50*time.Millisecond || stood > ttl+5*time.Second {
		t.Errorf("stood for %s with a TTL of %s", stood, ttl)
	}
}

// A worker that was frozen between its look and its write wakes up after the edge was held and let go again. It is refused: its compare
// names a revision that is gone, even where it had seen a subject without any.
func TestFrozenWorkerIsRefused(t *testing.T) {
	t.Parallel()
	bed := newBed(t)
	frozen := seen(t, bed.old, step("open", time.Minute), "frozen")
	if frozen.Seen.Revision != 0 {
		t.Fatalf("got revision %d, want none", frozen.Seen.Revision)
	}
	other := seen(t, bed.breaker, step("open", time.Second), "other")
	if _, err := bed.breaker.Apply(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	breakertest.Until(t, "the other's lease has expired", func() bool { return bed.standing() == "" })
	if _, err := bed.old.Apply(t.Context(), frozen); !errors.Is(err, remediations.ErrRefused) {
		t.Errorf("apply of the frozen worker: got %v, want ErrRefused", err)
	}
	if got := bed.standing(); got != "" {
		t.Errorf("standing: got %q, want nothing", got)
	}
}

// A lease can be made where one was deleted, purged or expired: the compare knows the tombstone (nats-server #5162).
func TestCreateOverTombstone(t *testing.T) {
	t.Parallel()
	bed := newBed(t)
	for name, bury := range map[string]func(t *testing.T, o remediations.Order, r remediations.Receipt){
		"reverted": func(t *testing.T, o remediations.Order, r remediations.Receipt) {
			if err := bed.breaker.Revert(t.Context(), o, r); err != nil {
				t.Fatal(err)
			}
		},
		"fenced": func(t *testing.T, o remediations.Order, r remediations.Receipt) {
			if err := bed.breaker.Revert(t.Context(), o, r); err != nil {
				t.Fatal(err)
			}
			if _, err := bed.breaker.Fence(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		},
		"purged by hand": func(t *testing.T, _ remediations.Order, _ remediations.Receipt) {
			if err := bed.kv.Purge(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		},
		"expired": func(t *testing.T, _ remediations.Order, _ remediations.Receipt) {
			breakertest.Until(t, "the lease has expired", func() bool { return bed.standing() == "" })
		},
	} {
		o := seen(t, bed.breaker, step("open", time.Second), "a-"+name)
		r, err := bed.breaker.Apply(t.Context(), o)
		if err != nil {
			t.Fatalf("%s: apply: %v", name, err)
		}
		bury(t, o, r)
		again := seen(t, bed.breaker, step("open", time.Minute), "b-"+name)
		if again.Seen.State != remediations.Absent || again.Seen.Revision <= r.Revision {
			t.Errorf("%s: got %+v, want absent with the revision of the tombstone", name, again.Seen)
		}
		if r, err = bed.breaker.Apply(t.Context(), again); err != nil {
			t.Errorf("%s: apply over the tombstone: %v", name, err)
		}
		if err := bed.breaker.Revert(t.Context(), again, r); err != nil {
			t.Errorf("%s: revert: %v", name, err)
		}
	}
}

// What is stored for ever although its time is over (Update of a key-value drops the TTL) does not block the edge for
// ever, and what is no lease at all is somebody's and is left alone.
func TestStrangeValues(t *testing.T) {
	t.Parallel()
	bed := newBed(t)
	data, err := lease.Lease{Fix: lease.Open, TTLMillis: 1, Until: time.Now().Add(-time.Hour), Action: "old"}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	revision, err := bed.kv.Put(t.Context(), key, data)
	if err != nil {
		t.Fatal(err)
	}
	breakertest.Until(t, "the stored lease is over", func() bool {
		p, err := bed.breaker.Check(t.Context(), remediations.Order{Step: step("open", time.Minute)})
		return err == nil && p.State == remediations.Absent
	})
	o := seen(t, bed.breaker, step("open", time.Minute), "a1")
	if o.Seen.Revision != revision {
		t.Errorf("got %+v, want the revision of what is stored, %d", o.Seen, revision)
	}
	if _, err := bed.breaker.Apply(t.Context(), o); err != nil {
		t.Errorf("apply over a lease that is over: %v", err)
	}
	if _, err := bed.kv.PutString(t.Context(), key, "open"); err != nil {
		t.Fatal(err)
	}
	o = seen(t, bed.breaker, step("open", time.Minute), "a2")
	if o.Seen.State != remediations.Foreign {
		t.Errorf("got %+v, want foreign", o.Seen)
	}
	if err := bed.breaker.Revert(t.Context(), o, remediations.Receipt{}); !errors.Is(err, remediations.ErrNotOurs) {
		t.Errorf("revert: got %v, want ErrNotOurs", err)
	}
}

// A renewal by a worker whose fence was overtaken is refused.
func TestAdjustKnowsTheFence(t *testing.T) {
	t.Parallel()
	bed := newBed(t)
	o := seen(t, bed.breaker, step("open", time.Minute), "a1")
	r, err := bed.breaker.Apply(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Fence = 4
	o.Released = 50
	if _, err := bed.breaker.Adjust(t.Context(), o, r); !errors.Is(err, remediations.ErrRefused) {
		t.Errorf("adjust: got %v, want ErrRefused", err)
	}
}

// Open is safe to repeat, and both buckets can hold what expires.
func TestBuckets(t *testing.T) {
	t.Parallel()
	bed := newBed(t)
	for bucket, storage := range map[string]jetstream.StorageType{
		lease.Bucket: jetstream.FileStorage, lease.InstancesBucket: jetstream.MemoryStorage,
	} {
		s, err := bed.js.Stream(t.Context(), "KV_"+bucket)
		if err != nil {
			t.Fatal(err)
		}
		c := s.CachedInfo().Config
		if c.MaxMsgsPerSubject != 1 || !c.AllowMsgTTL || c.Storage != storage || c.SubjectDeleteMarkerTTL < time.Second {
			t.Errorf("%s: got %+v", bucket, c)
		}
	}
}

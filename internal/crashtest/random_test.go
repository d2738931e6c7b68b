package crashtest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// longestLife is how long a process lives at most until it is killed at random. An incident without a crash takes about a
// second.
const longestLife = 2500 * time.Millisecond

// randomCases kill at random instants. FIREBREAK_SEED repeats one of them, as far as instants can be repeated.
func randomCases(t *testing.T, bin string, kills, runs int) []*kase {
	t.Helper()
	var all []*kase
	for n := range runs {
		for _, tg := range []target{overHTTP, overLease} {
			seed := rand.Uint64()
			if text := os.Getenv("FIREBREAK_SEED"); text != "" {
				var err error
				if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
					t.Fatalf("read FIREBREAK_SEED: %v", err)
				}
			}
			c := &kase{name: fmt.Sprintf("random/%s/%d", tg, n+1), v: verdict{point: fmt.Sprintf("random, %d kills", kills), target: tg}}
			c.run = func(t *testing.T, v *verdict) { atRandom(t, bin, tg, seed, kills, v) }
			all = append(all, c)
		}
	}
	return all
}

// atRandom kills again and again while one sickness follows the other.
func atRandom(t *testing.T, bin string, tg target, seed uint64, kills int, v *verdict) {
	t.Logf("FIREBREAK_SEED=%d", seed)
	w := newWorld(t, bin, tg)
	rng := rand.New(rand.NewPCG(seed, 1))
	stop, sickness := make(chan struct{}), make(chan error, 1)
	go func() { sickness <- w.suffer(rand.New(rand.NewPCG(seed, 2)), stop) }()
	p := w.start("")
	for n := range kills {
		life := time.NewTimer(time.Duration(rng.Int64N(int64(longestLife))))
		select {
		case <-life.C:
		case <-p.Ended():
			t.Fatalf("it ended by itself in life %d:\n%s", n+1, p.Log())
		}
		p.Kill9()
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
	}
	w.ready(p)
	close(stop)
	w.finish(sickness)
	before := len(w.closed(0))
	v.reached = true
	w.finish(w.background(false))
	w.judgeRandom(p, v, before, kills)
	if wrongs := v.wrongs(); len(wrongs) > 0 {
		t.Errorf("killed %d times, FIREBREAK_SEED=%d:\n%s\n%s", kills, seed, strings.Join(wrongs, "\n"), w.story())
	}
}

// judgeRandom judges all incidents; the last one, which was not disturbed, must have been fixed.
func (w *world) judgeRandom(p *testbed.Process, v *verdict, before, kills int) {
	w.t.Helper()
	all := w.closed(before + 1)
	w.judge(v, all, kills)
	for i, r := range all {
		last := i == len(all)-1
		if !last {
			v.outcomes = append(v.outcomes, r.Summary.Outcome)
		}
		if o := r.Summary.Outcome; o != "fixed" && (last || !slices.Contains(legitimate(), o)) {
			v.other = append(v.other, fmt.Sprintf("the outcome of %s is %q: %s", r.Summary.ID, o, r.Summary.Words))
		}
	}
	if log := p.Log(); strings.Contains(log, "panic:") || strings.Contains(log, "fatal error:") {
		v.other = append(v.other, "it crashed by itself")
	}
}

// legitimate are the outcomes, besides fixed, that an incident may have earned among random kills.
func legitimate() []string { return nil }

// suffer has one episode after the other until stop is closed. Some are hasty, and now and then something old is delivered
// again, as from a peer that was cut off.
func (w *world) suffer(rng *rand.Rand, stop <-chan struct{}) error {
	for {
		if err := w.episode(rng.IntN(3) == 0); err != nil {
			return err
		}
		if old := w.am.acknowledged(); rng.IntN(2) == 0 {
			if err := w.am.notify(w.ctx, old[rng.IntN(len(old))]); err != nil {
				return err
			}
		}
		select {
		case <-stop:
			return nil
		default:
		}
	}
}

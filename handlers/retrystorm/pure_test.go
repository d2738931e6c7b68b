package retrystorm_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/retrystorm"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
)

// TestPure throws random records at Decide and Judge: they never panic, give the same answer twice and after a way
// through JSON, write nothing that JSON cannot hold, and never act on what the rules forbid to act on.
func TestPure(t *testing.T) {
	t.Parallel()
	verdicts, effects := map[incidents.Verdict]int{}, map[incidents.Effect]int{}
	for _, probe := range []string{"prometheus", "json"} {
		h := newHandler(t, settings{Probe: probe, Instances: 3})
		for seed := range uint64(1500) {
			c := randomCase(rand.New(rand.NewPCG(seed, 17)), probe)
			d, j := h.Decide(c), h.Judge(c)
			if again := h.Decide(throughJSON(t, c)); !reflect.DeepEqual(again, d) {
				t.Fatalf("seed %d: got %+v, then %+v", seed, d, again)
			}
			if again := h.Judge(throughJSON(t, c)); !reflect.DeepEqual(again, j) {
				t.Fatalf("seed %d: got %+v, then %+v", seed, j, again)
			}
			if _, err := json.Marshal([]any{d, j}); err != nil {
				t.Fatalf("seed %d: write decision: %v", seed, err)
			}
			checkBounds(t, seed, c, d, j)
			verdicts[d.Verdict]++
			effects[j.Effect]++
		}
	}
	if len(verdicts) != 4 || len(effects) != 4 {
		t.Errorf("the random records do not reach everything: %v, %v", verdicts, effects)
	}
	t.Log(verdicts, effects)
}

func checkBounds(t *testing.T, seed uint64, c think.Case[retrystorm.Observation], d incidents.Decision, j incidents.Judgement) {
	t.Helper()
	if d.Verdict == incidents.Act && (c.Busy+1 >= 3 || len(c.Before) < 2 || d.Step == nil || d.Verify == nil) {
		t.Errorf("seed %d: acted on busy %d and %d looks: %+v", seed, c.Busy, len(c.Before), d)
	}
	if d.Verdict == "" || d.Cause == "" || d.Reason == "" || j.Effect == "" || j.Words == "" {
		t.Errorf("seed %d: something is not said: %+v, %+v", seed, d, j)
	}
	if s := c.Step; s != nil && s.Released == 0 && !c.Now.Before(s.Until) && j.Effect == incidents.Pending {
		t.Errorf("seed %d: still pending after the time was over: %s", seed, j.Words)
	}
}

func throughJSON(t *testing.T, c think.Case[retrystorm.Observation]) think.Case[retrystorm.Observation] {
	t.Helper()
	for _, looks := range []*[]look{&c.Before, &c.After} {
		text, err := json.Marshal(*looks)
		if err != nil {
			t.Fatalf("write looks: %v", err)
		}
		*looks = nil
		if err := json.Unmarshal(text, looks); err != nil {
			t.Fatalf("read looks: %v", err)
		}
	}
	return c
}

// randomCase is a record as it may be, and as it never should be: holes, jumps in time, restarts, huge numbers.
func randomCase(r *rand.Rand, probe string) think.Case[retrystorm.Observation] {
	c := think.Case[retrystorm.Observation]{
		Target: think.Target{Name: "checkout/payments"}, Busy: r.IntN(4), Now: second(float64(r.IntN(200))),
	}
	total := row{1000, 1500, 900, 600}
	story := func(n int, from float64) []look {
		var looks []look
		rate := row{40, 40 + r.Float64()*80, r.Float64() * 40, r.Float64() * 100}
		if r.IntN(2) == 0 {
			rate = row{40, 41, 39 + r.Float64(), 1} // well
		}
		for range n {
			from += 5 * float64(1+r.IntN(20)/19*10)
			looks = append(looks, randomLook(r, probe, from, rate, &total))
		}
		return looks
	}
	c.Before = story(r.IntN(15), 0)
	if r.IntN(2) == 0 {
		c.After = story(r.IntN(6), 80)
	}
	if n := len(c.Before); n > 0 && r.IntN(3) > 0 {
		c.Now = c.Before[n-1].At.Add(time.Second)
	}
	if r.IntN(4) > 0 {
		c.Step = &think.Stood{Fix: []string{"open", "retry_budget", "shed", "?"}[r.IntN(4)], Since: second(float64(r.IntN(100))),
			Until: second(60 + float64(r.IntN(100))), Released: r.IntN(3) * 50, ReleasedAt: second(float64(r.IntN(120)))}
	}
	return c
}

func randomLook(r *rand.Rand, probe string, at float64, rate row, total *row) look {
	number := func(v float64) retrystorm.Number {
		switch r.IntN(60) {
		case 0:
			return retrystorm.Number{Err: "no series"}
		case 1:
			return retrystorm.Number{}
		case 2:
			return retrystorm.Number{OK: true, Value: []float64{-1, math.MaxFloat64, 0, 5e-324, 1e17}[r.IntN(5)]}
		}
		return retrystorm.Number{OK: true, Value: v}
	}
	fill := func(v row) retrystorm.Numbers {
		n := retrystorm.Numbers{Calls: number(v[0]), Attempts: number(v[1]), Successes: number(v[2]), Failures: number(v[3])}
		if r.IntN(4) == 0 {
			n.PoolWaiting, n.QueueAge = number(float64(r.IntN(2))), number(r.Float64()*20)
		}
		return n
	}
	o := retrystorm.Observation{At: second(at), Source: retrystorm.Source(probe), Window: duration(time.Duration(r.IntN(12)) * time.Second)}
	if probe == "prometheus" {
		o.Edge = fill(rate)
		return look{At: o.At, Seen: o}
	}
	for i := range total {
		if total[i] += rate[i] * 5; r.IntN(40) == 0 {
			total[i] = 0
		}
	}
	for i := range 3 {
		name := []string{"a", "b", "c", ""}[i+r.IntN(40)/39]
		o.Instances = append(o.Instances, retrystorm.Instance{Name: name, At: o.At, Numbers: fill(*total)})
	}
	return look{At: o.At, Seen: o}
}

package sessions_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/sessions"
)

// The variables that make this test's binary a worker that carries an order out until it is killed: the kind of store, its address, and the
// order. At says where it stands still: before or after the answer of an action; empty: nowhere.
const (
	victimKind  = "FIREBREAK_TEST_STORE"
	victimAddr  = "FIREBREAK_TEST_ADDRESS"
	victimOrder = "FIREBREAK_TEST_ORDER"
	victimAt    = "FIREBREAK_TEST_AT"
)

func TestMain(m *testing.M) {
	if os.Getenv(victimOrder) == "" {
		os.Exit(m.Run())
	}
	if err := beVictim(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// beVictim applies one order, and says where it is.
func beVictim(ctx context.Context) error {
	b, err := reach(os.Getenv(victimKind), os.Getenv(victimAddr))
	if err != nil {
		return err
	}
	opened, err := b.open()
	if err != nil {
		return err
	}
	o, err := readOrder(os.Getenv(victimOrder))
	if err != nil {
		return err
	}
	here := func(where string) {
		fmt.Println(where)
		if where == os.Getenv(victimAt) {
			select {} // until it is killed
		}
	}
	watched := &between{Store: opened,
		before: func(_ string, sent store.Order) { here("before " + sent.Action) },
		after:  func(_ string, a *store.Answer) { here("after " + a.Action) }}
	rem, err := sessions.New(map[string]sessions.Config{shop: {Store: watched}})
	if err != nil {
		return err
	}
	if _, err = rem.Apply(ctx, o); err != nil {
		return err
	}
	return errors.New("it was over before the kill came")
}

// killed runs a worker and kills it where it is, or a moment after it was there.
func killed(t *testing.T, kind, addr string, o remediations.Order, where string, moment time.Duration) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	at := where
	if moment > 0 {
		at = ""
	}
	cmd.Env = append(os.Environ(), victimKind+"="+kind, victimAddr+"="+addr, victimOrder+"="+string(write(t, o)), victimAt+"="+at)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	there := false
	for lines := bufio.NewScanner(out); !there && lines.Scan(); {
		there = lines.Text() == where
	}
	if moment > 0 {
		<-time.After(moment) // the moment is the test
	}
	_ = cmd.Process.Kill() // it may have ended, which is told below
	_ = cmd.Wait()         // it was killed
	if !there || (errs.Len() > 0 && moment == 0) {
		t.Fatalf("the worker never came to %q, and said %q", where, errs.String())
	}
}

// kills are workers that are killed right before, in the middle of, or right after an order. What they leave another one can go on with: it
// finds out what is so, no more is changed than the plan said, nothing happens a second time or later, and everything can be given back.
func kills(t *testing.T, kind, addr string) (trials []trial) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	moment := func() time.Duration { return 1 + time.Duration(random.Int64N(int64(50*time.Millisecond))) }
	add := func(fix, where string, moment time.Duration, least, most int) {
		name := fmt.Sprintf("%s killed %s %s", fix, moment, where)
		place, suffix, _ := strings.Cut(where, " ")
		trials = append(trials, trial{name, fix, func(t *testing.T, _ *scene, o remediations.Order) {
			killed(t, kind, addr, o, place+" "+o.Action+suffix, moment)
		}, func(t *testing.T, sc *scene, o remediations.Order) { resumed(t, sc, o, least, most) }})
	}
	for fix, n := range map[string]int{"quarantine": 15, "reconcile": 12} {
		add(fix, "before", 0, 0, 0)
		add(fix, "after", 0, n, n)
		for range 3 {
			add(fix, "before", moment(), 0, n)
		}
	}
	add("recover", "before -0", 0, 0, 0)
	add("recover", "after -0", 0, 50, 50)
	add("recover", "before -1", 0, 50, 50)
	add("recover", "after -1", 0, 60, 60)
	add("recover", "before -1", moment(), 50, 60)
	return trials
}

// resumed goes on where a worker was killed that may have changed least to most sessions.
func resumed(t *testing.T, sc *scene, o remediations.Order, least, most int) {
	t.Helper()
	p := sc.settle(t, o)
	n := sc.changed(t)
	t.Logf("%d changed; %s: %s", n, p.State, p.Detail)
	if n < least || n > most {
		t.Errorf("%d are changed, want %d to %d", n, least, most)
	}
	want := remediations.Ours
	if n == 0 {
		want = remediations.Absent
	}
	if p.State != want || (n > 0 && !strings.HasPrefix(p.Detail, fmt.Sprintf("%d of %d", n, sc.changes))) {
		t.Errorf("%d are changed, and the store says %+v", n, p)
	}
	o.Deadline = time.Now().Add(time.Hour) // our clock is wrong
	r, err := sc.rem.Apply(t.Context(), o)
	if sc.changed(t) != n || (n == 0) != (store.Code(err) == "deadline") {
		t.Errorf("again: %+v, %v, and %d are changed", r, err, sc.changed(t))
	}
	if err := sc.rem.Revert(t.Context(), o, remediations.Receipt{}); err != nil {
		t.Errorf("revert: %v", err)
	}
	sc.whole(t)
}

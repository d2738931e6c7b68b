package redis_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/redis"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// victimOf is the variable that makes this program a client that quarantines until it is killed.
const victimOf = "FIREBREAK_SESSIONS_VICTIM"

// crowd is how many sessions there are. Ten may be taken at once as long as 1000 of them are live.
const crowd = 1500

func TestMain(m *testing.M) {
	if addr := os.Getenv(victimOf); addr != "" {
		if err := quarantineAll(context.Background(), addr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// quarantineAll says each action before it orders it.
func quarantineAll(ctx context.Context, addr string) error {
	s, err := redis.New(redis.Config{Primary: addr, Prefix: prefix, TTL: ttl})
	if err != nil {
		return err
	}
	for number := 0; ; {
		m, err := s.Membership(ctx)
		if err != nil {
			return err
		}
		var seen []sessions.Session
		for i := range crowd {
			if len(seen) < 10 && i >= 10*number {
				page, err := s.List(ctx, sessions.Query{IDs: []string{id(i)}})
				if err != nil {
					return err
				}
				seen = append(seen, page.Sessions...)
			}
		}
		if len(seen) == 0 {
			return errors.New("everything was quarantined before the kill came")
		}
		o := sessions.Order{Action: fmt.Sprintf("act-%d-%d", os.Getpid(), number), Epoch: m.Epoch, Max: 10, Deadline: m.At.Add(time.Minute)}
		fmt.Println(o.Action)
		if _, err := s.Quarantine(ctx, sessions.Quarantine{Order: o, Sessions: seen}); err != nil {
			return err
		}
		number++
	}
}

// A client that is killed while it quarantines leaves every session whole: live, or away and restorable by the action that it had named.
func TestKilledClient(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.RedisOptions{Replicas: -1})
	for _, after := range []int{1, 2, 7} {
		b.fill(t, crowd)
		actions := killed(t, b.Primary.Addr, after)
		live := len(b.app.Keys(t.Context(), prefix+"s:*").Val())
		away := len(b.app.Keys(t.Context(), prefix+"q:*").Val())
		if live+away != crowd || away%10 != 0 || away < 10*(len(actions)-1) || away > 10*len(actions) {
			t.Errorf("after %d actions %d sessions are live and %d away", len(actions), live, away)
		}
		for i, action := range actions {
			o := sessions.Restore{Order: order(t, b.store, fmt.Sprintf("undo-%d-%s", after, action), 50), Undo: action}
			a, err := b.store.Restore(t.Context(), o)
			last := i == len(actions)-1
			if (err != nil || a.Count(sessions.Done) != 10) && !(last && errors.Is(err, sessions.ErrUnknownAction)) {
				t.Errorf("restore %s: %+v, %v", action, a, err)
			}
		}
		for i := range crowd {
			if got := b.app.HGet(t.Context(), prefix+"s:"+id(i), "data").Val(); got != "contents of "+id(i) {
				t.Fatalf("%s holds %q", id(i), got)
			}
		}
	}
}

// killed runs a client and kills it as soon as it has named so many actions. It returns those that it named.
func killed(t *testing.T, addr string, after int) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimOf+"="+addr)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var actions []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		actions = append(actions, lines.Text())
		if len(actions) == after {
			_ = cmd.Process.Kill() // it may have ended, which is told below
		}
	}
	_ = cmd.Wait() // it was killed
	if len(actions) < after || errs.Len() > 0 {
		t.Fatalf("the client named %v and said %q", actions, errs.String())
	}
	return actions
}

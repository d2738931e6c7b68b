package move_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions/move"
	"github.com/firebreak-sre/firebreak/internal/sessions/redis"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// victimOf is the variable that makes this program a mover that is killed: the primary's address and the replica's.
const victimOf = "FIREBREAK_MOVE_VICTIM"

func TestMain(m *testing.M) {
	if addrs := os.Getenv(victimOf); addrs != "" {
		if err := victim(context.Background(), addrs); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// victim says when it is about to ask for the move, and waits for a word to go on.
func victim(ctx context.Context, addrs string) error {
	primary, replica, _ := strings.Cut(addrs, " ")
	s, err := redis.New(redis.Config{Primary: primary, Prefix: prefix, TTL: ttl, Replicas: []redis.Replica{{Name: "heir", Addr: replica}}})
	if err != nil {
		return err
	}
	c := config("heir")
	c.Within = 2 * time.Second
	c.Keep = func(move.Snapshot) error {
		fmt.Println("ready")
		_, err := bufio.NewReader(os.Stdin).ReadString('\n')
		return err
	}
	_, err = move.Redis(ctx, s, c)
	return err
}

// A mover that is killed leaves nothing half done, wherever it was: before it asked, while the server waits for a replica that comes, and
// for one that does not. There is one primary, writes go on, and the next move works.
func TestKilledMover(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		at    string // the primary's state at which it is killed; "" is before it asks
		hold  bool
		moved bool
	}{
		"before it asks":             {},
		"while the replica comes":    {at: "waiting-for-sync", moved: true},
		"while the replica does not": {at: "waiting-for-sync", hold: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, 150, testbed.RedisOptions{})
			end := b.write(t)
			killed(t, b, c.at, c.hold)
			var last *redis.Store
			testbed.Await(t, patience, "one primary and no failover", func() bool {
				s, err := b.store.Facing(t.Context())
				if err != nil {
					return false
				}
				seat, err := s.Seat(t.Context(), "")
				last = s
				return err == nil && seat.Failover == redis.NoFailover
			})
			if moved := last != b.store; moved != c.moved {
				t.Errorf("the roles are exchanged: %t, want %t", moved, c.moved)
			}
			b.Replicas[0].Proxy.Heal()
			to := "redis2"
			if c.moved {
				to = b.Primary.Addr
			}
			testbed.Await(t, patience, "the next move to be possible", func() bool {
				_, err := move.Plan(t.Context(), last, config(to))
				return err == nil
			})
			if r, err := move.Redis(t.Context(), last, config(to)); err != nil {
				t.Errorf("the next move: %+v, %v", r, err)
			}
			end()
			b.whole(t, b.Primary.Addr, b.Replicas[0].Addr)
		})
	}
}

// killed runs a mover and kills it with SIGKILL when the primary is in a state.
func killed(t *testing.T, b *bench, at string, hold bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimOf+"="+b.Primary.Addr+" "+b.Replicas[0].Addr)
	var errs strings.Builder
	cmd.Stderr = &errs
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("the mover said %q, %v: %s", line, err, errs.String())
	}
	if at != "" {
		if hold {
			b.Replicas[0].Proxy.Hold()
		}
		if _, err := fmt.Fprintln(in); err != nil {
			t.Fatal(err)
		}
		testbed.Await(t, patience, "the primary in the state "+at, func() bool {
			_, failover := state(t, b.Primary)
			return failover == at
		})
	}
	_ = cmd.Process.Kill() // it may have ended, which is told below
	_ = cmd.Wait()         // it was killed
	if errs.Len() > 0 {
		t.Fatalf("the mover ended by itself: %s", errs.String())
	}
}

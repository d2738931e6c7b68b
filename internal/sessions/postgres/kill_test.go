package postgres_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	fleet "github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/postgres"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// victimOf is the variable that makes this program a client that quarantines until it is killed.
const victimOf = "FIREBREAK_SESSIONS_VICTIM"

// crowd is how many sessions there are. Ten may be taken at once as long as 1000 of them are live.
const crowd = 1500

func TestMain(m *testing.M) {
	if port := os.Getenv(victimOf); port != "" {
		if err := quarantineAll(context.Background(), port); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// quarantineAll says each action before it orders it.
func quarantineAll(ctx context.Context, port string) error {
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	f, err := fleet.Open([]fleet.Node{node("orders/pg1", number)}, zerolog.Nop())
	if err != nil {
		return err
	}
	s, err := postgres.New(postgres.Config{Servers: f, Nodes: []postgres.Node{{Name: "pg1", Server: "orders/pg1"}}, TTL: ttl})
	if err != nil {
		return err
	}
	for number := 0; ; number++ {
		m, err := s.Membership(ctx)
		if err != nil {
			return err
		}
		page, err := s.List(ctx, sessions.Query{Limit: 10})
		if err != nil {
			return err
		}
		if len(page.Sessions) < 10 {
			return errors.New("everything was quarantined before the kill came")
		}
		o := sessions.Order{Action: fmt.Sprintf("act-%d-%d", os.Getpid(), number), Epoch: m.Epoch, Max: 10, Deadline: m.At.Add(time.Minute)}
		fmt.Println(o.Action)
		if _, err := s.Quarantine(ctx, sessions.Quarantine{Order: o, Sessions: page.Sessions}); err != nil {
			return err
		}
	}
}

// A client that is killed while it quarantines leaves every session whole: live, or away and restorable by the action that it had named.
func TestKilledClient(t *testing.T) {
	t.Parallel()
	b := newBench(t, -1)
	b.fill(t, crowd)
	for _, after := range []int{1, 2, 5, 9} {
		actions := killed(t, b.Primary.Port, after)
		// A transaction that the server has not noticed to be nobody's is over when its row can be locked.
		testbed.Await(t, patience, "the client's sessions to end", func() bool {
			n, err := b.Primary.Ask("select count(*) from pg_stat_activity where usename like 'firebreak%' and application_name like '%act-%'")
			return err == nil && n == "0"
		})
		away := b.Primary.Value(t, `select concat_ws(' ', count(*), count(distinct quarantined_by), coalesce(max(n), 10), coalesce(min(n), 10))
			from (select quarantined_by, count(*) over (partition by quarantined_by) as n from sessions where quarantined_at is not null) as q`)
		var rows, by, most, least int
		if _, err := fmt.Sscan(away, &rows, &by, &most, &least); err != nil {
			t.Fatal(err)
		}
		if most != 10 || least != 10 || by < len(actions)-1 || by > len(actions) {
			t.Errorf("after %d actions there are %d sessions away, by %d actions, %d to %d each", len(actions), rows, by, least, most)
		}
		for i, action := range actions {
			o := sessions.Restore{Order: order(t, b.store, fmt.Sprintf("undo-%d-%s", after, action), 50), Undo: action}
			a, err := b.store.Restore(t.Context(), o)
			last := i == len(actions)-1
			if (err != nil || a.Count(sessions.Done) != 10) && !(last && errors.Is(err, sessions.ErrUnknownAction)) {
				t.Errorf("restore %s: %+v, %v", action, a, err)
			}
		}
		whole := b.Primary.Value(t, `select count(*) from sessions where quarantined_at is null and owner = 'dead' and version = '1'
			and data = to_jsonb('contents of ' || substr(session_id, 6))`)
		if whole != strconv.Itoa(crowd) {
			t.Fatalf("%s of %d are whole and live", whole, crowd)
		}
	}
}

// killed runs a client and kills it as soon as it has named so many actions. It returns those that it named.
func killed(t *testing.T, port, after int) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimOf+"="+strconv.Itoa(port))
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

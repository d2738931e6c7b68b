package pooltest

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// bouncer is the pooler's name in the policy. adminUser and statsUser are the users of its console.
const (
	bouncer   = "bouncer1"
	adminUser = "pgb_admin"
	statsUser = "pgb_stats"
)

// startPooler starts a pooler for one run: what it has counted of other runs' transactions would be in the way.
func (b *lab) startPooler(t *testing.T, s settings) *testbed.PgBouncer {
	t.Helper()
	p := testbed.StartPgBouncer(t, testbed.PgBouncerOptions{Target: b.Primary, PoolSize: s.poolSize, Config: s.pooler})
	if s.ownSize == 0 {
		return p
	}
	text, err := os.ReadFile(p.ConfigPath)
	if err == nil {
		changed := strings.Replace(string(text), "dbname="+testbed.Database, fmt.Sprintf("dbname=%s pool_size=%d", testbed.Database, s.ownSize), 1)
		err = os.WriteFile(p.ConfigPath, []byte(changed), 0o600)
	}
	if err == nil {
		err = p.Reload()
	}
	if err != nil {
		t.Fatalf("give the database a size of its own: %v", err)
	}
	return p
}

// console is one session of a pooler's console, which reads. It is for one goroutine at a time.
type console struct{ conn *pgconn.PgConn }

// look opens a console as the user who may only look. Dialling costs more than a look, so one session does for many.
func look(t *testing.T, p *testbed.PgBouncer) *console {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), blackbox.Within)
	defer cancel()
	conn, err := pgconn.Connect(ctx, p.StatsURL())
	if err != nil {
		t.Fatalf("open pgbouncer's console: %v", err)
	}
	t.Cleanup(func() {
		end, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(end) // the pooler may have ended before
	})
	return &console{conn: conn}
}

// show gives the rows of an answer, by column.
func (c *console) show(what string) ([]map[string]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	results, err := c.conn.Exec(ctx, "SHOW "+what).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("show %s: %w", what, err)
	}
	var rows []map[string]string
	for _, result := range results {
		for _, values := range result.Rows {
			row := map[string]string{}
			for i, field := range result.FieldDescriptions {
				row[field.Name] = string(values[i])
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// shape is how the application's database stands at the pooler: "size 4", with what else is unusual.
func (c *console) shape() (string, error) {
	rows, err := c.show("DATABASES")
	if err != nil {
		return "", err
	}
	for _, row := range rows {
		if row["name"] != testbed.Database {
			continue
		}
		text := "size " + row["pool_size"]
		if row["reserve_pool"] != "0" {
			text += " reserve " + row["reserve_pool"]
		}
		for _, flag := range []string{"paused", "disabled"} {
			if row[flag] != "0" {
				text += " " + flag
			}
		}
		return text, nil
	}
	return "", fmt.Errorf("show DATABASES: %s is not there", testbed.Database)
}

// queue is how many clients wait for a connection to the application's database, and the longest wait of those.
func (c *console) queue() (waiting int, longest time.Duration, err error) {
	rows, err := c.show("POOLS")
	if err != nil {
		return 0, 0, err
	}
	for _, row := range rows {
		if row["database"] != testbed.Database {
			continue
		}
		n, err := strconv.Atoi(row["cl_waiting"])
		if err != nil {
			return 0, 0, fmt.Errorf("read cl_waiting: %w", err)
		}
		wait, err := time.ParseDuration(row["maxwait"] + "s" + row["maxwait_us"] + "us")
		if err != nil {
			return 0, 0, fmt.Errorf("read maxwait: %w", err)
		}
		waiting, longest = waiting+n, max(longest, wait)
	}
	return waiting, longest, nil
}

// shapes writes down each change of what something looks like: the application's database at the pooler, or an application's pool.
type shapes struct {
	mu  sync.Mutex // guards the fields below
	all []string   // in their order, the one at the beginning first
	err error
}

// watchShape looks twenty times a second until the run ends.
func watchShape(t *testing.T, now func() (string, error)) *shapes {
	t.Helper()
	w := &shapes{}
	w.look(now)
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		for blackbox.Pause(ctx, 50*time.Millisecond) {
			w.look(now)
		}
	})
	t.Cleanup(func() { cancel(); work.Wait() })
	return w
}

func (w *shapes) look(read func() (string, error)) {
	now, err := read()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.err = err
		return
	}
	if n := len(w.all); n == 0 || w.all[n-1] != now {
		w.all = append(w.all, now)
	}
}

// seen is every one so far.
func (w *shapes) seen() ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.all), w.err
}

// is says that this is the present one.
func (w *shapes) is(shape string) bool {
	all, _ := w.seen()
	return len(all) > 0 && all[len(all)-1] == shape
}

package pooltest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// load are clients of the pooler that do the same again and again.
type load struct {
	served  atomic.Int64
	refused atomic.Int64
	cancel  context.CancelFunc
	work    sync.WaitGroup
}

// job is what a client does each time.
type job func(ctx context.Context, conn *pgx.Conn) error

// clients starts so many clients of a role. A client that is sent away comes again. They end with the run at the latest.
func (r *run) clients(n int, role, addr string, do job) *load {
	r.t.Helper()
	l := &load{}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	for range n {
		l.work.Go(func() {
			for ctx.Err() == nil {
				if err := l.visit(ctx, addr, role, do); err != nil && ctx.Err() == nil {
					l.refused.Add(1)
					blackbox.Pause(ctx, 100*time.Millisecond)
				}
			}
		})
	}
	r.t.Cleanup(l.stop)
	return l
}

// visit is one connection, for as long as nobody ends it.
func (l *load) visit(ctx context.Context, addr, role string, do job) error {
	conn, err := dial(ctx, addr, role, "work")
	if err != nil {
		return err
	}
	defer func() { _ = conn.PgConn().Conn().Close() }()
	for ctx.Err() == nil {
		if err := do(ctx, conn); err != nil {
			return err
		}
		l.served.Add(1)
	}
	return nil
}

// stop sends all of them away, whatever they wait for.
func (l *load) stop() {
	l.cancel()
	l.work.Wait()
}

// query is a client that runs a short statement, and waits a little before the next.
func query(sql string) job {
	return func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
		blackbox.Pause(ctx, 50*time.Millisecond)
		return nil
	}
}

// chat is a transaction of many short statements with a little time between them, as applications do that carry each answer through
// their own code: it keeps its connection for long, and the server does hardly anything for it.
func chat(statements int) job {
	return func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "begin")
		for i := 0; err == nil && i < statements; i++ {
			if !blackbox.Pause(ctx, 100*time.Millisecond) {
				return errors.New("sent away")
			}
			_, err = conn.Exec(ctx, "select count(*) from items where id < 10")
		}
		if err == nil {
			_, err = conn.Exec(ctx, "commit")
		}
		return err
	}
}

// queued waits until so many clients wait at the pooler, and the first of them for long enough to be a fault.
func (r *run) queued(n int) {
	r.t.Helper()
	r.await(fmt.Sprintf("%d clients to wait at the pooler", n), func() bool {
		waiting, longest, err := r.console.queue()
		return err == nil && waiting >= n && longest > r.settings.maxWait
	})
}

// flows waits until clients are served again, and nobody waits for long any more.
func (r *run) flows(l *load) {
	r.t.Helper()
	before, calm := l.served.Load(), 0
	r.await("the clients to be served", func() bool {
		_, longest, err := r.console.queue()
		if calm++; err != nil || longest > r.settings.maxWait {
			calm = 0
		}
		return calm >= 3 && l.served.Load() > before
	})
}

package deadman

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/internal/pgbouncer"
)

const (
	// tryWithin bounds one RESUME; between two there is retryEvery.
	tryWithin  = 2 * time.Second
	retryEvery = 200 * time.Millisecond
	// stopWithin is how long it goes on trying to resume when it is being stopped.
	stopWithin = 5 * time.Second
	// manyTries is how many RESUMEs in vain are written down as one line of the log.
	manyTries = 25
)

// Config is what one dead-man needs.
type Config struct {
	// Console of the pooler beside which this runs, as one of admin_users. Required.
	Console *pgbouncer.Console
	// Listen is the absolute path of a socket, or tcp://127.0.0.1:port. Required. The socket is for who runs this, and nobody else.
	Listen string
	// Token is what every request must carry. Required on a port.
	Token string
	// State is the absolute path of the file that outlives this process, in a folder that does, too. Required.
	State string
	// Log is told what was resumed.
	Log zerolog.Logger
}

// deadman is a running one.
type deadman struct {
	cfg Config

	mu sync.Mutex
	// armed is nil while nothing is. since is when it was armed and until when it ends, both by the monotonic clock; ending says that its RESUME
	// has begun. All are guarded by mu.
	armed  *Armed
	since  time.Time
	until  time.Time
	ending bool

	// changed holds one token when until has moved.
	changed chan struct{}
}

// Run resumes what was left, then answers until ctx ends; then it resumes what is armed. An error means that it could not begin, or that
// something is left paused.
func Run(ctx context.Context, cfg Config) error {
	switch {
	case cfg.Console == nil:
		return errors.New("run dead-man: no console")
	case !filepath.IsAbs(cfg.State):
		return fmt.Errorf("run dead-man: state %q is no absolute path", cfg.State)
	}
	network, where, err := place(cfg.Listen, cfg.Token)
	if err != nil {
		return fmt.Errorf("run dead-man: %w", err)
	}
	l, err := listen(ctx, network, where) // before the state is read: who cannot listen is the second one, and leaves the first one's alone
	if err != nil {
		return fmt.Errorf("run dead-man: %w", err)
	}
	defer l.Close()
	d := &deadman{cfg: cfg, changed: make(chan struct{}, 1)}
	left, found, err := load(cfg.State)
	if err != nil {
		return fmt.Errorf("run dead-man: %w", err)
	}
	if found {
		d.armed, d.ending = &left, true
		if err := d.end(ctx, "it was armed when this process ended"); err != nil {
			return fmt.Errorf("run dead-man: %w", err)
		}
	}
	return d.serve(ctx, l)
}

// listen opens the address. A socket that nobody answers on any more is removed first.
func listen(ctx context.Context, network, where string) (net.Listener, error) {
	if network == "unix" {
		var dialer net.Dialer
		if conn, err := dialer.DialContext(ctx, network, where); err == nil {
			_ = conn.Close()
			return nil, fmt.Errorf("listen at %s: another one answers there", where)
		}
		if err := os.Remove(where); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("listen at %s: %w", where, err)
		}
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, network, where)
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", where, err)
	}
	if network == "unix" {
		if err := os.Chmod(where, 0o600); err != nil {
			return nil, errors.Join(fmt.Errorf("listen at %s: %w", where, err), l.Close())
		}
	}
	return l, nil
}

// serve answers, and watches the time.
func (d *deadman) serve(ctx context.Context, l net.Listener) error {
	var running sync.WaitGroup
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	failed := make(chan error, 1)
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				failed <- err
				return
			}
			running.Go(func() { d.talk(ctx, conn) })
		}
	})
	err := d.watch(ctx, failed)
	_ = l.Close()
	running.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	if d.begin(time.Time{}) {
		err = errors.Join(err, d.end(last, "this process is being stopped"))
	}
	return err
}

// watch ends what is armed when its time is over. It returns when ctx has ended, or when nobody can be answered any more.
func (d *deadman) watch(ctx context.Context, failed <-chan error) error {
	for {
		timer := time.NewTimer(d.left())
		select {
		case <-d.changed:
		case <-timer.C:
			if d.begin(time.Now()) {
				if err := d.end(ctx, "its time is over"); err != nil && ctx.Err() == nil {
					timer.Stop()
					return err
				}
			}
		case err := <-failed:
			timer.Stop()
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("run dead-man: accept: %w", err)
		}
		timer.Stop()
	}
}

// left is how long there is nothing to do.
func (d *deadman) left() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.armed == nil {
		return time.Hour
	}
	return time.Until(d.until)
}

// begin says that something is armed whose time is over at now, and from then on nobody can renew it. At the zero time everything is over.
func (d *deadman) begin(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.armed == nil || !now.IsZero() && now.Before(d.until) {
		return false
	}
	d.ending = true
	return true
}

// end resumes what is armed. It returns when the pooler has said that it runs, or with an error when ctx has ended before.
func (d *deadman) end(ctx context.Context, why string) error {
	a := *d.armed // only this changes it while it is ending
	for tries := 1; ; tries++ {
		err := d.resume(ctx, a.Database)
		if err == nil {
			break
		}
		if tries%manyTries == 1 {
			d.cfg.Log.Error().Err(err).Str("action", a.Action).Str("database", a.Database).Int("tries", tries).Msg("cannot resume, trying on")
		}
		timer := time.NewTimer(retryEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("database %s is left paused by action %s: %w", a.Database, a.Action, err)
		}
	}
	d.cfg.Log.Info().Str("action", a.Action).Str("database", a.Database).Str("why", why).Msg("runs")
	d.mu.Lock()
	defer d.mu.Unlock()
	d.armed, d.ending = nil, false
	return forget(d.cfg.State)
}

// resume is one attempt. What runs already, or is no database any more, is done.
func (d *deadman) resume(ctx context.Context, database string) error {
	ctx, cancel := context.WithTimeout(ctx, tryWithin)
	defer cancel()
	err := d.cfg.Console.Exec(ctx, pgbouncer.Resume(database))
	if errors.Is(err, pgbouncer.ErrNotPaused) || errors.Is(err, pgbouncer.ErrNoDatabase) {
		return nil
	}
	return err
}

// Package bus is where everything that must survive is kept: JetStream, inside of this process or on an external NATS.
//
// It offers five things and nothing else of JetStream leaks out of it: the alerts' journal ([Journal]: concurrent
// appends become one durable message), records ([Bus.AppendIf], [Bus.Load]: compare-and-append on one subject), a
// tail and the past ([Bus.Follow]), durable work ([Bus.Work]), and an agenda ([Agenda]: durable "look at this again
// at"). A [Cell] is one document that is changed by compare-and-set.
//
// What an acknowledged append survives: embedded, a power cut (every message is synced before it is acknowledged);
// external, what that cluster was set up for (three replicas and sync_interval "always" survive the same).
// Acknowledgements of consumers are not durable on one server, so nothing here rests on them: work may be handed
// out again, and who does it must find that it is done.
package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/firebreak-sre/firebreak/bus/stored"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

// The streams: see [stored].
const (
	Alerts    = stored.Alerts
	Incidents = stored.Incidents
)

// alertsSubject is the one subject of the alerts' journal. One subject for all alerts keeps memory flat however many
// different alerts there are, and lets concurrent bodies share one durable message.
const alertsSubject = "alerts.journal"

// A node of an external NATS that is silent for so many of these is left for another.
const (
	pingEvery = 3 * time.Second
	pingsOut  = 2
)

// ErrConflict says that somebody else appended first: read the record again.
var ErrConflict = stored.ErrConflict

// ErrNotFound says that nothing is kept under that name.
var ErrNotFound = stored.ErrNotFound

// Config is how the bus is reached or run. Exactly one of Dir and URL is set.
type Config struct {
	// Dir is the folder of the embedded server. It is created if it is missing, and locked.
	Dir string
	// Listen is where the embedded server takes NATS clients, e.g. 127.0.0.1:4222; empty: nowhere. Token is what they present, and
	// what we present to an external NATS.
	Listen string
	Token  string
	// ListenTLS is the TLS of Listen; nil: in the clear. If it demands certificates of clients, they present those beside the token.
	ListenTLS *tls.Config
	// URL and CredentialsFile are of an external NATS. Username and Password are another way to be let in there.
	URL                string
	CredentialsFile    string
	Username, Password string
	// TLS is whom we believe at URL, and what we show: with tls:// in any case, with nats:// if that server demands it. Nil: the system's.
	TLS *tls.Config
	// Replicas of every stream; 0 means 1.
	Replicas int
	// MaxBytes is how much the alerts' stream may hold; when it is full new alerts are refused. 0 means 8 GiB.
	MaxBytes int64
	// IncidentsMaxBytes is how much the incidents' stream may hold before no new incident is opened, see [ErrFull]. 0 means 8 GiB.
	IncidentsMaxBytes int64
	// MaxAge is how long alerts and incidents are kept. 0 means 90 days.
	MaxAge time.Duration
	// Name is this replica's name, as other replicas and NATS see it; empty: host name and process id.
	Name string
	Log  zerolog.Logger
}

// Bus is a connection to JetStream with the product's streams in place.
type Bus struct {
	cfg               Config
	log               zerolog.Logger
	server            *server.Server // nil when external
	lock              *os.File       // nil when external
	nc                *nats.Conn
	js                jetstream.JetStream
	claims            jetstream.KeyValue
	alerts, incidents jetstream.Stream
	// held is how much the incidents' stream held a moment ago.
	held held
	// lost is closed when the connection is gone for good.
	lost chan struct{}
	// endWatch ends what watches over the node of an external NATS, and waits for it.
	endWatch func()
}

// Open starts the embedded server or connects to the external one, and creates or updates the streams. It returns when the
// bus can be used. Close must be called.
func Open(ctx context.Context, cfg Config) (*Bus, error) {
	b, err := OpenBare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err = b.refuseUnfinished(ctx); err == nil {
		err = b.createStreams(ctx)
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	if cfg.URL != "" {
		b.watchNode()
	}
	return b, nil
}

func (c Config) withDefaults() Config {
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 8 << 30
	}
	if c.IncidentsMaxBytes == 0 {
		c.IncidentsMaxBytes = 8 << 30
	}
	if c.MaxAge == 0 {
		c.MaxAge = 90 * 24 * time.Hour
	}
	if c.Name == "" {
		host, _ := os.Hostname()
		c.Name = fmt.Sprintf("%s-%d", host, os.Getpid())
	}
	return c
}

func (b *Bus) externalOptions() []nats.Option {
	opts := []nats.Option{nats.Timeout(5 * time.Second), nats.RetryOnFailedConnect(false),
		// A node that hangs or is cut off does not end its connections. The library would wait four minutes for it, with
		// other nodes at hand.
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(pingsOut)}
	if b.cfg.Token != "" {
		opts = append(opts, nats.Token(b.cfg.Token))
	}
	if b.cfg.CredentialsFile != "" {
		opts = append(opts, nats.UserCredentials(b.cfg.CredentialsFile))
	}
	if b.cfg.Username != "" {
		opts = append(opts, nats.UserInfo(b.cfg.Username, b.cfg.Password))
	}
	if b.cfg.TLS != nil {
		// The library's own option for this would refuse servers that have no TLS, which nats:// allows; tls:// still insists.
		opts = append(opts, func(o *nats.Options) error { o.TLSConfig = b.cfg.TLS; return nil })
	}
	return opts
}

func (b *Bus) connect(url string, opts ...nats.Option) error {
	opts = append(opts,
		nats.Name("firebreak "+b.cfg.Name),
		nats.MaxReconnects(-1), nats.ReconnectWait(250*time.Millisecond),
		// A publish that waits in a buffer for a reconnect would be sent late, after its deadline.
		nats.ReconnectBufSize(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.log.Warn().Err(b.cfg.unsaid(err)).Msg("nats reported an error")
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Warn().Err(b.cfg.unsaid(err)).Msg("nats connection lost")
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { b.log.Info().Msg("nats connection is back") }),
		nats.ClosedHandler(func(*nats.Conn) { close(b.lost) }))
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		return fmt.Errorf("connect to nats: %w", b.cfg.unsaid(err))
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(5*time.Second))
	if err != nil {
		nc.Close()
		return fmt.Errorf("open jetstream: %w", err)
	}
	b.nc, b.js = nc, js
	return nil
}

// createStreams makes the streams as this build wants them. Nothing is ever deleted from the two that hold the truth but by age.
func (b *Bus) createStreams(ctx context.Context) error {
	streams := []jetstream.StreamConfig{
		// Full means "no", not "forget the oldest": the receiver then answers 503 and Alertmanager tries again.
		{Name: Alerts, Subjects: []string{"alerts.>"}, MaxBytes: b.cfg.MaxBytes, Discard: jetstream.DiscardNew},
		// It has no limit of its own: an append to an open incident is never refused, see [ErrFull].
		{Name: Incidents, Subjects: []string{"incidents.>"}, Discard: jetstream.DiscardNew, MaxBytes: -1},
	}
	for _, s := range streams {
		s.Retention = jetstream.LimitsPolicy
		s.Storage = jetstream.FileStorage
		s.Replicas = b.cfg.Replicas
		s.MaxAge = b.cfg.MaxAge
		s.DenyDelete, s.DenyPurge = true, true
		s.AllowDirect = true
		// No message carries an id: duplicates are found in the record, for ever. The shortest window keeps the
		// server from re-reading two minutes of a storm when it starts.
		s.Duplicates = 100 * time.Millisecond
		made, err := b.createStream(ctx, s)
		if err != nil {
			return fmt.Errorf("create stream %s: %w", s.Name, err)
		}
		if s.Name == Alerts {
			b.alerts = made
		} else {
			b.incidents = made
		}
	}
	claims, err := b.bucket(ctx, jetstream.KeyValueConfig{
		Bucket: "claims", Storage: jetstream.MemoryStorage, LimitMarkerTTL: time.Second,
		Description: "which replica works on which incident right now",
	})
	b.claims = claims
	return err
}

// createStream makes a stream, or changes it to what this build wants.
func (b *Bus) createStream(ctx context.Context, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	return Insist(ctx, func(ctx context.Context) (jetstream.Stream, error) { return b.js.CreateOrUpdateStream(ctx, cfg) })
}

func (b *Bus) bucket(ctx context.Context, cfg jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	cfg.History, cfg.Replicas = 1, b.cfg.Replicas
	kv, err := Insist(ctx, func(ctx context.Context) (jetstream.KeyValue, error) { return b.js.CreateOrUpdateKeyValue(ctx, cfg) })
	if err != nil {
		return nil, fmt.Errorf("create key-value bucket %s: %w", cfg.Bucket, err)
	}
	return kv, nil
}

// JetStream is the connection itself, for rooms that keep their own protocol on it (the breakers' leases).
func (b *Bus) JetStream() jetstream.JetStream { return b.js }

// Name is this replica's name.
func (b *Bus) Name() string { return b.cfg.Name }

// Replicas is how many copies of every stream are kept.
func (b *Bus) Replicas() int { return b.cfg.Replicas }

// ClientURL is where NATS clients reach the bus; "" if the embedded server does not listen.
func (b *Bus) ClientURL() string {
	if b.server == nil {
		return b.cfg.URL
	}
	if b.cfg.Listen == "" {
		return ""
	}
	return b.server.ClientURL()
}

// Lost is closed when the connection is gone for good: it was refused, not interrupted. Nothing can be stored any more.
func (b *Bus) Lost() <-chan struct{} { return b.lost }

// errNoLeader says that nothing can be stored, for the copies of the stream have no leader that our node knows of.
var errNoLeader = errors.New("the stream has no leader")

// Ready says whether the bus can store now.
func (b *Bus) Ready(ctx context.Context) error {
	info, err := b.alerts.Info(ctx)
	if err == nil && info.Cluster != nil && info.Cluster.Leader == "" {
		err = errNoLeader // a node that is cut off answers all the same
	}
	if err != nil {
		return fmt.Errorf("ask the bus for stream %s: %w", Alerts, err)
	}
	return nil
}

func (b *Bus) stream(name string) (jetstream.Stream, error) {
	switch name {
	case Alerts:
		return b.alerts, nil
	case Incidents:
		return b.incidents, nil
	}
	return nil, fmt.Errorf("stream %s: %w", name, ErrNotFound)
}

// Usage is how many bytes the alerts' stream holds and may hold.
func (b *Bus) Usage(ctx context.Context) (bytes, limit int64, err error) {
	info, err := b.alerts.Info(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("ask the bus for stream %s: %w", Alerts, err)
	}
	return int64(info.State.Bytes), info.Config.MaxBytes, nil
}

// Close ends the connection, stops the embedded server and gives its folder free. Whoever uses the bus must have stopped before.
func (b *Bus) Close() {
	if b.endWatch != nil {
		b.endWatch()
	}
	if b.nc != nil {
		b.nc.Close()
	}
	if b.server != nil {
		b.server.Shutdown()
		b.server.WaitForShutdown()
	}
	if b.lock != nil {
		_ = b.lock.Close() // closing gives the lock free
	}
}

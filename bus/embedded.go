package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

// tlsWithin is how long a client may take to agree on TLS: longer than the library's two seconds, which a loaded machine can need.
const tlsWithin = 5 * time.Second

// maxPayload of the embedded server: one journal message holds many bodies.
const maxPayload = 8 << 20

// startEmbedded runs JetStream inside of this process, on a folder that no other process may use at the same time.
//
// The server is never started clustered: a store that was made standalone is deleted by a clustered server as orphaned,
// without asking. Moving to a cluster is a backup and a restore, or an external bus.
func (b *Bus) startEmbedded(ctx context.Context) error {
	if err := b.lockDir(); err != nil {
		return err
	}
	opts := &server.Options{
		ServerName: "firebreak", DontListen: true, NoSigs: true,
		JetStream: true, StoreDir: b.cfg.Dir,
		// The default syncs every two minutes and loses every acknowledged message of that time in a power cut.
		SyncAlways:        true,
		JetStreamMaxStore: b.cfg.MaxBytes + b.cfg.IncidentsMaxBytes + 8<<30, JetStreamMaxMemory: 256 << 20,
		MaxPayload: maxPayload,
	}
	if b.cfg.Listen != "" {
		host, port, err := splitListen(b.cfg.Listen)
		if err != nil {
			return err
		}
		opts.DontListen, opts.Host, opts.Port = false, host, port
		opts.Authorization = b.cfg.Token
		if cfg := b.cfg.ListenTLS; cfg != nil {
			opts.TLS, opts.TLSConfig, opts.TLSTimeout = true, cfg, tlsWithin.Seconds()
			opts.TLSVerify = cfg.ClientAuth == tls.RequireAndVerifyClientCert
		}
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("set up the embedded nats server: %w", err)
	}
	fatal := make(chan string, 1)
	s.SetLoggerV2(serverLog{b.log, fatal}, false, false, false)
	b.server = s
	go s.Start() // ends with Shutdown in Close
	if err := waitReady(ctx, s, fatal); err != nil {
		return err
	}
	return b.connect("", nats.InProcessServer(s), nats.Token(b.cfg.Token))
}

// waitReady waits for recovery, which takes long only on a large store. A server that cannot start, because its port is taken for
// one, only says so in its log; it would never be ready.
func waitReady(ctx context.Context, s *server.Server, fatal <-chan string) error {
	for {
		if s.ReadyForConnections(250 * time.Millisecond) {
			return nil
		}
		select {
		case why := <-fatal:
			return fmt.Errorf("start the embedded nats server: %s", why)
		case <-ctx.Done():
			return fmt.Errorf("wait for the embedded nats server: %w", context.Cause(ctx))
		default:
		}
	}
}

func splitListen(listen string) (string, int, error) {
	host, p, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("read the bus's listen address %q: %w", listen, err)
	}
	port, err := strconv.Atoi(p)
	if err != nil {
		return "", 0, fmt.Errorf("read the bus's listen port %q: %w", p, err)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}

// lockDir creates the folder and takes the lock on it. Two servers on one store destroy it.
func (b *Bus) lockDir() error {
	if b.cfg.Dir == "" {
		return errors.New("open the bus: neither a data folder nor a url is given")
	}
	if err := os.MkdirAll(b.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("create the data folder: %w", err)
	}
	path := filepath.Join(b.cfg.Dir, "firebreak.lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open the data folder's lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return fmt.Errorf("lock the data folder %s: another firebreak is using it (stop it, or give this one its own --data): %w", b.cfg.Dir, err)
	}
	b.lock = f
	return nil
}

// serverLog hands the embedded server's words to our log. Its notices are about itself and not worth a line.
type serverLog struct {
	log zerolog.Logger
	// fatal takes the first reason for which the server cannot go on.
	fatal chan<- string
}

func (l serverLog) Noticef(string, ...any) {}
func (l serverLog) Debugf(string, ...any)  {}
func (l serverLog) Tracef(string, ...any)  {}
func (l serverLog) Warnf(f string, v ...any) {
	if msg := fmt.Sprintf(f, v...); !strings.Contains(msg, "Maximum payload") {
		l.log.Warn().Str("nats", msg).Msg("embedded nats server warns")
	}
}
func (l serverLog) Errorf(f string, v ...any) {
	l.log.Error().Str("nats", fmt.Sprintf(f, v...)).Msg("embedded nats server reports an error")
}
func (l serverLog) Fatalf(f string, v ...any) {
	why := fmt.Sprintf(f, v...)
	l.log.Error().Str("nats", why).Msg("embedded nats server reports a fatal error")
	select {
	case l.fatal <- why:
	default:
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/bus/backup"
	"github.com/firebreak-sre/firebreak/console/operate"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/rs/zerolog"
)

const (
	backupPath = "/api/v1/backup"
	// backupStall is how long who takes a backup may take nothing of it.
	backupStall = 30 * time.Second
)

// backups answers POST /api/v1/backup with a backup of the bus, while everything goes on. It is everything that is known here, so it takes
// the right to operate; the right to approve is about the name behind a yes, and has no place in a program that runs every night.
type backups struct {
	bus *bus.Bus
	who func(*http.Request) (incidents.Person, operate.Rights, error)
	// stopping ends what is under way.
	stopping context.Context //nolint:containedctx // a running service
	// one holds a token while a backup is taken: two at once would only make both slower.
	one  chan struct{}
	next http.Handler
	log  zerolog.Logger
}

// withBackups puts the backup in front of the other paths of the API.
func (d *daemon) withBackups(next http.Handler) http.Handler {
	srv := d.policy.Server
	return &backups{bus: d.bus, who: operate.Identify(srv.API, srv.TLS.ClientCAFile != ""),
		stopping: d.stopping, one: make(chan struct{}, 1), next: next, log: d.log}
}

// ServeHTTP answers who may have a backup.
func (b *backups) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.TrimSuffix(r.URL.Path, "/") != backupPath {
		b.next.ServeHTTP(w, r)
		return
	}
	no := func(status int, words string) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": words}) // the peer may be gone
	}
	person, rights, err := b.who(r)
	switch {
	case err != nil:
		w.Header().Set("WWW-Authenticate", `Bearer realm="firebreak"`)
		no(http.StatusUnauthorized, err.Error())
	case http.NewCrossOriginProtection().Check(r) != nil:
		no(http.StatusForbidden, "a page of another origin sent this")
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		no(http.StatusMethodNotAllowed, r.Method+" does not go here; POST does")
	case !rights.Operate:
		no(http.StatusForbidden, person.String()+" may not do this: it needs the right operate (server.api.operators[].may in the policy)")
	default:
		select {
		case b.one <- struct{}{}:
			defer func() { <-b.one }()
			b.serve(w, r, person)
		default:
			no(http.StatusConflict, "another backup is being taken; ask again when it is done")
		}
	}
}

// serve streams the backup. Where it fails the connection is broken off, so that what came does not seem whole.
func (b *backups) serve(w http.ResponseWriter, r *http.Request, person incidents.Person) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(b.stopping, cancel)()
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // that of the request would end the answer with it
	defer func() { _ = out.SetWriteDeadline(time.Time{}) }()
	w.Header().Set("Content-Type", "application/gzip")
	w.Header().Set("Cache-Control", "no-store")
	m, err := backup.Take(ctx, b.bus, buildVersion(), patient{w, out})
	if err != nil {
		b.log.Error().Err(err).Str("by", person.Name).Msg("a backup could not be taken")
		panic(http.ErrAbortHandler)
	}
	b.log.Info().Str("order", "backup").Str("by", person.Name).Str("via", person.Via).Int("parts", len(m.Parts)).
		Dur("took", m.Ended.Sub(m.Begun)).Msg("a person took a backup")
}

// patient is an answer that may take long, as long as somebody takes it.
type patient struct {
	w   io.Writer
	out *http.ResponseController
}

// Write gives each write its own time limit.
func (p patient) Write(data []byte) (int, error) {
	_ = p.out.SetWriteDeadline(time.Now().Add(backupStall)) // where the server cannot, its own limits hold
	return p.w.Write(data)
}

type backupCmd struct {
	operator
	Output string `short:"o" help:"File to write; one that is there is replaced." required:"" type:"path" placeholder:"FILE"`
	JSON   bool   `help:"What is in the backup, as JSON."`
}

// Help is what "firebreak backup --help" teaches.
func (c *backupCmd) Help() string {
	return `Takes a backup of a running server: alerts, incidents, the ledger, pauses, the agenda, leases and chat references. Work goes on
meanwhile. It needs the right operate. The file is read again before it counts, and holds what alerts and records hold: keep it as you keep those.

  firebreak backup -o firebreak-$(date +%F).tar.gz
  firebreak restore firebreak-2026-11-23.tar.gz --config firebreak.yaml`
}

// Run takes the backup and reads it again.
func (c *backupCmd) Run(a *app) error {
	req, err := c.request(a.ctx, http.MethodPost, backupPath, nil, nil)
	if err != nil {
		return err
	}
	if c.Token == "" && c.User != "" {
		req.Header.Set(operate.UserHeader, clean(c.User, 64))
	}
	body, err := c.send(req)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	far := a.progress("taking the backup", "bytes", 0, c.JSON)
	m, err := keepBackup(c.Output, far.reading(body))
	far.end()
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(a.stdout).Encode(m)
	}
	item(a.stdout, "", fmt.Sprintf("%s is a whole backup of %s, begun at %s:", c.Output, m.Name, stamp(m.Begun)))
	for _, p := range m.Parts {
		if !p.Tail {
			fmt.Fprintf(a.stdout, "  %-12s %d messages, up to %d\n", p.Stream, p.Messages, p.Last)
		}
	}
	item(a.stdout, "", "What happens from now on is not in it. Keep it where this machine's end does not reach it.")
	return nil
}

// keepBackup stores what comes under a passing name, and gives it its own when it has been read again and is on the disk.
func keepBackup(path string, body io.Reader) (m backup.Manifest, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".partial-*") // which only its owner may read
	if err != nil {
		return m, fmt.Errorf("write the backup: %w", err)
	}
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("write the backup: %w", closeErr)
		}
		if err == nil {
			err = named(f.Name(), path)
		}
		if err != nil {
			_ = os.Remove(f.Name()) // it is no backup
		}
	}()
	if _, err := io.Copy(f, body); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the server broke it off; its log says why")
		}
		return m, fmt.Errorf("write the backup: %w", err)
	}
	if err := f.Sync(); err != nil {
		return m, fmt.Errorf("write the backup: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return m, fmt.Errorf("read the backup again: %w", err)
	}
	return backup.Verify(f)
}

// named gives a file its name, and returns when that is on the disk too.
func named(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("name the backup: %w", err)
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return fmt.Errorf("name the backup: %w", err)
	}
	defer func() { _ = dir.Close() }()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("name the backup: %w", err)
	}
	return nil
}

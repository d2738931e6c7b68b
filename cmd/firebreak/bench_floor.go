package main

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"github.com/nats-io/nats.go/jetstream"
)

// logFile is the physical limit: an append-only file, and one fdatasync for everything that waits. It keeps nothing but the order.
type logFile struct {
	f     *os.File
	queue chan logEntry
}

type logEntry struct {
	data []byte
	done chan error
}

func newLogFile(f *os.File) *logFile { return &logFile{f: f, queue: make(chan logEntry, 1024)} }

// MaxEntry is generous: a file has no such limit.
func (*logFile) MaxEntry() int { return 8 << 20 }

// Append returns when the entry is on the disk.
func (l *logFile) Append(ctx context.Context, data []byte) error {
	e := logEntry{data: data, done: make(chan error, 1)}
	select {
	case l.queue <- e:
		return <-e.done
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *logFile) run(ctx context.Context) {
	for {
		select {
		case e := <-l.queue:
			l.commit(l.gather(e))
		case <-ctx.Done():
			return
		}
	}
}

func (l *logFile) gather(first logEntry) []logEntry {
	group := []logEntry{first}
	for {
		select {
		case e := <-l.queue:
			group = append(group, e)
		default:
			return group
		}
	}
}

func (l *logFile) commit(group []logEntry) {
	var buf bytes.Buffer
	for _, e := range group {
		buf.Write(e.data)
	}
	_, err := l.f.Write(buf.Bytes())
	if err == nil {
		err = datasync(l.f)
	}
	for _, e := range group {
		e.done <- err
	}
}

// plainJournal is the simple way to use JetStream: every alert is a message of its own, published and waited for.
type plainJournal struct{ js jetstream.JetStream }

// MaxEntry is that of a message.
func (plainJournal) MaxEntry() int { return 1 << 20 }

// Append publishes each alert of an entry, one after the other.
func (p plainJournal) Append(ctx context.Context, data []byte) error {
	for line := range bytes.Lines(data) {
		if bytes.HasPrefix(line, []byte(`{"v":`)) {
			continue // the delivery's own line is no alert
		}
		if _, err := p.js.Publish(ctx, "alerts.plain", line); err != nil {
			return fmt.Errorf("publish an alert: %w", err)
		}
	}
	return nil
}

package archive

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// benchIncidents is how many incidents a benchmark archives, each of 15 events in 15 messages.
const benchIncidents = 1500

// fill puts so many known incidents into the bus, interleaved as they are in a storm: groups of 50 that go on side by side.
func (p *place) fill(b *testing.B) (events int) {
	b.Helper()
	const together = 50
	seen, err := json.Marshal(map[string]string{"looked": strings.Repeat("a probe's answer, ", 60)})
	if err != nil {
		b.Fatal(err)
	}
	var acks []jetstream.PubAckFuture
	for group := range benchIncidents / together {
		for i, e := range known() {
			for n := range together {
				id := incidents.NewID("retrystorm", fmt.Sprint("target", n), group+1)
				switch e.Kind {
				case incidents.Opened:
					o := *e.Opening
					o.ID, o.Target = id, fmt.Sprint("target", n)
					e.Opening = &o
				case incidents.Observed:
					e.Seen = seen
				}
				data, err := json.Marshal([]incidents.Event{e})
				if err != nil {
					b.Fatal(err)
				}
				ack, err := p.bus.JetStream().PublishAsync("incidents."+id.Key(), data)
				if err != nil {
					b.Fatal(err)
				}
				acks = append(acks, ack)
			}
			if i%3 == 0 {
				<-p.bus.JetStream().PublishAsyncComplete()
			}
		}
	}
	<-p.bus.JetStream().PublishAsyncComplete()
	for _, ack := range acks {
		select {
		case err := <-ack.Err():
			b.Fatal(err)
		case <-ack.Ok():
		}
	}
	return len(acks)
}

// BenchmarkArchive is events a second from the bus into the database, with all that is derived from them, beside a COPY of the same rows
// into a table without any index, in the same run on the same server. That one has the rows in memory and does not read the bus.
func BenchmarkArchive(b *testing.B) {
	w := newWorld(b)
	p := w.place(b)
	p.cfg.URL = w.node.URL(testbed.RoleSuperuser, testbed.Database) // not through the link
	events := p.fill(b)
	var rows []eventRow
	for from := uint64(1); ; {
		msgs, err := source{p.bus.JetStream()}.batch(b.Context(), from)
		if err != nil {
			b.Fatal(err)
		}
		if len(msgs) == 0 {
			break
		}
		for _, m := range msgs {
			split, err := split(m, 1)
			if err != nil {
				b.Fatal(err)
			}
			rows, from = append(rows, split...), m.Seq+1
		}
	}
	var archived, copied time.Duration
	for b.Loop() {
		p.schema = fmt.Sprintf("archive_%d", w.schemas.Add(1))
		p.cfg.Schema = p.schema
		a := p.archive()
		if err := a.connect(b.Context()); err != nil {
			b.Fatal(err)
		}
		started := time.Now()
		for a.at.seq < uint64(events) {
			if _, err := a.round(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		archived += time.Since(started)
		a.hangUp()
		if got := p.value("SELECT count(*) FROM events"); got != fmt.Sprint(events) {
			b.Fatalf("got %s events, want %d", got, events)
		}
		copied += p.copyRows(b, rows)
	}
	total := float64(events * b.N)
	b.ReportMetric(total/archived.Seconds(), "events/s")
	b.ReportMetric(total/copied.Seconds(), "copied/s")
	b.ReportMetric(copied.Seconds()/archived.Seconds(), "of-COPY")
	b.ReportMetric(0, "ns/op")
}

// copyRows is how long a COPY of the rows takes, in batches as large as the archive's, each in a transaction.
func (p *place) copyRows(b *testing.B, rows []eventRow) time.Duration {
	b.Helper()
	if _, err := p.db.Exec(b.Context(), "DROP TABLE IF EXISTS copied; CREATE TABLE copied AS SELECT * FROM "+p.schema+".events WHERE false"); err != nil {
		b.Fatal(err)
	}
	names := []string{"stored_at", "seq", "n", "epoch", "incident", "handler", "kind", "at", "written_by", "reason", "words", "event"}
	started := time.Now()
	for ; len(rows) > 0; rows = rows[min(batchMessages, len(rows)):] {
		part := rows[:min(batchMessages, len(rows))]
		_, err := p.db.CopyFrom(b.Context(), pgx.Identifier{"copied"}, names, pgx.CopyFromSlice(len(part), func(i int) ([]any, error) {
			r := part[i]
			return []any{r.storedAt, r.seq, r.n, r.epoch, r.incident.String(), r.incident.Handler(), string(r.event.Kind), r.event.At, r.event.By, "",
				r.event.Words(), r.text}, nil
		}))
		if err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(started)
}

package probe

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// backup holds base backups under way at the primary and at a standby, and the session of a tool that keeps one open.
func backup(t *testing.T, l *lab) {
	var ends []func(context.Context) error
	for _, n := range []*testbed.PostgresNode{l.Primary, l.Standbys[0]} {
		config, err := pgconn.ParseConfig(n.URL(testbed.RoleReplicator, "") + "&replication=true")
		if err != nil {
			t.Fatal(err)
		}
		sender, err := pgconn.ConnectConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		// It is never read to its end, and sends 32 kB in each second.
		sender.Exec(context.WithoutCancel(t.Context()), "BASE_BACKUP ( CHECKPOINT 'fast', MAX_RATE 32 )")
		ends = append(ends, func(ctx context.Context) error {
			_ = sender.Close(ctx) // says that it was in the middle of something, which it was
			return nil
		})
	}
	tool, err := pgx.Connect(t.Context(), l.Standbys[0].URL(testbed.RoleReader, testbed.Database)+"&application_name=pgBackRest%20%5Bbackup%5D")
	if err != nil {
		t.Fatal(err)
	}
	ends = append(ends, tool.Close)
	w := l.watch(t)
	o := w.until("the backups", func(o view) bool {
		return o.at("pg1").Primary.Backups == 1 && o.at("pg2").Standby.Backups == 2
	})
	if got := len(o.at("pg1").Primary.Senders); got != 3 {
		t.Errorf("got %d senders, want two standbys and a backup", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, end := range ends {
		if err := end(ctx); err != nil {
			t.Error(err)
		}
	}
	w.until("none to be left", func(o view) bool {
		return o.at("pg1").Primary.Backups == 0 && o.at("pg2").Standby.Backups == 0
	})
}

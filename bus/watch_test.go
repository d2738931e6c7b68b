package bus

import (
	"context"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// An agenda that was watched once is watched again: each round learns what other replicas entered since the one before.
func TestAgendaWatchedAgain(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	b, err := Open(ctx, Config{Dir: t.TempDir(), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	a, err := b.Agenda(ctx, "agenda")
	if err != nil {
		t.Fatal(err)
	}
	other, err := b.Agenda(ctx, "agenda")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"storm.1", "storm.2", "storm.3"} {
		if err := other.Set(ctx, key, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		round, end := context.WithTimeout(ctx, 200*time.Millisecond)
		err := a.watchRound(round, []string{"storm.", "other."})
		end()
		if err != nil {
			t.Fatalf("the round for %s: %v", key, err)
		}
		if !a.Knows(key) {
			t.Errorf("got that %s is not known, want that this round learned it", key)
		}
	}
}

package pgbouncer_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/remediations/pgbouncer"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer/deadman"
)

// part names in the environment what this test's binary is to be instead: the dead-man, or the process that pauses.
const part = "FIREBREAK_TEST_PART"

// TestMain makes this test's binary those processes too, so that they can be killed.
func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(part) {
	case "":
		os.Exit(m.Run())
	case "deadman":
		err = beDeadman()
	case "pauser":
		err = bePauser()
	default:
		err = fmt.Errorf("there is no part %q", os.Getenv(part))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// alone is what the shared test code needs of a test, in a process that is none.
type alone struct{}

func (alone) Helper()             {}
func (alone) Cleanup(func())      {}
func (alone) Failed() bool        { return false }
func (alone) Logf(string, ...any) {}
func (alone) TempDir() string     { return os.TempDir() }
func (alone) Fatalf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func beDeadman() error {
	return deadman.Run(context.Background(), deadman.Config{Console: consoleAt(alone{}, os.Getenv("POOLER"), "pgb_admin"), Listen: os.Getenv("SOCKET"),
		State: os.Getenv("STATE"), Log: zerolog.New(os.Stderr).With().Timestamp().Logger()})
}

// bePauser pauses, and takes back what it paused when its own time is over; it goes on with that until it is killed.
func bePauser() error {
	d, err := deadman.NewClient(os.Getenv("SOCKET"), "")
	if err != nil {
		return err
	}
	r, err := pgbouncer.New(pgbouncer.Config{Poolers: map[string]pgbouncer.Pooler{
		"orders/bouncer1": {Console: consoleAt(alone{}, os.Getenv("POOLER"), "pgb_admin"), Deadman: d}}})
	if err != nil {
		return err
	}
	ttl, err := time.ParseDuration(os.Getenv("TTL"))
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		o := killOrder(fmt.Sprintf("%d-%d", os.Getpid(), n), ttl)
		receipt, err := r.Apply(context.Background(), o)
		fmt.Fprintln(os.Stderr, n, receipt.Note, err)
		if err != nil {
			<-time.After(ttl / 30)
			continue
		}
		<-time.After(ttl / 3) // for as long as a person's work would take
		fmt.Fprintln(os.Stderr, n, r.Revert(context.Background(), o, receipt))
	}
}

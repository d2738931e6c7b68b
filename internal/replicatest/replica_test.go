package replicatest

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// replica is one Firebreak. It keeps its listener and its policy over all of its lives.
type replica struct {
	t      *testing.T
	bin    string
	name   string
	config string
	api    api

	process *testbed.Process
	// stopped is made when the process stops itself at its failpoint; "" if it is not told to.
	stopped string
}

// build builds Firebreak as it is, but for the failpoints.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "firebreak")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "failpoint", "-o", bin, "./cmd/firebreak")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build firebreak with its failpoints: %v\n%s", err, out)
	}
	return bin
}

// start starts it; args follow its usual command line.
func (r *replica) start(args ...string) { r.startWith(nil, args...) }

// startArmed starts a replica that stops itself when it comes to a failpoint for the first time.
func (r *replica) startArmed(point string) {
	r.t.Helper()
	r.stopped = filepath.Join(r.t.TempDir(), "stopped")
	r.startWith([]string{"FIREBREAK_FAILPOINT=" + point, "FIREBREAK_FAILPOINT_STOP=" + r.stopped})
}

func (r *replica) startWith(env []string, args ...string) {
	r.t.Helper()
	r.process = testbed.Start(r.t, testbed.Command{Name: r.name, Path: r.bin,
		Args: append([]string{"serve", "--config", r.config}, args...), Env: append(os.Environ(), env...)})
}

// ready says whether it can take alerts.
func (r *replica) ready() bool { return r.status("/readyz") == http.StatusOK }

// status is what a path answers, 0 if nothing does.
func (r *replica) status(path string) int {
	return (&alertmanager{client: r.api.client}).ask(context.Background(), http.MethodGet, r.api.url+path, nil)
}

func (r *replica) awaitReady() {
	r.t.Helper()
	testbed.Await(r.t, patience, r.name+" to be ready", func() bool { return r.ended() || r.ready() })
	if r.ended() {
		r.t.Fatalf("%s ended by itself:\n%s", r.name, r.process.Log())
	}
}

func (r *replica) ended() bool {
	select {
	case <-r.process.Ended():
		return true
	default:
		return false
	}
}

// isStopped says whether it has stopped at its failpoint, with all of its threads.
func (r *replica) isStopped() bool {
	if _, err := os.Stat(r.stopped); err != nil {
		return false
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(r.process.PID()), "stat"))
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && strings.HasPrefix(state, "T")
}

func (r *replica) resume() { r.process.Signal(syscall.SIGCONT) }

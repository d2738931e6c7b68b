package testbed

import (
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// failing is a TB that records how it was failed. Its Fatalf ends the goroutine, as a real one does.
type failing struct {
	testing.TB
	words string
}

func (f *failing) Helper()      {}
func (f *failing) Failed() bool { return f.words != "" }
func (f *failing) Fatalf(format string, args ...any) {
	f.words = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// fails runs f and gives the words that it failed with, or "".
func fails(t *testing.T, f func(t TB)) string {
	t.Helper()
	tb := &failing{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(tb)
	}()
	<-done
	return tb.words
}

// A missing server fails the test and says which package to install; it never skips.
func TestMissingBinaryNamesThePackage(t *testing.T) {
	t.Parallel()
	got := fails(t, func(t TB) { find(t, "some-package", "no-such-server", "no-such-server-either") })
	for _, want := range []string{"no-such-server or no-such-server-either", "apt-get install --no-install-recommends some-package"} {
		if !strings.Contains(got, want) {
			t.Errorf("failed with %q, want it to contain %q", got, want)
		}
	}
}

// A port that was handed out can be listened on, and lies where outgoing connections do not take it.
func TestPortIsFree(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", Addr(t))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	if port < firstPort || port >= lastPort {
		t.Errorf("got port %d, want one from %d to %d", port, firstPort, lastPort)
	}
	if portIsFree(port) {
		t.Errorf("port %d is said to be free while it is listened on", port)
	}
}

// Awaiting something that never comes fails in words that say what it was.
func TestAwaitSaysWhatNeverCame(t *testing.T) {
	t.Parallel()
	got := fails(t, func(t TB) { Await(t, 30*time.Millisecond, "the moon", func() bool { return false }) })
	if want := "waited 30ms in vain for the moon"; !strings.Contains(got, want) {
		t.Errorf("failed with %q, want it to contain %q", got, want)
	}
	looks := 0
	Await(t, time.Minute, "the third look", func() bool { looks++; return looks == 3 })
}

// A process is stopped, killed and started again as one would a real server; its log survives all of that.
func TestProcessLives(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	// It says when it is asked to stop, so that its log tells what ended it.
	script := `trap 'echo asked to stop; exit 0' TERM; echo up; while :; do sleep 0.02; done`
	p := Start(t, Command{Name: "shell", Path: shell, Args: []string{"-c", script}})
	says := func(text string, times int) func() bool {
		return func() bool { return strings.Count(p.Log(), text) == times }
	}

	Await(t, 10*time.Second, "the first start", says("up", 1))
	if err := p.Start(); err == nil || !strings.Contains(err.Error(), "runs already") {
		t.Errorf("starting what runs: got %v, want a refusal", err)
	}
	first := p.PID()
	p.Kill9()
	if err := syscall.Kill(first, 0); err == nil {
		t.Errorf("pid %d is still there after SIGKILL", first)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	Await(t, 10*time.Second, "the second start", says("up", 2))
	if group, err := syscall.Getpgid(p.PID()); err != nil || group != p.PID() {
		t.Errorf("its process group is %d (%v), want its own, %d", group, err, p.PID())
	}
	p.Stop()
	p.Stop()
	if !says("asked to stop", 1)() {
		t.Errorf("want exactly one SIGTERM in the log, got:\n%s", p.Log())
	}
}

// A server that ends while it starts is noticed at once, with its reason.
func TestEndsBeforeReady(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	p := Start(t, Command{Name: "shell", Path: shell, Args: []string{"-c", "exit 7"}})
	err = p.awaitReady(time.Hour, func() bool { return false })
	if want := "await shell: it ended before it was ready: exit status 7"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
